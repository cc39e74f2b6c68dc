// Watches where Tab leads to. `walk()` says how it went so far. `beginToScroll()` gives the focus
// to the first control that is too wide, a right arrow hands it to the next, and `stuck()` says which
// of them it has not scrolled. Argument: whether, of links and buttons of one kind, Tab shall lead to some only.
const [some] = arguments;
// Of radio buttons, Tab leads to the one that is chosen.
const CONTROLS = 'a[href], button:not(:disabled), input:not([type="radio"]:not(:checked)), select, textarea, summary, [tabindex]:not([tabindex="-1"]), [contenteditable]';
const USED = 'a[href], button, input, select, textarea, summary, [contenteditable]';
const MIN_OUTLINE = 2; // CSS pixels
const MIN_CONTRAST = 3; // what WCAG 2.2 asks of things that are not text
const DEADLINE = 10_000; // milliseconds, for what ought to happen at once

const name = (element) => {
    const label = element.getAttribute('aria-label') || element.textContent.trim();
    const id = element.id ? '#' + element.id : element.className ? '.' + String(element.className).replaceAll(' ', '.') : '';
    return `${element.localName}${id} “${label.slice(0, 50).replace(/\s+/g, ' ')}”`;
};
const isThere = (element) => element.checkVisibility({ visibilityProperty: true }) && !element.closest('[inert]');
const scrolls = ({ scrollWidth, clientWidth, scrollHeight, clientHeight }) => scrollWidth > clientWidth || scrollHeight > clientHeight;
const scrollsSideways = (element) => element.scrollWidth > element.clientWidth
    && ['auto', 'scroll'].includes(getComputedStyle(element).overflowX);

// Of an opaque colour, such as `rgb(1, 2, 3)`; null if one can see through it.
function luminance(colour) {
    const parts = colour.match(/[\d.]+/g).map(Number);
    if (!colour.startsWith('rgb') || parts[3] < 1) return null;
    const [r, g, b] = parts.map((part) => part / 255).map((part) => part <= .04045 ? part / 12.92 : ((part + .055) / 1.055) ** 2.4);
    return .2126 * r + .7152 * g + .0722 * b;
}

// What the outline is drawn on: the element itself, or what is around it.
function background(element, offset) {
    for (let at = offset < 0 ? element : element.parentElement; at; at = at.parentElement) {
        const light = luminance(getComputedStyle(at).backgroundColor);
        if (light !== null) return light;
    }
    return 1;
}

function wrong(element) {
    // Some browsers lead Tab to what scrolls, others do not.
    if (!element.matches(USED) && !scrolls(element)) return 'can be reached, and there is nothing to use or to scroll';
    if (element.tabIndex < 0) return 'is reached in this browser, but has no tabindex for the others';
    const style = getComputedStyle(element);
    const width = parseFloat(style.outlineWidth);
    if (style.outlineStyle === 'none' || width < MIN_OUTLINE) return `has the focus, and does not show it: ${style.outline}`;
    const line = luminance(style.outlineColor);
    if (line === null) return `has an outline that one can see through: ${style.outlineColor}`;
    const ground = background(element, parseFloat(style.outlineOffset));
    const contrast = (Math.max(line, ground) + .05) / (Math.min(line, ground) + .05);
    if (contrast < MIN_CONTRAST) return `has an outline with too little contrast: ${contrast.toFixed(1)}`;
    const isSeen = [...element.getClientRects()].some(({ left, right, top, bottom }) => {
        const [x0, x1] = [Math.max(left, 0), Math.min(right, innerWidth)];
        const [y0, y1] = [Math.max(top, 0), Math.min(bottom, innerHeight)];
        if (x0 >= x1 || y0 >= y1) return false;
        return [.1, .5, .9].some((part) => {
            const hit = document.elementFromPoint((x0 + x1) / 2, y0 + (y1 - y0) * part);
            return element.contains(hit);
        });
    });
    return isSeen ? null : 'has the focus where it cannot be seen';
}

// Of the same kind is what has the same attributes of these, in elements that have.
const KIND = ['class', 'tabindex', 'inert', 'hidden', 'style'];
const kinds = new Map([[document.body.parentElement, '']]);
function kind(element) {
    if (!kinds.has(element)) {
        const own = [element.localName, ...KIND.map((name) => element.getAttribute(name))].join();
        kinds.set(element, `${kind(element.parentElement)} > ${own}`);
    }
    return kinds.get(element);
}

// The first, the last and one between them stay.
function leaveOut(alike) {
    const middle = alike.length >> 1;
    return alike.filter((_, index) => ![0, middle, alike.length - 1].includes(index));
}

const alike = Object.values(Object.groupBy(document.querySelectorAll(some ? 'a[href], button' : 'none'), kind));
const leftOut = new Set(alike.flatMap(leaveOut));
leftOut.forEach((element) => { element.tabIndex = -1; });

const reached = new Map();
let steps = 0;
function look() {
    const at = document.activeElement;
    if (steps > 0 && at !== document.body && !reached.has(at)) reached.set(at, wrong(at));
}
addEventListener('keydown', ({ key }) => {
    if (key !== 'Tab') return;
    look();
    steps += 1;
});

window.walk = () => {
    look();
    const found = [...reached].filter(([, fault]) => fault).map(([element, fault]) => `${name(element)} ${fault}`);
    const wanted = [...document.querySelectorAll(CONTROLS), ...[...document.body.querySelectorAll('*')].filter(scrollsSideways)];
    const missed = [...new Set(wanted)].filter((element) => isThere(element) && !reached.has(element) && !leftOut.has(element)).map(name);
    return { found, missed, reached: reached.size };
};

let wide = [];
addEventListener('keyup', ({ key }) => {
    if (key === 'ArrowRight') wide[wide.indexOf(document.activeElement) + 1]?.focus();
});

window.beginToScroll = () => {
    wide = [...reached.keys()].filter(scrollsSideways);
    (wide[0] ?? reached.keys().next().value)?.focus();
    return wide.length;
};

async function hasScrolled(element) {
    const end = performance.now() + DEADLINE;
    while (element.scrollLeft === 0 && performance.now() < end) await new Promise(requestAnimationFrame);
    return element.scrollLeft !== 0;
}

window.stuck = async () => {
    const scrolled = await Promise.all(wide.map(hasScrolled));
    return wide.filter((_, index) => !scrolled[index]).map((element) => `${name(element)} is too wide, and the right arrow does not scroll it`);
};
return null;

// What is wrong with how the page stands on the screen. Arguments: the screen's width, and whether
// the system asks for a dark page.
const [width, dark] = arguments;
const MIN_TEXT = 11; // CSS pixels, for the text of a figure
const root = document.documentElement;
const found = [];

if (screen.width !== width) found.push(`the screen is ${screen.width} px wide`);
if (matchMedia('(prefers-color-scheme: dark)').matches !== dark) found.push('the system asks for the other theme');
if (root.classList.contains('dark') !== dark) found.push(`the theme is not the system's: class="${root.className}"`);

// Without the scrollbar, if there is one. What is too wide makes a phone zoom out: `innerWidth`
// grows with the page and would hide it.
const room = root.clientWidth;
if (root.scrollWidth > room) {
    const scrollsByItself = (element) => {
        for (let at = element.parentElement; at && at !== document.body; at = at.parentElement) {
            if (getComputedStyle(at).overflowX !== 'visible') return true;
        }
        return false;
    };
    const wide = [...document.body.querySelectorAll('*')]
        .filter((element) => element.getBoundingClientRect().right + scrollX > room + .5 && !scrollsByItself(element));
    const innermost = wide
        .filter((element) => !wide.some((other) => other !== element && element.contains(other)))
        .slice(0, 3)
        .map((element) => `${element.localName}${element.className && '.' + element.getAttribute('class').replaceAll(' ', '.')}`
            + ` “${element.textContent.trim().slice(0, 40)}” to ${Math.round(element.getBoundingClientRect().right + scrollX)} px`);
    found.push(`the page scrolls sideways: ${root.scrollWidth} px in ${room}: ${innermost.join(', ') || 'by no element of its own'}`);
}

for (const text of document.querySelectorAll('figure.figure svg text')) {
    const size = parseFloat(getComputedStyle(text).fontSize) * text.getScreenCTM().a;
    if (size < MIN_TEXT) found.push(`the text of a figure is ${size.toFixed(1)} px high: ${text.textContent}`);
}
return found;

// What axe finds on the page as it is: the rule, the elements, and what ought to be so. Argument:
// which rules count, as `Rules` names them.
const MAX_SHOWN = 5;
// What can differ between screens: what a style sheet hides has no name, and what it makes narrow is scrolled, or hard
// to hit.
const ABOUT_STYLE = ['color-contrast', 'link-in-text-block', 'button-name', 'link-name', 'scrollable-region-focusable',
    'target-size'];
const options = {
    All: {},
    AboutStyle: { runOnly: { type: 'rule', values: ABOUT_STYLE } },
    NotAboutStyle: { rules: Object.fromEntries(ABOUT_STYLE.map((rule) => [rule, { enabled: false }])) },
}[arguments[0]];

// A page has thousands of words in a few colours. The first and the last word are looked at of those that have the
// same style, and are in the same styles. What a figure's text is drawn on is not around it.
const STYLE = ['color', 'backgroundColor', 'backgroundImage', 'opacity', 'mixBlendMode', 'filter', 'textShadow',
    'fontSize', 'fontWeight', 'visibility', 'display', 'position', 'clip', 'clipPath'];
const REPEATED = 'data-repeated';
const [ids, idOf, last] = [new Map(), new Map(), new Map()];
const styled = arguments[0] === 'NotAboutStyle' ? [] : document.body.querySelectorAll(':not(svg *)');
for (const element of styled) {
    const own = getComputedStyle(element);
    const style = [idOf.get(element.parentElement), ...STYLE.map((name) => own[name])].join();
    if (!ids.has(style)) ids.set(style, ids.size);
    const id = ids.get(style);
    idOf.set(element, id);
    element.removeAttribute(REPEATED);
    if (![...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim())) continue;
    last.get(id)?.setAttribute(REPEATED, '');
    last.set(id, last.has(id) ? element : null);
}
axe.configure({ noHtml: true, rules: [
    { id: 'color-contrast', selector: `:not([${REPEATED}])` },
    { id: 'target-size', enabled: true },
] });

return axe.run(document, { resultTypes: ['violations'], ...options }).then(({ testEngine, passes, violations }) => ({
    version: testEngine.version,
    kept: passes.length,
    violations: violations.flatMap(({ id, help, nodes }) => {
        const shown = nodes.slice(0, MAX_SHOWN).map(({ target, failureSummary }) => {
            const selector = target.flat().join(' ');
            const html = document.querySelector(selector)?.outerHTML.slice(0, 120);
            return `${id}: ${help}: ${selector}: ${html}: ${failureSummary.replace(/\s+/g, ' ').trim()}`;
        });
        const more = nodes.length - shown.length;
        return more > 0 ? [...shown, `${id}: ${more} more elements`] : shown;
    }),
}));

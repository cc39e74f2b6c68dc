// What axe finds on the page as it is: the rule, the elements, and what ought to be so. Argument:
// which rules count, as `Rules` names them.
const MAX_SHOWN = 5;
const ABOUT_COLOURS = ['color-contrast', 'link-in-text-block'];
const options = {
    All: {},
    AboutColours: { runOnly: { type: 'rule', values: ABOUT_COLOURS } },
    NotAboutColours: { rules: Object.fromEntries(ABOUT_COLOURS.map((rule) => [rule, { enabled: false }])) },
}[arguments[0]];

// A listing has thousands of words in a few colours. In each block, the first and the last word
// are looked at of those that have the same style, and are in the same styles.
const STYLE = ['color', 'backgroundColor', 'backgroundImage', 'opacity', 'mixBlendMode', 'filter', 'textShadow',
    'fontSize', 'fontWeight', 'visibility'];
const REPEATED = 'data-repeated';
for (const block of document.querySelectorAll('pre')) {
    const [styles, last] = [new Map(), new Map()];
    for (const element of block.querySelectorAll('*')) {
        const own = getComputedStyle(element);
        const style = [styles.get(element.parentElement), ...STYLE.map((name) => own[name])].join();
        styles.set(element, style);
        element.removeAttribute(REPEATED);
        if (![...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim())) continue;
        last.get(style)?.setAttribute(REPEATED, '');
        last.set(style, last.has(style) ? element : null);
    }
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

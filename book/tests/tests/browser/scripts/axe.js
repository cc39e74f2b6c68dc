// What axe finds on the page as it is: the rule, the elements, and what ought to be so. Argument:
// which rules count, as `Rules` names them.
const MAX_SHOWN = 5;
const ABOUT_COLOURS = ['color-contrast', 'link-in-text-block'];
const options = {
    All: {},
    AboutColours: { runOnly: { type: 'rule', values: ABOUT_COLOURS } },
    NotAboutColours: { rules: Object.fromEntries(ABOUT_COLOURS.map((rule) => [rule, { enabled: false }])) },
}[arguments[0]];
return axe.run(document, { resultTypes: ['violations'], ...options }).then(({ testEngine, passes, violations }) => ({
    version: testEngine.version,
    kept: passes.length,
    violations: violations.flatMap(({ id, help, nodes }) => {
        const shown = nodes.slice(0, MAX_SHOWN).map(({ target, html, failureSummary }) =>
            `${id}: ${help}: ${target.flat().join(' ')}: ${html.slice(0, 120)}: `
            + failureSummary.replace(/\s+/g, ' ').trim());
        const more = nodes.length - shown.length;
        return more > 0 ? [...shown, `${id}: ${more} more elements`] : shown;
    }),
}));

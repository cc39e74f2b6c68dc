// What the page has asked another host for, or would ask it for: when it is shown elsewhere, on
// another screen, or when a form is sent. A link that a reader may follow is none of it.
const isForeign = (url) => {
    try {
        return /^https?:|^wss?:|^ftp:/.test(new URL(url, location.href).protocol)
            && new URL(url, location.href).origin !== location.origin;
    } catch {
        return true;
    }
};
const found = performance.getEntriesByType('resource')
    .filter(({ name }) => isForeign(name))
    .map(({ name, initiatorType }) => `asks for ${name} (${initiatorType})`);

const ATTRIBUTES = ['src', 'srcset', 'poster', 'data', 'action', 'formaction', 'ping', 'background', 'manifest', 'xlink:href', 'href'];
function look(tree) {
    for (const element of tree.querySelectorAll('*')) {
        if (element.localName === 'template') look(element.content);
        for (const attribute of ATTRIBUTES) {
            if (attribute === 'href' && element.localName === 'a') continue;
            if (attribute === 'data' && element.localName !== 'object') continue;
            if (!element.hasAttribute(attribute)) continue;
            const value = element.getAttribute(attribute);
            const urls = attribute === 'srcset' ? value.split(',').map((one) => one.trim().split(/\s/)[0]) : [value];
            urls.filter(isForeign).forEach((url) => found.push(`names another host: <${element.localName} ${attribute}="${url}">`));
        }
    }
}
look(document);

// Every sheet, those for paper too, and every `style`.
const texts = [...document.styleSheets].map((sheet) => [...sheet.cssRules].map((rule) => rule.cssText).join('\n'));
texts.push(...[...document.querySelectorAll('[style]')].map((element) => element.getAttribute('style')));
for (const text of texts) {
    for (const [, url] of text.matchAll(/(?:url\(\s*|@import\s+)["']?([^"')]+)/g)) {
        if (isForeign(url)) found.push(`names another host in a style: ${url}`);
    }
}
return found;

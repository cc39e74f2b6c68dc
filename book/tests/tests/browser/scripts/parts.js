// What the page lacks of what every page has.
const found = [];
const count = (selector) => document.querySelectorAll(selector).length;

// The page that holds the whole book, for printing, has every chapter's.
const isWholeBook = location.pathname.endsWith('/print.html');
const titles = isWholeBook ? count('#contents a') : 1;
if (count('h1') !== titles) found.push(`${count('h1')} elements h1 instead of ${titles}`);
if (count('main') !== 1) found.push(`${count('main')} elements main instead of 1`);
if (!document.documentElement.lang.trim()) found.push('no lang');
if (!document.title.trim()) found.push('no title');

for (const picture of document.querySelectorAll('figure svg, svg[role="img"]')) {
    if (picture.closest('[aria-hidden="true"]')) continue;
    const labels = (picture.getAttribute('aria-labelledby') || '').split(/\s+/);
    for (const name of ['title', 'desc']) {
        const part = picture.querySelector(`:scope > ${name}`);
        if (!part || !part.textContent.trim()) {
            found.push(`a figure without a ${name}: ${picture.outerHTML.slice(0, 120)}`);
        } else if (!labels.some((id) => document.getElementById(id) === part)) {
            // Also if another element of the page has the same id.
            found.push(`a figure whose ${name} does not label it: ${part.textContent.slice(0, 80)}`);
        }
    }
}
return found;

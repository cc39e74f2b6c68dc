// What must be on paper: the lines of the listings and terminals, folded ones too, and the words
// of each figure. And what must not be the last of a sheet: it belongs to what comes next.
// Of two languages, that is the one that the reader has chosen. Some blocks are for the page only.
const isShown = (part) => getComputedStyle(part.closest('.twins > *') || part).display !== 'none'
    && !part.closest('[data-paper="no"]');
const split = (text) => text.split('\n').filter((line) => line.trim());
return {
    lines: [...document.querySelectorAll('main pre, .turn > span:not([class]), .turn samp')].filter(isShown).flatMap((pre) => split(pre.textContent)),
    figures: [...document.querySelectorAll('main figure svg:not([aria-hidden="true"])')]
        .map((figure) => [...figure.querySelectorAll('text')].map((text) => text.textContent))
        .filter((words) => words.length > 0),
    headings: [...document.querySelectorAll('main :is(h1, h2, h3, h4, summary, .listing > figcaption)')].filter(isShown)
        .map((heading) => heading.textContent.trim()),
};

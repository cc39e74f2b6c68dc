// What can be read on the page; everything stays folded as it is.
const short = (element) => `${element.localName} “${element.textContent.trim().slice(0, 60)}”`;
const isSeen = (element) => {
    const { width, height } = element.getBoundingClientRect();
    return width > 1 && height > 1 && element.checkVisibility({ visibilityProperty: true, opacityProperty: true });
};
const isFolded = (element) => {
    // A summary is seen when its own block is folded.
    const block = element.closest('summary')?.parentElement || element;
    return block.parentElement.closest('details:not([open])');
};
const main = document.querySelector('main');
// The list of the page's headings is folded by scripts on a narrow screen. A chapter in the whole book shows no way
// to its neighbours.
const links = [...document.querySelectorAll('#contents a')];
const parts = [...main.querySelectorAll('h1, h2, h3, p, li, summary, table, pre, figure')]
    .filter((part) => !part.closest('.outline, .whole-book > .step-place'));
const outlines = [...main.querySelectorAll('.outline')].map((outline) => outline.innerText);
// Nor is it a difference that a second language is under a tab with scripts, and folded without; or that a
// switch unfolds what can be unfolded without it; or that a player shows again what is in a table, and hides lines that
// come later.
const ways = [...main.querySelectorAll('.languages, .twins > details > summary, .whole-file, .player, .ask')];
ways.forEach((way) => { way.style.display = 'none'; });
const later = [...main.querySelectorAll('.later')];
later.forEach((turn) => turn.classList.remove('later'));
const text = outlines.reduce((rest, outline) => rest.replace(outline, ''), main.innerText);
ways.forEach((way) => { way.style.display = ''; });
later.forEach((turn) => turn.classList.add('later'));
return {
    words: text.split(/\s+/).filter(Boolean),
    contents: links.map((link) => link.href),
    hidden: [...links, ...parts.filter((part) => part.textContent.trim() && !isFolded(part))]
        .filter((element) => !isSeen(element))
        .map(short),
    useless: [...document.querySelectorAll('button, .js-only')].filter(isSeen).map(short),
};

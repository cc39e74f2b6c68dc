// What can be read on the page; everything stays folded as it is.
const short = (element) => `${element.localName} “${element.textContent.trim().slice(0, 60)}”`;
const isSeen = (element) => {
    const { width, height } = element.getBoundingClientRect();
    return width > 1 && height > 1 && element.checkVisibility({ visibilityProperty: true, opacityProperty: true });
};
const isFolded = (element) => {
    const fold = element.parentElement.closest('details:not([open])');
    return fold && !element.closest('summary');
};
const main = document.querySelector('main');
const links = [...document.querySelectorAll('#contents a')];
const parts = [...main.querySelectorAll('h1, h2, h3, p, li, summary, table, pre, figure')];
return {
    words: main.innerText.split(/\s+/).filter(Boolean),
    contents: links.map((link) => link.href),
    hidden: [...links, ...parts.filter((part) => part.textContent.trim() && !isFolded(part))]
        .filter((element) => !isSeen(element))
        .map(short),
    useless: [...document.querySelectorAll('button, .js-only')].filter(isSeen).map(short),
};

// What is wrong with the page on paper. Arguments: what is between the margins, in CSS pixels.
const [width, height] = arguments;
const found = [];
const name = (element) => `${element.localName}${element.className.baseVal ?? element.className
    ? '.' + (element.className.baseVal ?? element.className).replaceAll(' ', '.') : ''}`
    + ` “${element.textContent.trim().slice(0, 40)}”`;

if (!matchMedia('print').matches) found.push('this is not paper');
const root = document.documentElement;
if (root.scrollWidth > width) found.push(`the page is ${root.scrollWidth} px wide, the paper ${width}`);

const light = (colour) => colour.match(/[\d.]+/g).slice(0, 3).reduce((sum, part) => sum + Number(part), 0);
const { color, backgroundColor } = getComputedStyle(root);
if (light(backgroundColor) < 3 * 250 || light(color) > 3 * 80) found.push(`the paper is ${backgroundColor}, the text ${color}`);

// The text itself: a box can be narrow while what is in it goes on outside.
const range = document.createRange();
for (const block of document.querySelectorAll('main :is(pre, table, figcaption, p, li, h1, h2, h3, h4, summary)')) {
    range.selectNodeContents(block);
    const { right } = range.getBoundingClientRect();
    if (right > width + .5) found.push(`wider than the paper, to ${Math.round(right)} px: ${name(block)}`);
}
for (const block of document.querySelectorAll('main *')) {
    const { overflowX, overflowY } = getComputedStyle(block);
    const cut = (overflowX !== 'visible' && block.scrollWidth > block.clientWidth + 1)
        || (overflowY !== 'visible' && block.scrollHeight > block.clientHeight + 1);
    const isHiddenOnPurpose = block.closest('svg, .visually-hidden') || getComputedStyle(block).clipPath !== 'none';
    if (cut && block.clientWidth > 0 && !isHiddenOnPurpose) found.push(`cut off: ${name(block)}`);
}
for (const fold of document.querySelectorAll('main details[data-paper="no"]')) {
    if (fold.scrollHeight > 3 * fold.querySelector('summary').scrollHeight) found.push(`not for paper: ${name(fold)}`);
}
for (const pre of document.querySelectorAll('main pre')) {
    if (pre.closest('[data-paper="no"]')) continue;
    const twin = pre.closest('.twins > *');
    if (twin && getComputedStyle(twin).display === 'none') continue; // the language that was not chosen
    if (!pre.checkVisibility({ visibilityProperty: true }) || pre.getBoundingClientRect().height < 5) found.push(`folded on paper: ${name(pre)}`);
}
for (const picture of document.querySelectorAll('main figure svg:not([aria-hidden="true"]), main img')) {
    const box = picture.getBoundingClientRect();
    if (box.width < 50 || box.height < 20) found.push(`a lost figure: ${name(picture)}`);
    if (box.height > height || box.right > width + .5) found.push(`a figure that does not fit, ${Math.round(box.width)} by ${Math.round(box.height)} px: ${name(picture)}`);
}
for (const tool of document.querySelectorAll('button, input, #contents, .bar')) {
    if (tool.checkVisibility() && tool.getBoundingClientRect().height > 0) found.push(`of no use on paper: ${name(tool)}`);
}
return found;

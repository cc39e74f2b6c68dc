// What must be on paper: the lines of the listings and terminals, folded ones too, and the words
// of each figure.
const split = (text) => text.split('\n').filter((line) => line.trim());
return {
    lines: [...document.querySelectorAll('main pre')].flatMap((pre) => split(pre.textContent)),
    figures: [...document.querySelectorAll('main figure svg:not([aria-hidden="true"])')]
        .map((figure) => [...figure.querySelectorAll('text')].map((text) => text.textContent))
        .filter((words) => words.length > 0),
};

// What can be seen of the first player on the page.
const player = document.querySelector('.player');
const isSeen = (line) => line.checkVisibility({ visibilityProperty: true });
const figure = player.closest('figure');
return {
    step: player.querySelector('input').getAttribute('aria-valuetext'),
    sentence: [...player.querySelectorAll('.states p')].filter(isSeen).map((p) => p.textContent).join('|'),
    line: [...figure.querySelectorAll('.turn > :is(span, samp)')].filter(isSeen).at(-1).textContent,
    bottom: Math.round(figure.getBoundingClientRect().bottom + scrollY),
};

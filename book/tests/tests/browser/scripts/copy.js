// Presses every copy button; returns, for each figure that the selector finds, what was copied.
const [figures] = arguments;
const copied = [];
navigator.clipboard.writeText = async (text) => { copied.push(text); };
return [...document.querySelectorAll(figures)].map((figure) => {
    figure.querySelectorAll('button.copy').forEach((button) => button.click());
    return copied.splice(0);
});

// Opens everything that is folded, and waits until all pictures are there, or known to be missing.
window.unfolded = [...document.querySelectorAll('details:not([open])')];
unfolded.forEach((fold) => { fold.open = true; });
const pictures = [...document.images].map((picture) => {
    picture.loading = 'eager';
    return picture.complete || new Promise((done) => { picture.onload = picture.onerror = done; });
});
return Promise.all(pictures).then(() => null);

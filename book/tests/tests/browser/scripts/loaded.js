// The files of the book that the page has loaded, the page itself left out.
const icons = [...document.querySelectorAll('link[rel~="icon"]')].map((icon) => icon.href);
const loaded = performance.getEntriesByType('resource').map(({ name }) => name);
const root = new URL(path_to_root || './', location.href).href;
return [...icons, ...loaded]
    .filter((url) => url.startsWith(root))
    .map((url) => decodeURIComponent(url.slice(root.length).replace(/[?#].*/, '')));

'use strict';

const root = document.documentElement;
const byId = (id) => document.getElementById(id);

// What the address names; `#%` cannot be decoded, and names nothing.
function addressed() {
    try {
        return byId(decodeURIComponent(location.hash.slice(1)));
    } catch {
        return null;
    }
}

function announce(words) {
    const announcer = byId('announcer');
    announcer.textContent = '';
    // A screen reader notices a change, not a value: let the empty text be seen first.
    setTimeout(() => { announcer.textContent = words; }, 50);
}

// ---------------------------------------------------------------- contents

(function contents() {
    const nav = byId('contents');
    const button = byId('contents-button');
    const wide = matchMedia('(min-width: 64rem)');

    const isShown = () => wide.matches
        ? !root.classList.contains('contents-hidden')
        : root.classList.contains('contents-open');

    // An open drawer lies over the page: what is under it must not take focus.
    function settle() {
        button.setAttribute('aria-expanded', String(isShown()));
        document.querySelector('.page').inert = !wide.matches && isShown();
    }

    function setDrawer(open) {
        root.classList.toggle('contents-open', open);
        settle();
        if (open) {
            (nav.querySelector('[aria-current]') || nav.querySelector('a')).focus();
        } else {
            button.focus();
        }
    }

    function markCurrentPage() {
        const page = nav.dataset.path.replace(/\.md$/, '.html');
        const links = [...nav.querySelectorAll('a')];
        const current = links.find((link) => link.getAttribute('href') === path_to_root + page)
            || (page === 'index.html' ? links[0] : null);
        if (!current) return;
        current.setAttribute('aria-current', 'page');
        if (wide.matches) {
            nav.scrollTop = current.offsetTop - nav.offsetTop - nav.clientHeight / 3;
        }
    }

    button.addEventListener('click', () => {
        if (wide.matches) {
            const hidden = root.classList.toggle('contents-hidden');
            kept.set('contents', hidden ? 'hidden' : 'shown');
            settle();
        } else {
            setDrawer(!isShown());
        }
    });

    document.addEventListener('keydown', (event) => {
        if (event.key === 'Escape' && root.classList.contains('contents-open')) setDrawer(false);
    });
    byId('scrim').addEventListener('click', () => setDrawer(false));
    nav.addEventListener('click', (event) => {
        if (event.target.closest('[aria-current]') && root.classList.contains('contents-open')) {
            event.preventDefault();
            setDrawer(false);
        }
    });
    wide.addEventListener('change', () => {
        root.classList.remove('contents-open');
        settle();
    });

    markCurrentPage();
    settle();
})();

// ----------------------------------------------------------------- outline

// Whether there is room for the list of headings beside the text.
const beside = matchMedia('(min-width: 75rem)');

// The headings of this page: beside the text where there is room, with a mark where the reader is; else folded
// below the title.
(function outline() {
    const list = document.querySelector('main:not(.whole-book) > .outline');
    if (!list) return;
    const scroller = list.firstElementChild;
    const fold = () => {
        scroller.open = beside.matches;
        list.classList.add('settled');
    };
    beside.addEventListener('change', fold);
    fold();

    const links = [...scroller.querySelectorAll('a')];
    const targets = links.map((link) => byId(decodeURIComponent(link.hash.slice(1))));

    // The last heading that is above the middle of the window is the one that is being read.
    function mark() {
        const passed = targets.filter((target) => target?.getBoundingClientRect().top < innerHeight / 2).length;
        const link = scrollY > 0 ? links[passed - 1] : null;
        if (link?.matches('[aria-current]')) return;
        links.forEach((link) => link.removeAttribute('aria-current'));
        if (!link) return;
        link.setAttribute('aria-current', 'location');
        const top = link.getBoundingClientRect().top - scroller.getBoundingClientRect().top;
        if (top < 0 || top + link.offsetHeight > scroller.clientHeight) {
            scroller.scrollTop += top - scroller.clientHeight / 2;
        }
    }
    const seen = new IntersectionObserver(mark, { rootMargin: '0px 0px -50% 0px' });
    targets.forEach((target) => { if (target) seen.observe(target); });
    mark();
})();

// ---------------------------------------------------------------- editions

// The page in another language. A reader who prefers that language is offered it once; a choice is kept.
(function editions() {
    const links = [...document.querySelectorAll('a.twin')];
    const choose = (language) => kept.set('edition', language);
    const isSame = (one, other) => one.split('-')[0] === other.split('-')[0];

    // The other page opens at what the address names, as long as it is seen, or at the section that is being read.
    function place() {
        const named = document.querySelector(':target')?.getBoundingClientRect();
        if (named && named.bottom > 0 && named.top < innerHeight) return location.hash;
        const passed = [...document.querySelectorAll('main :is(h1, h2, h3)[id]')]
            .filter((heading) => heading.getBoundingClientRect().top < innerHeight / 3);
        return scrollY > 0 && passed.length ? passed.at(-1).id : '';
    }

    function follow(link, target) {
        link.addEventListener('click', () => {
            choose(target.hreflang);
            link.hash = place();
        });
    }

    function offer(target) {
        const bar = document.createElement('aside');
        bar.className = 'offer';
        bar.setAttribute('aria-label', target.textContent);
        bar.lang = target.hreflang;
        const link = document.createElement('a');
        link.href = target.href;
        link.textContent = target.dataset.offer;
        follow(link, target);
        const button = document.createElement('button');
        button.type = 'button';
        button.className = 'tool';
        button.textContent = '×';
        button.setAttribute('aria-label', target.dataset.close);
        button.addEventListener('click', () => {
            choose(root.lang);
            bar.remove();
            byId('mdbook-content').focus({ preventScroll: true });
        });
        bar.append(link, button);
        document.querySelector('.page').prepend(bar);
    }

    links.forEach((link) => follow(link, link));
    const chosen = kept.get('edition');
    const languages = chosen ? [chosen] : navigator.languages;
    const known = [root.lang, ...links.map((link) => link.hreflang)];
    const preferred = languages.find((language) => known.some((it) => isSame(it, language)));
    const other = preferred && !isSame(preferred, root.lang) && links.find((link) => isSame(link.hreflang, preferred));
    if (!other) return;
    if (!chosen) choose(root.lang);
    // Where nothing can be kept, the offer would be made on every page.
    if (kept.get('edition')) offer(other);
})();

// -------------------------------------------------------------------- keys

const keysAreOn = () => byId('keys-on').checked && !byId('keys').open;

// Arrows turn the page, and `?` lists the keys, where nothing else has the focus or lies over the page.
(function keys() {
    const help = byId('keys');
    const isOn = byId('keys-on');
    const settle = () => { isOn.checked = kept.get('keys') !== 'off'; };
    settle();
    addEventListener('storage', settle); // another tab of the book
    isOn.addEventListener('change', () => kept.set('keys', isOn.checked ? 'on' : 'off'));
    byId('keys-button').addEventListener('click', () => help.showModal());

    addEventListener('keydown', (event) => {
        if (event.altKey || event.ctrlKey || event.metaKey || event.isComposing || event.defaultPrevented) return;
        const focused = document.activeElement;
        const isFree = !focused || focused === document.body || focused.id === 'mdbook-content';
        const isCovered = root.classList.contains('contents-open') || document.querySelector('[role="search"]').offsetHeight > 0;
        if (!keysAreOn() || !isFree || isCovered) return;
        if (event.key === '?') {
            event.preventDefault();
            help.showModal();
            return;
        }
        const rel = { ArrowLeft: 'prev', ArrowRight: 'next' }[event.key];
        const link = rel && !event.shiftKey && document.querySelector(`.pager a[rel="${rel}"]`);
        if (link && !getSelection().toString()) link.click();
    });
})();

// ------------------------------------------------------------------- theme

(function themes() {
    const button = byId('theme-button');

    button.addEventListener('click', () => {
        const at = theme.choices.indexOf(root.dataset.themeChoice);
        const next = theme.choices[(at + 1) % theme.choices.length];
        kept.set('theme', next);
        theme.show(next);
        announce(button.innerText.trim());
    });
    theme.system.addEventListener('change', () => theme.show(root.dataset.themeChoice));
    // Another tab of the book may have chosen.
    addEventListener('storage', () => theme.show(theme.choice));
})();

// ------------------------------------------------------------------ search

// Opens and closes the panel. search.js, which has the text of all pages, is loaded when it is first opened.
(function search() {
    const button = byId('search-button');
    const panel = byId('search');
    const field = byId('search-field');
    let loading = false;

    function load() {
        if (loading) return;
        loading = true;
        const script = document.createElement('script');
        script.src = button.dataset.script;
        script.onerror = () => {
            loading = false;
            byId('search-status').textContent = button.dataset.failed;
        };
        document.head.append(script);
    }

    function open() {
        if (root.classList.contains('contents-open')) byId('contents-button').click();
        panel.hidden = false;
        button.setAttribute('aria-expanded', 'true');
        // The field takes what is typed while the script is on its way.
        field.focus({ preventScroll: true });
        field.select();
        load();
    }

    function close() {
        panel.hidden = true;
        button.setAttribute('aria-expanded', 'false');
    }

    button.addEventListener('click', () => {
        if (panel.hidden) {
            open();
        } else {
            close();
        }
    });

    addEventListener('keydown', (event) => {
        if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey || event.isComposing) return;
        if (event.key === 'Escape' && !panel.hidden) {
            // The drawer under it stays open, and the field keeps what was typed.
            event.preventDefault();
            event.stopPropagation();
            close();
            button.focus({ preventScroll: true });
        } else if ((event.key === '/' || event.key === 's') && keysAreOn()
            && !event.target.closest('input, select, textarea, [contenteditable]')) {
            event.preventDefault();
            event.stopPropagation();
            open();
        }
    }, true);

    // The panel lies over the page: it closes when the reader moves elsewhere, or to a result on this page.
    panel.addEventListener('focusout', ({ relatedTarget: to }) => {
        if (to && !panel.contains(to) && !button.contains(to)) close();
    });
    document.addEventListener('pointerdown', ({ target }) => {
        if (!panel.contains(target) && !button.contains(target)) close();
    });
    panel.addEventListener('click', ({ target }) => {
        if (target.closest('a')) close();
    });

    const asked = new URLSearchParams(location.search).get('search');
    if (asked) {
        field.value = asked;
        open();
    }
})();

// --------------------------------------------------------------- languages

// Where a listing is there in two languages, the reader chooses one: for all listings, on all pages.
(function languages() {
    const template = byId('languages-template').content.firstElementChild;
    const inputs = [];

    function show(language) {
        root.classList.toggle('python', language === 'python');
        inputs.forEach((input) => { input.checked = (input.value === 'python') === (language === 'python'); });
    }

    document.querySelectorAll('.twins').forEach((twins, index) => {
        const group = template.cloneNode(true);
        for (const input of group.querySelectorAll('input')) {
            input.name = 'language-' + index;
            inputs.push(input);
        }
        const fold = twins.querySelector('details');
        fold.replaceWith(fold.querySelector('figure'));
        twins.prepend(group);
        group.addEventListener('change', ({ target }) => {
            kept.set('language', target.value);
            // The listings above change, too: this one stays where it is.
            const { top } = group.getBoundingClientRect();
            show(target.value);
            scrollBy({ top: group.getBoundingClientRect().top - top, behavior: 'instant' });
        });
    });

    // Another tab of the book may have chosen, or this page comes back from the browser's history.
    const settle = () => show(kept.get('language') || (root.classList.contains('python') ? 'python' : 'rust'));
    addEventListener('storage', settle);
    addEventListener('pageshow', settle);
    settle();
})();

// -------------------------------------------------------------------- copy

(function copying() {
    const template = byId('copy-template');

    async function copy(text) {
        if (navigator.clipboard && isSecureContext) {
            await navigator.clipboard.writeText(text);
            return;
        }
        // Plain http from another machine: the old way, which needs a selection.
        const before = document.activeElement;
        const area = document.createElement('textarea');
        area.value = text;
        area.setAttribute('readonly', '');
        area.className = 'visually-hidden';
        document.body.append(area);
        area.select();
        const done = document.execCommand('copy');
        area.remove();
        before.focus();
        if (!done) throw new Error('copying was refused');
    }

    function makeButton(what, text) {
        const button = template.content.firstElementChild.cloneNode(true);
        if (what) button.setAttribute('aria-label', button.title + ': ' + what);
        button.addEventListener('click', async () => {
            try {
                await copy(text());
                button.classList.add('done');
                setTimeout(() => button.classList.remove('done'), 1600);
                announce(template.dataset.copied);
            } catch {
                announce(template.dataset.failed);
            }
        });
        return button;
    }

    // What a file holds after the change: not the lines that went.
    function codeOf(figure) {
        return [...figure.querySelectorAll('pre > code')].map((code) => {
            const copied = code.cloneNode(true);
            copied.querySelectorAll('del.l').forEach((line) => {
                line.nextSibling.deleteData(0, 1); // its newline
                line.remove();
            });
            return copied.textContent;
        }).join('');
    }

    for (const figure of document.querySelectorAll('figure.listing')) {
        const pre = figure.querySelector('pre');
        if (!pre) continue;
        const caption = figure.querySelector('figcaption');
        const button = makeButton(caption && caption.querySelector('.path').textContent, () => codeOf(figure));
        if (caption) caption.after(button);
        else pre.before(button);
    }
    for (const command of document.querySelectorAll('kbd.command')) {
        command.after(makeButton(command.textContent, () => command.textContent));
    }
})();

// ------------------------------------------------------------- differences

// What did not change is folded, stretch by stretch. Where there are several, a switch unfolds all of them.
(function differences() {
    const template = byId('whole-template');
    for (const figure of document.querySelectorAll('figure.diff')) {
        const folds = [...figure.querySelectorAll('.same')];
        if (folds.length < 2) continue;
        const button = template.content.firstElementChild.cloneNode(true);
        const settle = () => button.setAttribute('aria-pressed', String(folds.every((fold) => fold.open)));
        button.addEventListener('click', () => {
            const open = button.getAttribute('aria-pressed') !== 'true';
            folds.forEach((fold) => { fold.open = open; });
        });
        folds.forEach((fold) => fold.addEventListener('toggle', settle));
        settle();
        figure.querySelector('figcaption').append(button);
    }
})();

// ----------------------------------------------------------------- players

// Above a session: what the kernel held after each step, from the table below it. The reader chooses the step. Later lines
// are hidden, and keep their place.
(function players() {
    const template = byId('player-template').content.firstElementChild;

    // A row of the table as a box.
    function box(row) {
        const program = document.createElement('div');
        if (row.className) program.className = row.className;
        program.append(...[...row.cells].map((cell) => {
            const part = document.createElement('span');
            part.append(...cell.cloneNode(true).childNodes);
            return part;
        }));
        return program;
    }

    function play(session, table) {
        const player = template.cloneNode(true);
        const terminals = session.querySelector('.terminals');
        const [back, on] = player.querySelectorAll('button');
        const range = player.querySelector('input');
        const count = player.querySelector('[data-of]');
        const turns = [...session.querySelectorAll('.turn')];
        const firsts = turns.filter((turn) => turn.matches('.step'));
        const stepOf = (turn) => firsts.filter((first) => first === turn || first.compareDocumentPosition(turn) & 4).length;
        const steps = turns.map(stepOf);

        // A program without a row is as it was.
        const programs = new Map();
        const states = [...table.tBodies].map(({ rows: [title, ...rows] }) => {
            rows.forEach((row) => programs.set(row.cells[0].textContent, row));
            const state = document.createElement('div');
            const parts = [table.tHead.rows[0], ...programs.values()].map(box);
            state.append(title.querySelector('p').cloneNode(true), ...parts);
            return state;
        });
        player.querySelector('.states').append(...states);
        range.max = states.length;

        function show(step) {
            const focused = document.activeElement;
            states.forEach((state, index) => state.classList.toggle('shown', index + 1 === step));
            turns.forEach((turn, index) => {
                turn.classList.toggle('now', steps[index] === step);
                turn.classList.toggle('later', steps[index] > step);
            });
            asks.filter((ask) => step >= ask.dataset.step).forEach((ask) => {
                ask.classList.add('answered');
                ask.querySelectorAll('button').forEach((button) => { button.disabled = true; });
            });
            range.value = step;
            count.textContent = count.dataset.of.replace('%n', step).replace('%m', states.length);
            range.setAttribute('aria-valuetext', count.textContent);
            back.disabled = step === 1;
            on.disabled = step === states.length;
            if (focused.disabled) range.focus();
        }

        // Where the terminals scroll by themselves, the lines of the step come to their top, below the one before.
        function follow() {
            const now = session.querySelector('.now');
            terminals.scrollTop += now.getBoundingClientRect().top - terminals.getBoundingClientRect().top - 40;
        }

        function choose(step, verdict = '') {
            show(step);
            follow();
            history.replaceState(null, '', '#' + firsts[step - 1].querySelector('[id]').id);
            announce(`${verdict} ${states[step - 1].firstElementChild.textContent}`);
        }

        // A question is answered by the step that follows: until then, that one is hidden.
        const asks = [...session.querySelectorAll('.ask')];
        for (const ask of asks) {
            ask.querySelector('details').remove();
            for (const option of ask.querySelectorAll('li')) {
                const button = document.createElement('button');
                button.type = 'button';
                button.append(...option.childNodes);
                option.append(button);
                button.addEventListener('click', () => {
                    option.classList.add('chosen');
                    const { right, wrong } = count.dataset;
                    const verdict = 'right' in option.dataset ? right : wrong;
                    ask.querySelector('b').textContent = verdict;
                    choose(Number(ask.dataset.step), verdict);
                });
            }
        }
        player.prepend(...asks);

        range.addEventListener('input', () => choose(Number(range.value)));
        back.addEventListener('click', () => choose(Number(range.value) - 1));
        on.addEventListener('click', () => choose(Number(range.value) + 1));
        session.addEventListener('click', ({ target }) => {
            const turn = target.closest('.turn');
            if (turn && !target.closest('button') && getSelection().isCollapsed) choose(stepOf(turn));
        });
        addEventListener('hashchange', settle);
        addEventListener('load', settle);
        function settle() {
            const target = addressed();
            const turn = target?.closest('.turn');
            if (!turn || !session.contains(turn)) return;
            show(stepOf(turn));
            follow();
            if (terminals.scrollHeight > terminals.clientHeight) {
                player.scrollIntoView();
                return;
            }
            // What the kernel held comes into view as well, where there is room for both.
            const above = target.getBoundingClientRect().top - player.getBoundingClientRect().top;
            if (above > .8 * innerHeight) return;
            target.style.scrollMarginTop = `calc(var(--bar-height) + 1rem + ${above}px)`;
            target.scrollIntoView();
        }
        session.prepend(player);
        // Terminals that scroll are reached with the keyboard, also in browsers that do not see to it.
        new ResizeObserver(() => {
            if (terminals.scrollHeight > terminals.clientHeight) terminals.tabIndex = 0;
            else terminals.removeAttribute('tabindex');
        }).observe(terminals);
        show(asks.length ? asks[0].dataset.step - 1 : states.length);
        settle();
    }

    for (const table of document.querySelectorAll('main:not(.whole-book) .held')) {
        if (table.tBodies.length > 1) play(table.closest('.session'), table);
    }
})();

// ------------------------------------------------------------------- pages

(function pages() {
    // Where the list of headings is beside the text: whether a listing has a line that is wrapped.
    const isWrapped = (pre) => beside.matches && [...pre.querySelectorAll('.l')]
        .some((line) => line.offsetHeight > 1.5 * parseFloat(getComputedStyle(pre).lineHeight));

    // What scrolls sideways can be reached with the keyboard, and only that. What it is in may pass over the list of
    // headings.
    const sizes = new ResizeObserver((entries) => {
        for (const { target } of entries) {
            if (target.scrollWidth > target.clientWidth) {
                target.tabIndex = 0;
            } else {
                target.removeAttribute('tabindex');
                if (!isWrapped(target)) continue;
            }
            target.closest('main > *').classList.add('spread');
        }
    });
    document.querySelectorAll('.table-wrapper, .columns, pre').forEach((part) => sizes.observe(part));

    // In a table, a name may be broken between its parts.
    document.querySelectorAll(':is(td, th) code').forEach((code) => {
        code.innerHTML = code.innerHTML.replace(/(?<=[\w(]{3})(::|[.,(_/=]|[a-z](?=[A-Z]))(?=\w)/g, '$1<wbr>');
    });

    // A line ends between the words of a command, not inside `--only` or `03-conn-loop`.
    document.querySelectorAll(':not(pre) > code, kbd.command').forEach((code) => {
        code.innerHTML = code.innerHTML.replace(/[^\s&;]*-[^\s&;]*/g,
            (word) => word.length <= 20 ? `<span class="whole">${word}</span>` : word);
    });

    // A link into a folded block unfolds it.
    function reveal() {
        const target = addressed();
        if (!target) return;
        let folded = null;
        for (let fold = target.closest('details'); fold; fold = fold.parentElement.closest('details')) {
            if (!fold.open) folded = fold;
            fold.open = true;
        }
        if (folded) target.scrollIntoView();
    }
    addEventListener('hashchange', reveal);
    reveal();

    // On paper everything is unfolded that is printed, and a section's answers come after its last question.
    let unfolded = [], below = [];
    addEventListener('beforeprint', () => {
        unfolded = [...document.querySelectorAll('details:not([open]):not([data-paper="no"])')];
        unfolded.forEach((fold) => { fold.open = true; });
        let section = [];
        for (const part of [...document.querySelectorAll('main > :is(h1, h2, details[data-paper="after"])')]) {
            if (part.localName === 'details') section.push(part);
            else section = move(section);
        }
        move(section);
    });
    addEventListener('afterprint', () => {
        unfolded.forEach((fold) => { fold.open = false; });
        below.forEach(([fold, place]) => {
            place.replaceWith(fold);
            delete fold.firstElementChild.dataset.number;
        });
        unfolded = below = [];
    });

    // Moves a section's answers below its last question, numbered like these.
    function move(answers) {
        let number = 0, end = answers.at(-1)?.nextSibling, main = answers.at(-1)?.parentNode;
        for (const fold of answers) {
            const before = fold.previousElementSibling;
            if (!before?.matches('.answer-below, details[data-paper]')) number++;
            const place = document.createElement('p');
            place.className = 'answer-below';
            place.textContent = `→ ${fold.firstElementChild.textContent}`;
            place.dataset.number = fold.firstElementChild.dataset.number = number;
            fold.replaceWith(place);
            main.insertBefore(fold, end);
            below.push([fold, place]);
        }
        return [];
    }

    const print = byId('print-button');
    if (print) print.addEventListener('click', () => window.print());
})();

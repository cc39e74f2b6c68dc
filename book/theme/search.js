'use strict';

// Searches the book. The build puts `searchIndex` in front: the pages in their order, each with its sections. A section
// has a level: 1 to 3 for a heading, 4 for a term with its explanation. A term may have several lines.
//
// A character of a title or a text stands for a word of the table. There, a word is the rest after what it shares with
// the one before it, and a digit for how many letters these are.

const search = (({ pages, words: table, ignored, synonyms, texts }) => {
    const MOST = 12; // results that are listed
    const LEAST = 0.1; // of the best result's score
    // Han text has no spaces: a run of it is looked for as it is.
    const HAN = /^\p{Script=Han}/u;
    const WORDS = /\p{Script=Han}+|\d+(?:\.\d+)+|(?:(?!\p{Script=Han})[\p{L}\p{M}\p{N}_])+/gu;

    const fold = (text) => text.normalize('NFKC').toLowerCase();
    const wordsOf = (text) => fold(text).match(WORDS) || [];
    const partsOf = (name) => name.match(/\p{Lu}+(?!\p{Ll})|\p{Lu}?\p{Ll}+|\p{N}+/gu) || [];
    const stemOf = (word) => word.replace(/^(.{3,}?)(?:ing|ed|es|s)$/u, '$1');
    const isTelling = (word) => !ignored.includes(word);
    const joined = (words) => ` ${words.join(' ')} `;

    // ------------------------------------------------------------- index

    const sections = [];
    const postings = new Map(); // of each word: for the number of a section, how often it is in its title, path, text

    function add(word, section, field) {
        let counts = postings.get(word);
        if (!counts) postings.set(word, counts = new Map());
        let count = counts.get(section);
        if (!count) counts.set(section, count = [0, 0, 0]);
        count[field]++;
    }

    const unpacked = new Map();
    let point = 0x20;
    let word = '';
    for (const entry of table) {
        word = word.slice(0, parseInt(entry[0], 36)) + entry.slice(1);
        while (point === 0x22 || point === 0x5c || (point > 0x7e && point < 0xa0)) point++;
        unpacked.set(String.fromCodePoint(point++), word);
    }
    const unpack = (text) => Array.from(text, (character) => unpacked.get(character)).join('');
    const idOf = (title) => title.replaceAll('\n', '').toLowerCase()
        .replace(/[^\p{L}\p{N}_ -]/gu, '').replaceAll(' ', '-');

    for (const { path, sections: parts } of pages) {
        const above = [];
        let place = path; // of the last heading
        for (const [level, id, packedTitle, packedText, isRepeated] of parts) {
            const [title, text] = [packedTitle, packedText].map(unpack);
            const names = above.slice(0, level - 1).filter(Boolean);
            above.length = level - 1;
            above[level - 1] = title;
            const address = level > 1 ? `#${id || idOf(title)}` : '';
            if (level < 4) place = path + address;
            const fields = [title, names.join('\n'), text];
            const words = fields.map(wordsOf);
            const number = sections.length;
            // A heading without text of its own shows the text of its first part.
            const before = sections.at(-1);
            if (before && !before.text && before.level < level) before.text = text;
            sections.push({
                href: `${path}.html${address}`,
                place, level, names, title, text,
                weight: isRepeated ? 0.3 : 1,
                length: words[0].length + words[2].length,
                phrases: [title, text].map((lines) => lines.split('\n').map((line) => joined(wordsOf(line))).join('\n')),
                han: fields.map(fold),
            });
            words.forEach((list, field) => {
                for (const word of list) {
                    add(word, number, field);
                    if (word.includes('_')) word.split('_').filter(Boolean).forEach((part) => add(part, number, field));
                }
            });
        }
    }
    const average = sections.reduce((sum, { length }) => sum + length, 0) / sections.length;

    // How often a word, or one that begins like it, is in the title, path and text of each section.
    const finds = new Map();
    function find(word) {
        if (finds.has(word)) return finds.get(word);
        const found = new Map();
        finds.set(word, found);
        const take = (number, count, quality) => {
            const sum = found.get(number) || [0, 0, 0];
            found.set(number, sum.map((value, field) => value + count[field] * quality));
        };
        if (HAN.test(word)) {
            sections.forEach(({ han }, number) => {
                const count = han.map((text) => text.split(word).length - 1);
                if (count.some(Boolean)) take(number, count, 1);
            });
            return found;
        }
        const stem = stemOf(word);
        for (const [other, counts] of postings) {
            if (!other.startsWith(stem)) continue;
            const quality = other === word ? 1 : stemOf(other) === stem ? 0.9 : stem.length > 3 ? 0.3 : 0.05;
            counts.forEach((count, number) => take(number, count, quality));
        }
        return found;
    }

    // A run of Han text in parts: the words that are titles, or names in them, and what is left between them. What carries
    // no meaning is left out. A single letter that is ignored may be a part of a word, so only those split the run that
    // never are.
    const alternatives = (words) => words.sort((a, b) => b.length - a.length).join('|');
    const NOISE = alternatives([...ignored.filter((word) => HAN.test(word) && word.length > 1), ...'的了吗呢啊吧']);
    const noise = new RegExp(NOISE, 'u');
    const isTerm = ([word, counts]) => word.length > 1 && HAN.test(word) && !noise.test(word)
        && [...counts.values()].some(([title]) => title);
    const TERM = alternatives([...postings].filter(isTerm).map(([word]) => word));
    const CUTS = new RegExp(`(${TERM || '(?!)'})|${NOISE}`, 'u');
    const pairsOf = (run) => [...run].slice(1).map((letter, at) => [...run][at] + letter);
    function partsOfRun(run) {
        const parts = run.split(CUTS).filter(Boolean);
        return parts.flatMap((part) => (find(part).size || [...part].length < 3 ? [part] : pairsOf(part))).filter(isTelling);
    }

    // The words of a query, with where they are in the book. Instead of one that is nowhere, its parts.
    function located(query) {
        const names = query.normalize('NFKC').match(/[\p{L}\p{M}\p{N}_.]+/gu) || [];
        const cases = new Map(names.map((name) => [name.toLowerCase(), name]));
        const all = [...new Set(wordsOf(query))];
        const telling = all.filter(isTelling);
        const words = (telling.length ? telling : all).flatMap((word) => {
            const found = find(word);
            if (found.size) return [{ word, found }];
            const parts = HAN.test(word)
                ? partsOfRun(word)
                : partsOf(cases.get(word) || word).map((part) => part.toLowerCase());
            const inBook = parts.map((part) => ({ word: part, found: find(part) })).filter((it) => it.found.size);
            // A run of noise says nothing next to other words.
            return inBook.length || (HAN.test(word) && !parts.length && telling.length > 1) ? inBook : [{ word, found }];
        });
        for (const it of words) {
            let weight = 0;
            it.found.forEach((count) => { weight += Math.min(1, count[0] + count[1] / 2 + count[2]); });
            it.rarity = Math.log(1 + sections.length / Math.max(1, weight));
        }
        return words;
    }

    // ------------------------------------------------------------- ranks

    function ranked(query) {
        const words = located(query);
        const total = words.reduce((sum, { rarity }) => sum + rarity, 0);
        const asked = new Map(words.map(({ word, rarity }) => [stemOf(word), rarity]));
        const scores = new Map();
        for (const { found, rarity } of words) {
            found.forEach(([title, path, text], number) => {
                const { length } = sections[number];
                const often = (text + title) / (text + title + 0.4 + 0.4 * length / average);
                const score = scores.get(number) || { sum: 0, covered: 0 };
                score.sum += rarity * (often + Math.min(1, title) + 0.5 * Math.min(1, path));
                score.covered += rarity;
                scores.set(number, score);
            });
        }
        const results = [];
        scores.forEach(({ sum, covered }, number) => {
            const section = sections[number];
            let score = sum;
            for (let at = 1; at < words.length; at++) {
                const pair = ` ${words[at - 1].word} ${words[at].word}`;
                const rarity = Math.min(words[at - 1].rarity, words[at].rarity);
                if (section.phrases[0].includes(pair)) score += rarity;
                if (section.phrases[1].includes(pair)) score += 0.5 * rarity;
            }
            // A title of which all that matters was asked for, by one of its names.
            const titles = section.title.split(/[\n（）：]/u).map((line) => {
                const stems = wordsOf(line).filter(isTelling)
                    .flatMap((word) => HAN.test(word) && !asked.has(word) ? partsOfRun(word) : [word]).map(stemOf);
                const isAsked = stems.length && stems.every((stem) => asked.has(stem));
                return isAsked ? stems.reduce((rare, stem) => rare + asked.get(stem), 0) : 0;
            });
            score += 0.8 * Math.max(...titles);
            score *= (covered / total) ** 1.5 * section.weight / total;
            results.push({ number, score, words });
        });
        return results;
    }

    // A query with the book's term for what the reader typed.
    function replaced(query, [other, term]) {
        if (HAN.test(other)) return query.replaceAll(other, ` ${term} `);
        const words = wordsOf(query);
        const stems = words.map(stemOf);
        const wanted = wordsOf(other).map(stemOf);
        const at = stems.findIndex((_, start) => wanted.every((stem, index) => stems[start + index] === stem));
        return at < 0 ? query : [...words.slice(0, at), term, ...words.slice(at + wanted.length)].join(' ');
    }

    // The query, also with each of its terms replaced, and with all of them.
    function queries(query) {
        const single = synonyms.map((pair) => replaced(query, pair));
        return [...new Set([query, ...single, synonyms.reduce(replaced, query)])];
    }

    function results(query) {
        const best = new Map();
        queries(query).forEach((one, index) => {
            for (const result of ranked(one)) {
                const score = result.score * (index ? 0.9 : 1);
                if (!(best.get(result.number)?.score >= score)) best.set(result.number, { ...result, score });
            }
        });
        const sorted = [...best.values()].sort((a, b) => b.score - a.score || a.number - b.number);
        return sorted.filter(({ score }) => score > LEAST * sorted[0].score)
            .map(({ number, words }) => ({ ...sections[number], words }));
    }

    // ------------------------------------------------------------- panel

    const LETTER = '[\\p{L}\\p{M}\\p{N}_]';
    const field = byId('search-field');
    const list = byId('search-results');
    const status = byId('search-status');

    // Finds a word in a text as it is written, with its ending.
    function pattern(word) {
        if (HAN.test(word)) return word;
        const stem = stemOf(word);
        return `(?<![\\p{L}\\p{N}])${stem.replaceAll('.', '\\.')}${stem.length > 2 ? `${LETTER}*` : `(?!${LETTER})`}`;
    }

    // The part with the rarest of the words; the first one if none has any.
    function best(parts, words) {
        const worth = (part) => words.reduce((sum, { word, rarity }) =>
            sum + (new RegExp(pattern(word), 'iu').test(part) ? rarity : 0), 0);
        return parts.reduce(([most, chosen], part) => {
            const value = worth(part);
            return value > most ? [value, part] : [most, chosen];
        }, [0, parts[0] || ''])[1];
    }

    const isIn = (text, words) => words.some(({ word }) => new RegExp(pattern(word), 'iu').test(text));

    // About as much of a sentence as fits on two lines, with the first of the words in it.
    function shortened(sentence, words) {
        const at = sentence.search(new RegExp(words.map(({ word }) => pattern(word)).join('|'), 'iu'));
        const space = sentence.indexOf(' ', at - 60) + 1;
        const before = space && space <= at ? space : at - 60; // Han text may have no space
        const start = at > 120 ? before : 0;
        const rest = sentence.slice(start);
        if (rest.length < 220) return (start ? '… ' : '') + rest;
        const end = rest.lastIndexOf(' ', 200);
        return `${start ? '… ' : ''}${rest.slice(0, end > 100 ? end : 200)} …`;
    }

    function marked(name, text, words) {
        const element = document.createElement(name);
        const parts = text.split(new RegExp(`(${words.map(({ word }) => pattern(word)).join('|')})`, 'iu'));
        parts.forEach((part, index) => {
            const node = index % 2 ? document.createElement('mark') : document.createTextNode(part);
            if (index % 2) node.textContent = part;
            element.append(node);
        });
        return element;
    }

    // Where the browser can, it marks the sentence on the page that opens.
    function directive(sentence) {
        if (!sentence || !('fragmentDirective' in document)) return '';
        const words = sentence.split(' ');
        const ends = words.length > 10 ? [words.slice(0, 4), words.slice(-4)] : [words];
        const texts = ends.map((end) => encodeURIComponent(end.join(' ')).replaceAll('-', '%2D'));
        return `:~:text=${texts.join(',')}`;
    }

    function item({ href, level, names, title, text, words }) {
        const line = best(title.split('\n'), words);
        const sentences = text.split(/\n|(?<=[.!?])\s+(?=\S)|(?<=[。！？])/u);
        // An explanation begins with what matters.
        const isExplained = level === 4 && isIn(line, words);
        const sentence = isExplained ? sentences[0] : best(sentences, words);
        const entry = document.createElement('li');
        const link = document.createElement('a');
        link.href = path_to_root + href + (href.includes('#') ? '' : '#') + directive(sentence);
        const path = names.map((name) => name.split('\n')[0]);
        if (path.length) {
            const above = document.createElement('small');
            above.textContent = `${path.join(' › ')} › `;
            link.append(above);
        }
        link.append(marked('span', line, words));
        entry.append(link);
        if (sentence) entry.append(marked('p', shortened(sentence, words), words));
        return entry;
    }

    function show() {
        const query = field.value.trim();
        const all = query ? results(query) : [];
        const shown = all.slice(0, MOST);
        list.replaceChildren(...shown.map(item));
        const key = !all.length ? 'none' : all.length === 1 ? 'one' : all.length > MOST ? 'some' : 'many';
        status.textContent = query
            ? texts[key].replace(/%(\w+)%/g, (_, name) => ({ query, count: shown.length, all: all.length })[name])
            : '';
    }

    // While an input method composes, its keys and its letters are not the query yet.
    field.addEventListener('input', (event) => { if (!event.isComposing) show(); });
    field.addEventListener('compositionend', show);
    field.form.addEventListener('submit', (event) => {
        event.preventDefault();
        list.querySelector('a')?.click();
    });
    byId('search').addEventListener('keydown', (event) => {
        if (event.isComposing || (event.key !== 'ArrowDown' && event.key !== 'ArrowUp')) return;
        event.preventDefault();
        const stops = [field, ...list.querySelectorAll('a')];
        const to = stops.indexOf(document.activeElement) + (event.key === 'ArrowDown' ? 1 : -1);
        stops[to]?.focus();
    });
    show();
    return { results };
})(searchIndex);

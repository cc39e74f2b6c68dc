// What the engine finds in a book in Chinese: for each query, the first section. It is loaded once more, with an index
// of its own; the panel of the page that is open takes no part.
const [engine, queries] = arguments;
const pages = [
    ['stream', [
        ['粘包与消息边界', 'TCP 是字节流，没有消息边界。一次 send 不等于一次 recv，所以两条消息会粘在一起。\n在每条消息前面加上长度前缀。'],
        ['UDP 保留边界', '数据报要么完整到达，要么不到达。'],
    ]],
    ['loop', [
        ['连接循环', '客户端断开以后，recv 返回空字节，服务端会陷入死循环。'],
        ['地址已被占用', '端口已被另一个程序占用：先停止那个程序，或者换一个端口。'],
    ]],
    ['handshake', [['三次握手', '连接由三个报文段建立。第二个客户端在全连接队列里等待。']]],
];
const words = [...new Set(pages.flat(Infinity).join(''))];
const points = Array.from({ length: 2000 }, (_, at) => at + 0x20)
    .filter((point) => point !== 0x22 && point !== 0x5c && (point < 0x7f || point > 0x9f));
const pack = (text) => Array.from(text, (word) => String.fromCodePoint(points[words.indexOf(word)])).join('');
const searchIndex = {
    words: words.map((word) => `0${word}`), ignored: [], texts: {},
    synonyms: [['半包', '消息边界']],
    pages: pages.map(([path, sections]) => ({
        path,
        sections: sections.map(([title, text], at) => [at ? 2 : 1, `${at}`, pack(title), pack(text), 0]),
    })),
};
const { results } = new Function('searchIndex', `${engine}; return search;`)(searchIndex);
return queries.map((query) => results(query)[0]?.place ?? '');

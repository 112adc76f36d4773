// Conversations as files: JSON, which holds all of them with all branches, and Markdown, which people read and which holds what one shows.
// What comes in is nobody's word: it is copied field by field, and refused in one sentence if it is something else.

window.stoker.parts.portable = ({ Problem, Tree, attachments, bytesText, element, newId, store }) => {
  const FORMAT = 'stoker-conversations', VERSION = 1, LARGEST = 64 << 20, SPLIT = 48 << 20;
  const HEADING = /^(\\*)## (You|Model)[ \t]*$/;

  /* ---- out ---- */

  function download(name, type, text) {
    const url = URL.createObjectURL(new Blob([text], { type }));
    element('a', { href: url, download: name }).click();
    setTimeout(() => URL.revokeObjectURL(url), 60000);
  }
  const fileName = title => title.replace(/[^\p{L}\p{N} ._-]+/gu, ' ').replace(/[ .]+/g, ' ').trim().slice(0, 60) || 'conversation';
  const toJson = list => `{"format": "${FORMAT}", "version": ${VERSION}, "conversations": [\n${list.join(',\n')}\n]}\n`;
  const ended = t => (t.state === 'streaming' ? { ...t, state: 'done', stopped: true } : t); // its page was closed, or writes still
  const entry = ({ head, body }) => JSON.stringify({ ...head, turns: body.turns.map(ended), leaf: body.leaf });

  // Below an answer the sources that it names: titles are text, and what is no address of the library is no link.
  const plain = text => text.replace(/\s+/g, ' ').trim().replace(/[\\`*_[\]<&~]/g, '\\$&');
  function sourceLine({ n, title, url }) {
    const root = new URL('library/', document.baseURI).href, address = /^\/library\/[^~]/.test(url) ? new URL(url.slice(1), document.baseURI).href : '';
    return `- [${n}] ${address.startsWith(root) ? `[${plain(title)}](<${address}>)` : plain(title)}`;
  }
  function sourcesOf(t) {
    const named = (t.sources || []).filter(s => t.text.includes(`[${s.n}]`));
    return named.length ? `Sources:\n\n${named.map(sourceLine).join('\n')}` : '';
  }

  function toMarkdown({ head, body }) {
    const said = t => (t.role === 'user' ? attachments.content(t) : [t.text, ...t.calls.map(c => `Calls \`${c.name}\`:\n\n\`\`\`json\n${c.args}\n\`\`\``)].concat(sourcesOf(t)).filter(Boolean).join('\n\n'));
    const escaped = text => text.split('\n').map(l => HEADING.test(l) ? '\\' + l : l).join('\n').trim();
    const turns = new Tree(body.turns, body.leaf).path().map(t => `## ${t.role === 'user' ? 'You' : 'Model'}\n\n${escaped(said(t))}\n`);
    return `# ${head.title.replace(/\s+/g, ' ')}\n\n${turns.join('\n')}`;
  }

  /* ---- in ---- */

  const isText = (v, most = Infinity) => typeof v === 'string' && v.length <= most;
  const isId = v => isText(v, 64) && /^[\w-]+$/.test(v);
  const time = v => Number.isFinite(v) && v > 0 && v < 1e14 ? v : Date.now();

  function readTurn(v, known, wrong) {
    if (!v || !isId(v.id) || known.has(v.id)) wrong('has no id of its own');
    if (v.parent !== null && !known.has(v.parent)) wrong('follows none that stands before it');
    if (v.role !== 'user' && v.role !== 'assistant') wrong('is from nobody known');
    if (!isText(v.text)) wrong('has no text');
    const t = { id: v.id, parent: v.parent, role: v.role, text: v.text };
    if (v.role === 'user') {
      if (v.files !== undefined && !(Array.isArray(v.files) && v.files.every(f => f && isText(f.name, 1000) && isText(f.text)))) wrong('has attachments without name or text');
      t.files = (v.files || []).map(f => ({ name: f.name, text: f.text }));
      return t;
    }
    if (v.calls !== undefined && !(Array.isArray(v.calls) && v.calls.every(c => c && isText(c.name) && isText(c.args)))) wrong('has calls without name or arguments');
    t.calls = (v.calls || []).map(c => ({ id: isText(c.id) ? c.id : '', name: c.name, args: c.args, result: isText(c.result) ? c.result : '' }));
    t.state = v.state === 'error' ? 'error' : 'done';
    t.reasoning = isText(v.reasoning) ? v.reasoning : '';
    for (const f of ['meta', 'error']) if (isText(v[f], 10000)) t[f] = v[f];
    if (Number.isFinite(v.thoughtFor)) t.thoughtFor = v.thoughtFor;
    if (v.stopped === true) t.stopped = true;
    if (known.has(v.beside)) t.beside = v.beside;
    if (Array.isArray(v.lookups) && Array.isArray(v.sources)) {
      t.lookups = v.lookups.filter(l => isText(l?.subject, 10000)).map(l => ({ type: l.type === 'search' ? 'search' : 'open', subject: l.subject, found: Number.isInteger(l.found) ? l.found : undefined }));
      t.sources = v.sources.filter(s => s && Number.isInteger(s.n) && isText(s.title, 10000) && isText(s.url, 10000)).map(({ n, title, url }) => ({ n, title, url }));
    }
    if (v.asked && typeof v.asked === 'object' && !Array.isArray(v.asked) && JSON.stringify(v.asked).length < 100000) t.asked = v.asked;
    return t;
  }

  function readConversation(v, refuse) {
    if (!v || typeof v !== 'object' || !isText(v.title) || !Array.isArray(v.turns) || !v.turns.length) refuse('has no title or no messages');
    const known = new Set(), turns = [];
    v.turns.forEach((u, i) => {
      turns.push(readTurn(u, known, what => refuse(`has a message, number ${i + 1}, that ${what}`)));
      known.add(u.id);
    });
    const id = isId(v.id) ? v.id : newId(), leaf = known.has(v.leaf) ? v.leaf : turns[turns.length - 1].id;
    return { head: { id, title: v.title.slice(0, 200), named: v.named === true, created: time(v.created), changed: time(v.changed) }, body: { id, turns, leaf } };
  }

  function fromJson(text, name) {
    let v;
    try { v = JSON.parse(text); } catch { throw new Problem(`${name} is not JSON.`); }
    if (v?.format !== FORMAT || !Array.isArray(v.conversations)) throw new Problem(`${name} is not an export of conversations.`);
    if (v.version !== VERSION) throw new Problem(`${name} comes from another version of this page.`);
    return v.conversations.map((c, i) => readConversation(c, what => { throw new Problem(`${name} is not an export of conversations: number ${i + 1} ${what}.`); }));
  }

  function fromMarkdown(text, name) {
    const parts = [];
    let title = '';
    for (const l of text.replace(/\r\n?/g, '\n').split('\n')) {
      const m = HEADING.exec(l);
      if (m && !m[1]) parts.push({ role: m[2] === 'You' ? 'user' : 'assistant', lines: [] });
      else if (parts.length) parts[parts.length - 1].lines.push(m ? l.slice(1) : l);
      else title ||= /^# (.*)/.exec(l)?.[1].trim() || '';
    }
    if (!parts.length) throw new Problem(`${name} is not an export of a conversation: no line of it is "## You" or "## Model".`);
    const tree = new Tree();
    for (const { role, lines } of parts) tree.add({ role, text: lines.join('\n').trim(), ...(role === 'user' ? { files: [] } : { state: 'done', reasoning: '', calls: [] }) }, tree.leaf);
    const id = newId(), now = Date.now();
    return [{ head: { id, title: (title || tree.title()).slice(0, 200), named: Boolean(title), created: now, changed: now }, body: { id, ...tree.plain() } }];
  }

  return {
    // ids: which; how many files come of it is a matter of size, since what is larger than LARGEST could not be imported.
    async json(ids, name) {
      const heads = await store.heads();
      let list = [], size = 0, n = 0;
      const flush = last => { n++; download(`${fileName(name)}${last && n === 1 ? '' : ` ${n}`}.json`, 'application/json', toJson(list)); list = []; size = 0; };
      for (const head of heads.filter(h => ids.includes(h.id))) {
        const body = await store.body(head.id);
        if (!body) continue;
        list.push(entry({ head, body }));
        size += list[list.length - 1].length;
        if (size > SPLIT) flush(false);
      }
      if (list.length) flush(true);
    },
    async markdown(id) {
      const head = (await store.heads()).find(h => h.id === id), body = await store.body(id);
      if (head && body) download(`${fileName(head.title)}.md`, 'text/markdown', toMarkdown({ head, body }));
    },
    // The number of conversations that came; throws a Problem.
    async take(file) {
      if (file.size > LARGEST) throw new Problem(`${file.name} has ${bytesText(file.size)}; files up to ${bytesText(LARGEST)} can be imported.`);
      let text;
      try { text = new TextDecoder('utf-8', { fatal: true }).decode(await file.arrayBuffer()); } catch { throw new Problem(`${file.name} is not text.`); }
      const list = /\.(md|markdown)$/i.test(file.name) ? fromMarkdown(text, file.name) : fromJson(text, file.name);
      await store.add(list);
      return list.length;
    },
  };
};

// Conversations as this browser keeps them, and nobody else: IndexedDB, in four tables.
//
//   heads   {id, title, named, created, changed}     what the list shows: small, read whole
//   bodies  {id, turns, leaf}                        one a conversation; turns as tree.js has them
//   words   {id, words}                              the different words of each conversation (a Map by its id), for the search: read whole
//                                                    when somebody searches. A row holds those of a group of conversations: Chromium takes
//                                                    four times as long for a thousand rows as for as many bytes in 32. Rows of an earlier
//                                                    page are the words of one conversation, by its id
//   drafts  {id, text, files, editing, aside}        what is not sent yet; id '' for a new chat
//
// Two tabs may have one conversation open: saving adds to the turns that are there and takes none away, and an answer that another tab was
// writing stays as that one has put it. A browser that keeps nothing, or has no space left, is told in one sentence, once; the page goes on
// without.

const store = (() => {
  const NONE = 'This browser keeps no conversations for this page (a private window?): they are gone when the tab is closed.';
  const FULL = 'This browser has no space left: what is written from now on is gone when the tab is closed. Delete or export conversations.';
  const channel = typeof BroadcastChannel === 'function' ? new BroadcastChannel('stoker.conversations') : null;
  const KEEP = 'stoker.keep';
  let wanted = true, shared = true, heads = null, words = null, told = ''; // heads, words: promises of the tables as they are
  // As the last tab has set it; wanted: for this visit, where it cannot be stored.
  const keeps = () => {
    if (shared) try { wanted = localStorage.getItem(KEEP) !== 'no'; } catch { /* as it was */ }
    return wanted;
  };
  // Without: nothing more is kept, and drafts go; conversations stay until they are deleted.
  function switched() {
    if (!keeps()) trying(undefined, () => within(['drafts'], 'readwrite', t => { t.clear(); }));
    document.dispatchEvent(new Event('keeps'));
  }
  addEventListener('storage', e => { if (e.key === KEEP) switched(); });

  const done = request => new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
  const opened = new Promise((resolve, reject) => {
    const request = indexedDB.open('stoker', 1);
    request.onupgradeneeded = () => { for (const table of ['heads', 'bodies', 'words', 'drafts']) request.result.createObjectStore(table, { keyPath: 'id' }); };
    request.onsuccess = () => resolve(request.result);
    request.onerror = request.onblocked = () => reject(request.error);
  });
  opened.then(db => { db.onversionchange = () => db.close(); }, () => {});

  // Runs work(table...) in one transaction; what it returns, once that is complete. If it fails, nothing is written.
  async function within(tables, mode, work) {
    const db = await opened, transaction = db.transaction(tables, mode);
    const ended = new Promise((resolve, reject) => {
      transaction.oncomplete = resolve;
      transaction.onabort = () => reject(transaction.error || new Error('aborted'));
    });
    ended.catch(() => {});
    let result;
    try { result = await work(...tables.map(t => transaction.objectStore(t))); } catch (e) {
      try { transaction.abort(); } catch { /* it has ended */ }
      await ended.catch(() => {});
      throw transaction.error || e;
    }
    await ended;
    return result;
  }

  const whole = (table, make) => within([table], 'readonly', t => done(t.getAll())).then(make).catch(e => { heads = words = null; throw e; });

  function tell(e) {
    const sentence = e?.name === 'QuotaExceededError' ? FULL : NONE;
    if (sentence !== told) notice(sentence);
    told = sentence;
  }
  // otherwise where the browser cannot: the caller goes on with it.
  const trying = async (otherwise, work) => { try { return await work(); } catch (e) { tell(e); return otherwise; } };

  // elsewhere: another tab did it.
  function changed(ids, elsewhere) {
    heads = null;
    if (!elsewhere) channel?.postMessage(ids);
    document.dispatchEvent(new CustomEvent('kept', { detail: { ids, elsewhere } }));
  }
  channel?.addEventListener('message', e => { words = null; changed(e.data, true); });

  const INDEXED = 100000; // characters of an attachment that the search reads
  const textsOf = (head, body) => [head.title, ...body.turns.flatMap(t => [t.text, ...(t.files || []).flatMap(f => [f.name, f.text.slice(0, INDEXED)])])];
  // A fourth of the text, and every search for a piece of a word finds in it what it would find in the text.
  const wordsOf = (head, body) => [...new Set(textsOf(head, body).join('\n').toLowerCase().split(/\s+/))].join(' ');

  const GROUPS = 32;
  const groupOf = id => [...id].reduce((sum, c) => (sum * 31 + c.codePointAt(0)) % 65521, 0) % GROUPS;
  const merge = (known, news) => { for (const [id, all] of news) if (all === undefined) known.delete(id); else known.set(id, all); };
  const learn = news => { words?.then(known => merge(known, news), () => {}); };

  // Puts words of conversations (a Map by id; undefined: it is gone) into the rows of their groups, each of which is written once.
  async function index(table, news) {
    const groups = new Map();
    for (const entry of news) {
      const g = groupOf(entry[0]);
      groups.set(g, [...(groups.get(g) || []), entry]);
      table.delete(entry[0]); // an earlier page's row
    }
    for (const [id, part] of groups) {
      const kept = (await done(table.get(id)))?.words || new Map();
      merge(kept, part);
      if (kept.size) table.put({ id, words: kept }); else table.delete(id);
    }
  }

  // Numbers are below strings: rows of an earlier page, of which one may still be open, come last and are newer.
  const readWords = () => whole('words', all => {
    if (all.some(r => typeof r.id === 'string')) regroup().catch(() => {}); // another time
    return new Map(all.flatMap(r => r.words instanceof Map ? [...r.words] : [[r.id, r.words]]));
  });
  const regroup = () => within(['words'], 'readwrite', async t => index(t, new Map((await done(t.getAll(IDBKeyRange.lowerBound('')))).map(r => [r.id, r.words]))));

  // Puts conversations into the tables of one transaction, each together with the turns that are there already. Gives back their words, by id. While
  // an answer is written, which is kept every few seconds, the words stay as they are.
  async function put(list, heads, bodies, words) {
    const news = new Map();
    for (const { head, body } of list) {
      const before = await done(bodies.get(head.id)), old = before && await done(heads.get(head.id));
      const had = new Map(before?.turns.map(t => [t.id, t])), turns = body.turns.map(({ cut, ...t }) => (cut && had.get(t.id)) || t);
      for (const t of turns) had.delete(t.id);
      const merged = { ...body, turns: Tree.inOrder([...had.values(), ...turns]) };
      const kept = { ...head, ...(old?.named && { title: old.title, named: true }), changed: Math.max(head.changed, old?.changed || 0) };
      heads.put(kept);
      bodies.put(merged);
      if (!before || !body.turns.some(t => t.state === 'streaming')) news.set(head.id, wordsOf(kept, merged));
    }
    await index(words, news);
    return news;
  }

  const ALL = ['heads', 'bodies', 'words'];
  async function write(list) {
    learn(await within(ALL, 'readwrite', (...tables) => put(list, ...tables)));
    changed(list.map(c => c.head.id), false);
  }

  return {
    keeps,
    setKeeps(on) {
      wanted = on;
      try { localStorage.setItem(KEEP, on ? 'yes' : 'no'); shared = true; } catch { shared = false; }
      switched();
    },

    // Newest first.
    heads: () => trying([], () => (heads ||= whole('heads', all => all.sort((a, b) => b.changed - a.changed)))),
    body: id => trying(undefined, () => within(['bodies'], 'readonly', t => done(t.get(id)))),
    save: (head, body) => trying(undefined, () => write([{ head, body }])),
    // For imports, whatever the switch says: who imports wants to keep. Throws.
    async add(list) {
      try { await write(list); } catch (e) { throw new Problem(e?.name === 'QuotaExceededError' ? 'This browser has no space for so many conversations.' : NONE); }
    },
    rename: (id, title) => trying(undefined, async () => {
      await within(['heads'], 'readwrite', async t => { const head = await done(t.get(id)); if (head) t.put({ ...head, title, named: true }); });
      changed([id], false);
    }),
    // Gives back what was there, for who wants to undo it.
    remove: ids => trying([], async () => {
      const none = new Map(ids.map(id => [id, undefined]));
      const gone = await within([...ALL, 'drafts'], 'readwrite', async (heads, bodies, words, drafts) => {
        const list = [];
        for (const id of ids) {
          const head = await done(heads.get(id)), body = await done(bodies.get(id));
          if (head && body) list.push({ head, body });
          for (const t of [heads, bodies, drafts]) t.delete(id);
        }
        await index(words, none);
        return list;
      });
      learn(none);
      changed(ids, false);
      return gone;
    }),

    // Map of id to the words, in small letters.
    words: () => trying(new Map(), () => (words ||= readWords())),
    // What was said in a conversation, one string a message.
    texts: head => trying([], async () => { const body = await within(['bodies'], 'readonly', t => done(t.get(head.id))); return body ? textsOf(head, body) : []; }),

    draft: id => trying(undefined, () => within(['drafts'], 'readonly', t => done(t.get(id)))),
    // Without anything: none.
    setDraft: draft => trying(undefined, async () => {
      if (!keeps()) return;
      await within(['drafts'], 'readwrite', t => { if (draft.text || draft.files.length || draft.aside) t.put(draft); else t.delete(draft.id); });
    }),
  };
})();

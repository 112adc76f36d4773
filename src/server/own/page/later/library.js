// The server's library: its sources, a search, articles in a frame; the switch above the message; and of an answer what it looked up, its
// citations as links, its sources.
//
// An article is somebody else's: it is shown in a frame without any rights, from addresses that the server sends under a policy of their own
// (docs/spec/library.md 13). Nothing of it reaches this page. A frame sends no key, so where there is one it goes by a ticket in the address.

window.stoker.parts.library = ({ $, Problem, button, call, element, getJson, inWords, key, lazy, say, sheets }) => {
  const RESULTS = 20, STORE = 'stoker.library';
  const place = element('div', { className: 'library' });
  let isThere = false, isOn = false; // the server has one; answers come from it
  try { isOn = localStorage.getItem(STORE) === 'on'; } catch { /* off then */ }

  /* ---- addresses ---- */

  // Of a page of the library, without the slash that it begins with, as this page may stand below a proxy's path; conversations come from files
  // too, so it can be any text.
  function addressOf(url) {
    const root = new URL('library/', document.baseURI).href;
    let at = null;
    try { at = /^\/library\/[^~]/.test(url) ? new URL(url.slice(1), document.baseURI) : null; } catch { /* no address */ }
    if (!at?.href.startsWith(root) || at.search) throw new Problem('This source has no address in the library.', 0);
    return at.href.slice(root.length);
  }
  const sourceOf = url => { try { return decodeURIComponent(url.split('/')[2] || ''); } catch { return ''; } };

  let ticket = '';
  async function prefix(again) {
    if (!key()) return 'library/';
    if (!ticket || again) ticket = (await (await call('v1/library/ticket', { body: {} })).json()).ticket;
    return `library/~${ticket}/`;
  }
  // The address for a frame, once the server says that there is a page: a frame could not tell.
  async function reach(url, signal) {
    const path = addressOf(url);
    for (let again = false; ; again = true) {
      const at = await prefix(again) + path;
      let r;
      try { r = await fetch(at, { signal, cache: 'no-store' }); } catch (e) {
        if (e.name === 'AbortError') throw e;
        throw new Problem('The server cannot be reached. Is it still running?', 0);
      }
      if (r.ok) { r.body?.cancel(); return at; }
      if (r.status !== 401 || again || !key()) throw new Problem(await inWords(r), r.status);
    }
  }

  // A link to an article, which opens it here.
  function linkTo(url, title, props, ...children) {
    let href = '#';
    try { href = 'library/' + addressOf(url); } catch { /* says so when it is opened */ }
    const a = element('a', { href, ...props }, ...children);
    a.addEventListener('click', e => {
      if (!key() && (e.ctrlKey || e.metaKey || e.shiftKey) && href !== '#') return;
      e.preventDefault();
      open(url, title, a);
    });
    return a;
  }

  /* ---- the panel ---- */

  const query = element('input', { type: 'search', placeholder: 'Search the library', ariaLabel: 'Search the library', autocomplete: 'off', spellcheck: false, enterKeyHint: 'search', data: { testid: 'library-query' } });
  const form = element('form', { role: 'search', className: 'row' }, query, element('button', { textContent: 'Search', data: { testid: 'library-search' } }));
  const hint = element('p', { className: 'hint', role: 'status', data: { testid: 'library-hint' } });
  const list = element('ol', { data: { testid: 'library-list' } }), article = element('section', { className: 'article', hidden: true, data: { testid: 'library-article' } });
  const finder = element('div', { className: 'finder' }, form, hint, list);
  let sources = null, asked = null, opener = null, isOfAnswer = false, leave = null, listed = ''; // listed: what the list shows, 'sources' or 'results'; leave(): the panel goes, which an answer has opened

  const wrong = e => { hint.textContent = e.message; hint.classList.add('problem'); };
  const tell = text => { hint.textContent = text; hint.classList.remove('problem'); };
  const several = (n, what) => `${n.toLocaleString('en')} ${what}${n === 1 ? '' : 's'}`;
  // What is asked for now ends what was asked for before.
  function ask() { asked?.abort(); asked = new AbortController(); return asked.signal; }
  const ended = e => e.name === 'AbortError';

  function sourceItem(s) {
    const title = s.title || s.name, facts = [several(s.articles, 'article'), s.date, s.language, s.license, !s.ready && 'not whole yet'].filter(Boolean).join(' · ');
    return element('li', { data: { testid: 'library-source', name: s.name } }, element('h3', {}, s.url ? linkTo(s.url, title, {}, title) : title), element('p', { className: 'hint' }, s.title && s.title !== s.name ? `${s.name} · ` : '', facts));
  }
  function showSources() {
    listed = 'sources';
    tell(sources.length ? '' : 'This library has no sources.');
    list.ariaLabel = 'Sources';
    list.replaceChildren(...sources.map(sourceItem));
  }
  async function load() {
    try {
      await lazy.style('library.css');
      sources ||= (await getJson('v1/library/sources')).sources;
      if (!listed && !asked) showSources();
    } catch (e) { wrong(e); }
  }

  /* ---- search ---- */

  const SHOWN = 420, AHEAD = 80; // characters of a passage
  const SEARCHING = 'Searching';

  // A passage from a little before its first word that was searched for, such words marked.
  function passage(text, words) {
    const hit = words.length ? new RegExp(`(?<![\\p{L}\\p{N}])(?:${words.join('|')})[\\p{L}\\p{N}]*`, 'giu') : /$^/g, first = Math.max(0, text.search(hit));
    const from = text.length <= SHOWN || first <= AHEAD ? 0 : text.indexOf(' ', first - AHEAD) + 1, part = text.slice(from, from + SHOWN), out = [from ? '…' : ''];
    let at = 0;
    for (const m of part.matchAll(hit)) { out.push(part.slice(at, m.index), element('mark', { textContent: m[0] })); at = m.index + m[0].length; }
    return [...out, part.slice(at), from + SHOWN < text.length ? '…' : ''];
  }
  function resultItem(r, words) {
    const title = r.heading.length ? r.heading.join(' > ') : r.title;
    return element('li', { data: { testid: 'library-result' } }, element('h3', {}, linkTo(r.url, title, {}, title)), element('p', { className: 'passage' }, ...passage(r.text, words)), element('p', { className: 'hint', textContent: [r.source, r.date].filter(Boolean).join(' · ') }));
  }
  async function search() {
    const text = query.value.trim(), signal = ask();
    if (!text) {
      asked = null;
      listed = '';
      load();
      return;
    }
    tell(SEARCHING);
    try {
      const r = await (await call('v1/library/search', { body: { query: text, limit: RESULTS }, signal })).json(), words = (text.match(/[\p{L}\p{N}]+/gu) || []).slice(0, 64);
      listed = 'results';
      list.ariaLabel = 'Results';
      list.replaceChildren(...r.results.map(x => resultItem(x, words)));
      list.scrollTop = 0;
      tell([r.results.length ? several(r.results.length, 'passage') : 'Nothing was found', r.dropped ? `${several(r.dropped, 'common word')} left out` : '', r.warning].filter(Boolean).join('. '));
    } catch (e) { if (!ended(e)) wrong(e); }
  }
  form.addEventListener('submit', e => { e.preventDefault(); search(); });
  query.addEventListener('search', () => { if (!query.value) search(); }); // its cross

  /* ---- an article ---- */

  // To where it was opened: the list, or the answer that names it.
  function back() {
    article.replaceChildren();
    article.hidden = true;
    finder.hidden = false;
    asked?.abort();
    asked = null;
    if (!listed) load(); else if (hint.textContent === SEARCHING) tell('');
    if (isOfAnswer) {
      leave?.();
      leave = null;
      (opener.isConnected ? opener : $('chat-input')).focus();
    } else (finder.contains(opener) ? opener : query).focus();
  }
  // Links in it lead on within the frame; what is open then only its source says.
  function frameOf(at, title, name) {
    const frame = element('iframe', { title: `${title}, from ${name}`, referrerPolicy: 'no-referrer', tabIndex: 0, data: { testid: 'library-frame' } });
    const label = element('span', { className: 'title', textContent: title });
    let loaded = 0;
    frame.setAttribute('sandbox', '');
    frame.addEventListener('load', () => { if (loaded++) { frame.title = article.ariaLabel = `Article from ${name}`; label.textContent = ''; } });
    frame.src = at;
    return [frame, label];
  }
  async function open(url, title, from) {
    const signal = ask(), name = sourceOf(url);
    const leaving = sheets.show('library');
    opener = from;
    isOfAnswer = !place.contains(from);
    if (leaving || !isOfAnswer) leave = leaving;
    load();
    finder.hidden = true;
    article.hidden = false;
    article.ariaLabel = title;
    const way = button(isOfAnswer ? '‹ Conversation' : listed === 'results' ? '‹ Results' : '‹ Library', back, { className: 'quiet', data: { testid: 'library-back' } }), head = element('div', { className: 'article-head' }, way);
    article.replaceChildren(head, element('p', { className: 'hint', textContent: 'Opening' }));
    way.focus();
    try {
      const [frame, label] = frameOf(await reach(url, signal), title, name);
      head.append(label, element('span', { className: 'hint', textContent: name }));
      article.lastElementChild.replaceWith(frame);
      say(`${title}, from ${name}`);
    } catch (e) {
      if (!ended(e)) article.lastElementChild.replaceWith(element('p', { className: 'problem', role: 'alert', textContent: e.message, data: { testid: 'library-problem' } }));
    }
  }
  article.addEventListener('keydown', e => { if (e.key === 'Escape') { e.stopPropagation(); back(); } });
  finder.addEventListener('keydown', e => { if (e.key === 'Escape' && chat.running()) e.stopPropagation(); }); // it stops no answer from here

  /* ---- the switch ---- */

  function addSwitch() {
    const box = element('input', { type: 'checkbox', checked: isOn, data: { testid: 'library-switch' } });
    box.addEventListener('change', () => {
      isOn = box.checked;
      try { localStorage.setItem(STORE, isOn ? 'on' : 'off'); } catch { /* for this visit then */ }
      say(isOn ? 'Answers come from the library' : 'Answers come without the library');
    });
    $('composer').querySelector('.box').before(element('label', { className: 'check from-library' }, box, 'Answer from the library'));
  }

  /* ---- answers ---- */

  const quoted = l => (l.type === 'search' ? `“${l.subject}”` : l.subject);
  function wordsOf(l, still) {
    if (l.found === undefined && still) return `${l.type === 'search' ? 'Searching for' : 'Opening'} ${quoted(l)}`;
    return `${l.type === 'search' ? 'Searched for' : 'Opened'} ${quoted(l)}: ${l.found === undefined ? 'stopped' : l.found ? several(l.found, 'passage') : 'nothing found'}`;
  }
  const titleOf = (t, id) => t.sources.find(s => String(s.n) === id)?.title || id;

  // e: a library_event of the stream.
  function hears(t, view, e) {
    const isSearch = e.type === 'search', begins = e.status === 'in_progress';
    t.lookups ||= [];
    t.sources ||= [];
    if (begins) t.lookups.push({ type: isSearch ? 'search' : 'open', subject: isSearch ? e.query : titleOf(t, e.id) });
    else {
      const given = e.results || [], last = t.lookups[t.lookups.length - 1];
      if (last) last.found = given.length;
      for (const { n, title, url } of given) if (!t.sources.some(s => s.n === n)) t.sources.push({ n, title, url });
    }
    view.progress(begins ? null : p => p.say('Reading what was found'));
    say(wordsOf(t.lookups[t.lookups.length - 1], begins));
  }
  // What the server says that the answer cites, by places in code points.
  function cited(t, annotations) {
    const points = [...t.text], out = [];
    for (const { url_citation: c } of annotations) {
      const n = Number(points.slice(c.start_index + 1, c.end_index - 1).join(''));
      if (n && !out.some(s => s.n === n)) out.push({ n, title: c.title, url: c.url });
    }
    t.sources = out;
  }

  const citation = (s, text) => (isThere ? linkTo(s.url, s.title, { className: 'cite', title: s.title, ariaLabel: `Source ${s.n}: ${s.title}`, data: { testid: 'citation', n: s.n } }, text) : element('span', { className: 'cite', title: s.title }, text));

  // Numbers of known sources become links; others, and those in code, formulas and links, stay what they are.
  function link(root, t) {
    const known = new Map(t.sources.map(s => [s.n, s])), walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT), texts = [];
    for (let node; (node = walker.nextNode());) if (/\[[1-9]\d{0,5}\]/.test(node.data) && !node.parentElement.closest('a, code, pre, button, .math')) texts.push(node);
    for (const node of texts) {
      const parts = node.data.split(/(\[[1-9]\d{0,5}\])/).map((part, i) => {
        const s = i % 2 && known.get(Number(part.slice(1, -1)));
        return s ? citation(s, part) : part;
      });
      if (parts.some(p => typeof p !== 'string')) node.replaceWith(...parts);
    }
  }
  function sourceLine(s) {
    const name = sourceOf(s.url);
    return element('li', { data: { testid: 'source', n: s.n } }, element('span', { className: 'n', textContent: `[${s.n}]` }), element('span', {}, isThere ? linkTo(s.url, s.title, {}, s.title) : s.title, element('span', { className: 'hint', textContent: ` ${name}` })));
  }

  // Around the text of an answer: above it what was looked up, in it links, below it the sources that it names.
  function show(view) {
    const t = view.turn, still = t.state === 'streaming';
    lazy.style('library.css').catch(() => {});
    if (!view.lookups) view.text.before(view.lookups = element('ul', { className: 'lookups', data: { testid: 'lookups' } }));
    if (!view.sources) view.text.after(view.sources = element('ol', { className: 'sources', ariaLabel: 'Sources', data: { testid: 'sources' } }));
    view.lookups.replaceChildren(...t.lookups.map((l, i) => element('li', { className: still && l.found === undefined && i === t.lookups.length - 1 ? 'waiting' : '', textContent: wordsOf(l, still), data: { testid: 'lookup' } })));
    link(view.text, t);
    const named = t.sources.filter(s => t.text.includes(`[${s.n}]`));
    if (!still) t.sources = named;
    view.sources.hidden = still || !named.length;
    view.sources.replaceChildren(...(still ? [] : named).map(sourceLine));
  }

  return {
    load, hears, cited, show,
    fields: () => (isThere && isOn ? { library: true } : {}),
    // The server has a library.
    async start() {
      if (isThere) return;
      isThere = true;
      await lazy.style('library.css').catch(() => {});
      place.append(finder, article);
      $('library').append(place);
      $('open-library').hidden = false;
      addSwitch();
    },
  };
};

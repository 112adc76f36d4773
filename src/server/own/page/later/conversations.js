// The list of conversations: search, open, rename, delete, export, import. A long list is drawn as far as somebody scrolls.

window.stoker.parts.conversations = ({ $, Problem, button, chat, element, notice, portable, sheets, store }) => {
  const list = $('chat-list'), search = $('chat-search'), hint = $('chats-hint'), menu = $('chat-menu');
  const PART = 100, DAY = 86400000;
  let shown = [], drawn = 0, menuFor = null, asked = 0, wanted = false;

  /* ---- rows ---- */

  function when(changed) {
    const midnight = new Date().setHours(0, 0, 0, 0);
    if (changed >= midnight) return 'Today';
    if (changed >= midnight - DAY) return 'Yesterday';
    if (changed >= midnight - 6 * DAY) return 'This week';
    return new Date(changed).toLocaleDateString('en', { month: 'long', year: 'numeric' });
  }

  // What stands around the first hit, the hit itself marked.
  async function addSnippet(link, { head, hit }) {
    const place = element('span', { className: 'snippet', textContent: '\u00a0' });
    link.append(place);
    for (const text of await store.texts(head)) {
      const m = hit.exec(text);
      if (!m) continue;
      const from = Math.max(0, m.index - 24), to = m.index + m[0].length, words = (a, b) => text.slice(a, b).replace(/\s+/g, ' ');
      place.replaceChildren((from ? '…' : '') + words(from, m.index), element('mark', { textContent: m[0] }), words(to, to + 60));
      return;
    }
  }

  function row(s) {
    const { head } = s, link = element('a', { href: '#' + head.id }, element('span', { className: 'title', textContent: head.title }));
    if (s.hit) addSnippet(link, s);
    if (head.id === chat.id()) link.setAttribute('aria-current', 'page');
    const more = button('⋯', () => openMenu(head, more), { className: 'more', ariaLabel: `More for ${head.title}` });
    more.setAttribute('aria-haspopup', 'menu');
    const li = element('li', { data: { testid: 'conversation', id: head.id } }, link, more);
    link.addEventListener('click', e => {
      if (e.ctrlKey || e.metaKey || e.shiftKey) return;
      e.preventDefault();
      chat.open(head.id).then(() => { if (sheets.over()) sheets.close(); });
    });
    return li;
  }

  function drawMore() {
    const rows = [];
    for (const s of shown.slice(drawn, drawn + PART)) {
      const day = s.hit ? '' : when(s.head.changed);
      if (day && day !== (drawn || rows.length ? list.dataset.day : '')) rows.push(element('li', { className: 'when', textContent: day }));
      list.dataset.day = day;
      rows.push(row(s));
    }
    drawn += PART;
    list.append(...rows);
  }
  list.addEventListener('scroll', () => { if (drawn < shown.length && list.scrollTop + list.clientHeight > list.scrollHeight - 600) drawMore(); });

  /* ---- what is listed ---- */

  const literal = w => new RegExp(w.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'), 'i');

  // Conversations that hold every word, somewhere; hit: the longest, which is shown.
  async function found(heads, words) {
    const index = await store.words(), small = words.map(w => w.toLowerCase()), hit = literal(words[0]);
    return heads.filter(head => { const all = `${index.get(head.id)} ${head.title.toLowerCase()}`; return small.every(w => all.includes(w)); }).map(head => ({ head, hit }));
  }

  async function refresh() {
    if (!wanted) return;
    const mine = ++asked, query = search.value.trim(), words = query.split(/\s+/).filter(Boolean).slice(0, 8), [heads] = await Promise.all([store.heads(), words.length && store.words()]);
    const result = words.length ? await found(heads, [...words].sort((a, b) => b.length - a.length)) : heads.map(head => ({ head }));
    if (mine !== asked || list.querySelector('input')) return;
    const focused = list.contains(document.activeElement) && document.activeElement.closest('li')?.dataset.id, scrolled = list.scrollTop;
    shown = result;
    drawn = 0;
    list.replaceChildren();
    drawMore();
    while (drawn < shown.length && list.scrollHeight < scrolled + list.clientHeight) drawMore();
    list.scrollTop = scrolled;
    if (focused) list.querySelector(`[data-id="${focused}"] a`)?.focus();
    list.dataset.count = shown.length;
    hint.textContent = query ? `${shown.length} found` : shown.length ? '' : store.keeps() ? 'No conversations yet.' : 'Conversations are not kept.';
    $('export-all').disabled = $('delete-all').disabled = heads.length === 0;
  }

  /* ---- the menu of a row ---- */

  function openMenu(head, b) {
    const at = b.getBoundingClientRect();
    menuFor = { head, b };
    menu.showPopover();
    menu.style.left = `${Math.max(8, Math.min(at.left, innerWidth - menu.offsetWidth - 8))}px`;
    menu.style.top = `${Math.max(8, Math.min(at.bottom + 4, innerHeight - menu.offsetHeight - 8))}px`;
    menu.querySelector('button').focus();
  }
  menu.addEventListener('keydown', e => {
    const all = [...menu.querySelectorAll('button')], step = { ArrowDown: 1, ArrowUp: -1 }[e.key];
    if (!step) return;
    e.preventDefault();
    all[(all.indexOf(document.activeElement) + step + all.length) % all.length].focus();
  });
  menu.addEventListener('click', e => {
    const what = e.target.closest('button')?.dataset.does, { head, b } = menuFor;
    if (!what) return;
    menu.hidePopover();
    b.focus();
    ({ rename: () => rename(head), markdown: () => portable.use(p => p.markdown(head.id)), json: () => portable.use(p => p.json([head.id], head.title)), delete: () => remove([head.id]) })[what]();
  });

  function rename(head) {
    const li = list.querySelector(`[data-id="${head.id}"]`), input = element('input', { value: head.title, maxLength: 200, ariaLabel: 'Title' });
    let over = false;
    const end = async keep => {
      if (over) return;
      over = true;
      const title = input.value.trim();
      input.remove();
      if (keep && title && title !== head.title) await store.rename(head.id, title);
      await refresh();
      list.querySelector(`[data-id="${head.id}"] a`)?.focus();
    };
    li.replaceChildren(input);
    input.addEventListener('blur', () => end(true));
    input.addEventListener('keydown', e => {
      if (e.key === 'Enter') end(true);
      if (e.key === 'Escape') { e.stopPropagation(); end(false); }
    });
    input.select();
  }

  async function remove(ids) {
    const rows = [...list.querySelectorAll('li[data-id]')], at = rows.findIndex(r => r.dataset.id === ids[0]), next = rows[at + 1] || rows[at - 1];
    if (ids.includes(chat.id())) chat.forget();
    const gone = await store.remove(ids);
    if (!gone.length) return;
    (next && list.querySelector(`[data-id="${next.dataset.id}"] a`) || search).focus();
    notice(gone.length === 1 ? `Deleted: ${gone[0].head.title}` : `${gone.length} conversations deleted.`, () => store.add(gone).catch(e => notice(e.message)));
  }

  /* ---- keys and buttons ---- */

  search.addEventListener('input', refresh);
  search.addEventListener('keydown', e => {
    const first = list.querySelector('li[data-id] a');
    if (e.key === 'ArrowDown' && first) { e.preventDefault(); first.focus(); }
    if (e.key === 'Enter' && first && search.value.trim()) { e.preventDefault(); first.click(); }
    if (e.key === 'Escape' && search.value) { e.stopPropagation(); search.value = ''; refresh(); }
  });
  list.addEventListener('keydown', e => {
    const li = e.target.closest('li[data-id]'), s = li && shown.find(c => c.head.id === li.dataset.id);
    if (!s || e.target.tagName === 'INPUT') return;
    const links = [...list.querySelectorAll('li[data-id] a')], at = links.indexOf(li.querySelector('a'));
    const act = { ArrowDown: () => links[at + 1]?.focus(), ArrowUp: () => (links[at - 1] || search).focus(), F2: () => rename(s.head), Delete: () => remove([s.head.id]) }[e.key];
    if (!act) return;
    e.preventDefault();
    act();
  });

  $('export-all').addEventListener('click', async () => (await portable.get()).json((await store.heads()).map(h => h.id), 'stoker conversations'));
  // Asks once more, in its own words; and with it goes the draft of a new chat.
  const all = $('delete-all');
  all.addEventListener('blur', () => { all.textContent = 'Delete all'; });
  all.addEventListener('click', async () => {
    const ids = (await store.heads()).map(h => h.id), sure = `Delete all ${ids.length}?`;
    if (all.textContent !== sure) { all.textContent = sure; return; }
    all.textContent = 'Delete all';
    remove([...ids, '']);
  });
  $('import').addEventListener('click', () => $('import-file').click());
  $('import-file').addEventListener('change', e => { take([...e.target.files]); e.target.value = ''; });
  async function take(files) {
    let n = 0;
    for (const f of files) {
      try { n += await (await portable.get()).take(f); } catch (e) { notice(e instanceof Problem ? e.message : `${f.name} cannot be imported.`); return; }
    }
    notice(`${n} conversation${n === 1 ? '' : 's'} imported.`);
  }
  function showKeeps() {
    $('keep').checked = store.keeps();
    $('where-kept').textContent = store.keeps() ? 'Conversations stay in this browser; the list at the top left finds them again.' : 'Conversations are gone when the tab is closed.';
  }
  showKeeps();
  $('keep').addEventListener('change', () => store.setKeeps($('keep').checked));
  // Here, or in another tab.
  document.addEventListener('keeps', () => {
    showKeeps();
    if (store.keeps()) chat.save();
    refresh();
  });

  for (const e of ['kept', 'opened']) document.addEventListener(e, refresh);

  return {
    start() { wanted = true; refresh(); },
    find() { search.focus(); search.select(); },
    take,
  };
};

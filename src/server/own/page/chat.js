// The conversation that is open: its tree of turns, their views, and one answer at a time being streamed into the last of them. It is kept
// after every question and answer, and every two seconds of a long one; its id stands behind # in the address, so that a reload finds it.
//
// An exchange that failed before the first word stays on the screen and out of later requests: what was too long once must not fail for
// ever.

const chat = (() => {
  const list = $('messages'), log = $('log'), SAVE_MS = 2000;
  let tree = new Tree(), id = '', created = 0, views = [], running = null, pinned = true, opening = 0;

  /* ---- what the model gets ---- */

  const failed = t => t?.role === 'assistant' && t.state === 'error' && !t.text && !t.calls.length;

  function messagesOf(path, system = settings.system()) {
    const out = system ? [{ role: 'system', content: system }] : [];
    path.forEach((t, i) => {
      if (failed(t) || (t.role === 'user' && failed(path[i + 1]))) return;
      if (t.role === 'user') { out.push({ role: 'user', content: attachments.content(t) }); return; }
      const calls = t.calls.filter(c => c.id && parses(c.args)), m = { role: 'assistant', content: t.text || (calls.length ? null : '') };
      if (t.reasoning) m.reasoning_content = t.reasoning;
      if (calls.length) m.tool_calls = calls.map(c => ({ id: c.id, type: 'function', function: { name: c.name, arguments: c.args || '{}' } }));
      out.push(m);
      for (const c of calls) out.push({ role: 'tool', tool_call_id: c.id, content: c.result || '' });
    });
    return out;
  }

  /* ---- the screen ---- */

  const idle = does => turn => { if (!running) does(turn); };
  const does = {
    edit: idle(t => composer.edit(t)),
    retry: idle(t => answer(tree.find(t.parent))),
    sendResults: idle(t => { t.cut = undefined; answer(t); }),
    inside: (t, view) => { const { system, ...asked } = t.asked; inside.use(i => i.toggle(view, { ...asked, messages: messagesOf(tree.path(tree.find(t.parent)), system) })); },
    choose: idle(t => { tree.choose(t); showPath(); save(); views.find(v => v.turn === t)?.element.querySelector('.versions button:enabled')?.focus(); }),
  };

  // Views of turns that stay are kept: only what follows the first difference is made anew.
  function showPath() {
    const path = tree.path();
    let same = 0;
    while (same < path.length && views[same]?.turn === path[same]) same++;
    for (const v of views.splice(same)) v.whole.remove();
    for (const t of path.slice(same)) {
      const v = new TurnView(t, tree.siblings(t), does), other = t.beside && tree.find(t.beside);
      if (other) v.putBeside(new TurnView(other, [other], { ...does, retry: () => does.retry(t) }));
      views.push(v);
      list.append(v.whole);
    }
    markLeftOut();
    $('hello').hidden = path.length > 0;
  }
  const markLeftOut = () => views.forEach((v, i) => v.element.classList.toggle('left-out', failed(v.turn) || (v.turn.role === 'user' && failed(views[i + 1]?.turn))));

  const follow = () => { if (pinned) log.scrollTop = log.scrollHeight; };
  log.addEventListener('scroll', () => { pinned = log.scrollHeight - log.scrollTop - log.clientHeight < 48; });

  function setBusy(busy) {
    $('send').hidden = busy;
    $('stop').hidden = !busy;
    list.setAttribute('aria-busy', String(busy));
  }

  /* ---- keeping it ---- */

  function save() {
    if (!tree.turns.length || !store.keeps()) return;
    const now = Date.now();
    if (!id) {
      id = newId();
      created = now;
      composer.setId(id);
      history.replaceState(null, '', '#' + id);
    }
    store.save({ id, title: tree.title(), named: false, created, changed: now }, { id, ...tree.plain() });
  }

  function setAddress(hash) {
    if (location.hash.slice(1) !== hash) history.pushState(null, '', hash ? '#' + hash : location.pathname + location.search);
  }

  function show(now, newTree, when) {
    if (running) save(); // as far as its answer came
    stop();
    running = null;
    tree = newTree;
    id = now;
    created = when;
    views = [];
    list.textContent = '';
    setBusy(false);
    showPath();
    pinned = true;
    follow();
    composer.load(id, turn => tree.find(turn));
    document.dispatchEvent(new Event('opened'));
  }

  function begin() {
    opening++;
    setAddress('');
    show('', new Tree(), 0);
    say('New chat');
    composer.focus();
  }

  // An answer that its page has not ended, or not yet, is as long as it is.
  const cut = t => t.state === 'streaming' ? Object.assign(t, { state: 'done', stopped: true, meta: 'broken off', cut: true }) : t;

  // Another tab goes on with what is cut here.
  document.addEventListener('kept', async ({ detail: { ids, elsewhere } }) => {
    if (!elsewhere || !ids.includes(id) || !tree.turns.some(t => t.cut)) return;
    const mine = tree, body = await store.body(id);
    for (const now of body?.turns || []) {
      const t = mine.find(now.id);
      if (!t?.cut) continue;
      now.calls.forEach((c, i) => { c.result ||= t.calls[i]?.result; });
      Object.assign(t, { cut: undefined, stopped: undefined }, cut(now));
      views.flatMap(v => [v, v.other]).find(v => v?.turn === t)?.show();
    }
    follow();
  });

  async function open(wanted) {
    if (wanted === id && tree.turns.length) return;
    const mine = ++opening, body = await store.body(wanted), head = body && (await store.heads()).find(h => h.id === wanted);
    if (mine !== opening) return;
    if (!head) {
      if (wanted) notice('This conversation is not in this browser.');
      begin();
      return;
    }
    setAddress(wanted);
    body.turns.forEach(cut);
    show(wanted, new Tree(body.turns, body.leaf), head.created);
    say(`Conversation: ${head.title}`);
  }
  const address = () => location.hash.slice(1);
  addEventListener('popstate', () => { if (address() !== id) { if (address()) open(address()); else begin(); } });

  /* ---- answers ---- */

  const begun = (parent, more) => tree.add({ role: 'assistant', state: 'streaming', text: '', reasoning: '', calls: [], ...more }, parent);

  // Answers the path to parent in a new turn; where two answers are compared, without steering too, both drawn alike.
  async function answer(parent) {
    const { steered, unsteered } = steering.now()?.fields() || {}, drawn = unsteered && { seed: Math.floor(Math.random() * 2 ** 32), ...settings.seed() };
    const other = unsteered && begun(parent), t = begun(parent, other && { beside: other.id }), abort = new AbortController();
    const messages = messagesOf(tree.path().slice(0, -1)), more = { ...drawn, ...library.now()?.fields() }, mine = running = { abort };
    showPath();
    const view = views[views.length - 1];
    pinned = true;
    setBusy(true);
    follow();
    save();
    await Promise.all([streamInto(t, view, { ...more, ...steered }, messages, mine), other && streamInto(other, view.other, { ...more, ...unsteered }, messages, mine)]);
    if (running !== mine) return; // another conversation was opened meanwhile, which has kept this one as it was
    running = null;
    markLeftOut();
    follow();
    setBusy(false);
    save();
    say(t.state === 'error' ? t.error : t.stopped ? 'Stopped.' : `Answer complete. ${t.text.slice(0, 2000)}${other ? ` Without steering: ${other.text.slice(0, 2000)}` : ''}`);
    document.dispatchEvent(new Event('answered'));
  }

  async function streamInto(t, view, fields, messages, mine) {
    view.progress(p => p.say('Waiting for the first token'));
    let frame = 0, rested = 0, saved = performance.now(); // a long answer is drawn less often than its tokens come
    const draw = () => {
      frame = 0;
      const start = performance.now();
      view.show();
      follow();
      rested = performance.now() + 8 * (performance.now() - start);
    };
    const drawSoon = () => { frame ||= requestAnimationFrame(() => { if (performance.now() < rested) { frame = 0; drawSoon(); } else if (t.state === 'streaming') draw(); }); };
    await answering.run(t, view, messages, fields, mine.abort, first => {
      if (first) draw(); else drawSoon();
      if (running === mine && performance.now() - saved > SAVE_MS) { saved = performance.now(); save(); }
    });
    cancelAnimationFrame(frame);
    view.progress(null);
    if (running === mine) view.show();
  }

  // A message; in place of an earlier one: beside it.
  composer.onSend((message, replaced) => {
    const at = replaced && tree.find(replaced.id);
    answer(tree.add({ role: 'user', ...message }, at ? tree.find(at.parent) : tree.leaf));
  });

  function stop() {
    if (!running) return;
    running.abort.abort();
  }
  $('stop').addEventListener('click', stop);
  list.addEventListener('click', e => {
    const b = e.target.closest('button[data-copy=code]');
    if (b) copy(b.closest('.code').querySelector('code').textContent.replace(/\n$/, ''), b);
  });

  return {
    stop, begin, open, address, save,
    id: () => id,
    running: () => running !== null,
    lastQuestion: () => tree.path().filter(t => t.role === 'user').pop(),
    // This conversation was deleted: what comes now is a new one.
    forget() {
      stop();
      running = null;
      begin();
    },
  };
})();

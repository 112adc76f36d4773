// What stands beside the conversation: the list of conversations at its left, the engine, the steering or the library at its right; where there is no space for
// them, one of them as a sheet over it.

const sheets = (() => {
  const narrow = matchMedia('(max-width: 62rem)'), middle = matchMedia('(max-width: 75rem)'), roomy = matchMedia('(min-width: 90rem)');
  const remembered = () => { try { return localStorage.getItem('stoker.chats'); } catch { return null; } };

  const sides = {
    chats: { on: 'with-chats', opener: $('open-chats'), close: $('close-chats'), over: middle, fresh: () => !middle.matches && (remembered() ?? (roomy.matches ? 'open' : '')) === 'open', shown: () => conversations.use(c => c.start()) },
    panel: { on: 'with-panel', opener: $('open-panel'), close: $('close-panel'), over: narrow, fresh: () => !narrow.matches, shown: () => { anatomy.now()?.paint(); panel.redraw(); }, right: true },
    steering: { on: 'with-steering', opener: $('open-steering'), close: $('close-steering'), over: narrow, fresh: () => false, shown: () => steering.use(s => s.load()), right: true },
    library: { on: 'with-library', opener: $('open-library'), close: $('close-library'), over: narrow, fresh: () => false, shown: () => library.use(l => l.load()), right: true },
  };
  const covers = s => s.open && s.over.matches;
  let started = false;

  function apply() {
    for (const s of Object.values(sides)) {
      document.body.classList.toggle(s.on, s.open);
      s.opener.setAttribute('aria-expanded', String(s.open));
      if (s.open && started) s.shown();
    }
    const over = Object.values(sides).some(covers);
    $('shade').hidden = !over;
    document.querySelector('main').inert = over;
  }
  function set(name, open) {
    const s = sides[name];
    if (open && s.over.matches) for (const other of Object.values(sides)) if (covers(other)) other.open = false;
    if (open && s.right) for (const other of Object.values(sides)) if (other.right) other.open = false;
    s.open = open;
    if (name === 'chats' && !middle.matches) try { localStorage.setItem('stoker.chats', open ? 'open' : 'closed'); } catch { /* for this visit then */ }
    apply();
    if (s.over.matches) (open ? s.close : s.opener).focus();
  }
  for (const [name, s] of Object.entries(sides)) {
    s.open = s.fresh();
    s.over.addEventListener('change', () => { s.open = s.fresh(); apply(); });
    s.opener.addEventListener('click', () => set(name, !s.open));
    s.close.addEventListener('click', () => set(name, false));
  }
  const close = () => { for (const [name, s] of Object.entries(sides)) if (covers(s)) set(name, false); };
  $('shade').addEventListener('click', close);
  apply();

  return {
    // What they show comes from the server, so the page must have its key first.
    start() { started = true; apply(); },
    toggle: name => set(name, !sides[name].open),
    // What takes it away again, and puts back what stood there; null where it is shown already.
    show(name) {
      if (sides[name].open) return null;
      const before = Object.keys(sides).filter(n => sides[n].open && !covers(sides[n]));
      set(name, true);
      return () => {
        set(name, false);
        for (const n of before) if (!sides[n].open && !sides[n].over.matches) set(n, true);
      };
    },
    over: () => Object.values(sides).some(covers),
    close,
  };
})();

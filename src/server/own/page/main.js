// The page as a whole: theme, panel, keys of the keyboard, and the beginning.

/* ---- theme ---- */

const theme = (() => {
  const ORDER = ['auto', 'light', 'dark'], LABEL = { auto: 'as the system', light: 'light', dark: 'dark' };
  const dark = matchMedia('(prefers-color-scheme: dark)');
  let choice = 'auto';
  try { choice = ORDER.includes(localStorage.getItem('stoker.theme')) ? localStorage.getItem('stoker.theme') : 'auto'; } catch { /* keeps nothing */ }
  function apply() {
    const b = $('theme'), label = `Theme: ${LABEL[choice]}`;
    document.documentElement.dataset.theme = choice === 'auto' ? dark.matches ? 'dark' : 'light' : choice;
    b.querySelector('use').setAttribute('href', '#i-' + choice);
    b.title = label;
    b.setAttribute('aria-label', label);
    anatomy.paint();
    panel.redraw();
  }
  dark.addEventListener('change', apply);
  $('theme').addEventListener('click', () => {
    choice = ORDER[(ORDER.indexOf(choice) + 1) % 3];
    try { localStorage.setItem('stoker.theme', choice); } catch { /* for this visit then */ }
    apply();
  });
  apply();
})();

/* ---- the panel: beside the conversation, or a sheet over it ---- */

const sheet = (() => {
  const narrow = matchMedia('(max-width: 62rem)'), b = $('open-panel');
  let open = !narrow.matches;
  function apply() {
    document.body.classList.toggle('no-panel', !open);
    b.setAttribute('aria-expanded', String(open));
    $('shade').hidden = !(open && narrow.matches);
    if (open) { anatomy.paint(); panel.redraw(); }
  }
  function set(now) {
    open = now;
    apply();
    if (narrow.matches) (open ? $('close-panel') : b).focus();
  }
  narrow.addEventListener('change', () => { open = !narrow.matches; apply(); });
  b.addEventListener('click', () => set(!open));
  $('close-panel').addEventListener('click', () => set(false));
  $('shade').addEventListener('click', () => set(false));
  apply();
  return { toggle: () => set(!open), over: () => open && narrow.matches, close: () => set(false) };
})();

$('new-chat').addEventListener('click', () => chat.begin());
$('open-settings').addEventListener('click', () => settings.open());

document.addEventListener('keydown', e => {
  const typing = /^(INPUT|TEXTAREA|SELECT)$/.test(e.target.tagName);
  if (e.key === 'Escape' && !$('settings').open) {
    if (sheet.over()) sheet.close(); else if (chat.running()) chat.stop(); else if (chat.editing()) $('stop-editing').click();
  } else if (e.key === '/' && !typing && !e.ctrlKey && !e.metaKey && !e.altKey) { e.preventDefault(); $('chat-input').focus(); }
  else if (e.altKey && !e.ctrlKey && !e.metaKey && !$('settings').open) {
    const does = { KeyN: () => chat.begin(), KeyS: () => settings.open(), KeyE: () => sheet.toggle() }[e.code];
    if (does) { e.preventDefault(); does(); }
  }
});

/* ---- the beginning: a key if the server wants one, then the model's name ---- */

let begun = false;

function problem(text) {
  $('error').textContent = text;
  $('error').hidden = !text;
}

askForKey = why => {
  begun = false;
  apiKey = '';
  $('key-form').hidden = false;
  $('composer').hidden = $('hello').hidden = true;
  $('key-hint').textContent = why || 'Kept in this tab\u2019s memory only; a reload forgets it.';
  $('key-hint').classList.toggle('problem', Boolean(why));
  $('api-key').value = '';
  $('api-key').focus();
};

async function begin() {
  let models;
  for (;;) {
    try { models = await getJson('v1/models'); break; } catch (e) {
      if (e.status === 401) return;
      problem(e.status === 503 ? 'The model is being loaded; this page goes on by itself.' : e.message);
      await new Promise(r => { setTimeout(r, 1500); });
    }
  }
  const m = models.data[0];
  problem('');
  begun = true;
  chat.setModel(m.id);
  document.querySelector('[data-testid=model-name]').textContent = m.display_name || m.id;
  document.title = `${m.display_name || m.id} · stoker`;
  $('key-form').hidden = true;
  $('composer').hidden = false;
  $('hello').hidden = $('messages').childElementCount > 0;
  if (!matchMedia('(pointer: coarse)').matches) $('chat-input').focus();
  panel.start();
  anatomy.load();
  getJson('props').then(settings.defaults, () => {});
}

$('key-form').addEventListener('submit', e => {
  e.preventDefault();
  apiKey = $('api-key').value.trim();
  if (apiKey && !begun) begin();
});

window.stoker = { renderMarkdown };
if (document.documentElement.dataset.keys === '1') askForKey(''); else begin();

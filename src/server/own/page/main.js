// The page as a whole: theme, and the beginning.

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
    anatomy.now()?.paint();
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

$('new-chat').addEventListener('click', () => { if (sheets.over()) sheets.close(); chat.begin(); });
$('open-settings').addEventListener('click', () => settings.open());

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
  let all;
  for (;;) {
    try { all = (await getJson('v1/models')).data; break; } catch (e) {
      if (e.status === 401) return;
      problem(e.status === 503 ? 'The model is being loaded; this page goes on by itself.' : e.message);
      await new Promise(r => { setTimeout(r, 1500); });
    }
  }
  const props = await getJson('props').catch(() => null);
  settings.defaults(props);
  if (props?.library) await library.get().then(l => l.start(), () => {});
  problem('');
  begun = true;
  models.show(all);
  $('key-form').hidden = true;
  $('composer').hidden = false;
  $('hello').hidden = $('messages').childElementCount > 0;
  if (!matchMedia('(pointer: coarse)').matches) composer.focus();
  if (chat.address()) chat.open(chat.address()); else composer.load('', () => undefined);
  conversations.use(() => {}); // says where conversations are kept
  sheets.start();
  panel.start();
  store.heads().then(() => setTimeout(store.words, 200)); // what takes long in a list and a search begins before somebody wants it
  anatomy.use(a => a.load());
}

$('key-form').addEventListener('submit', e => {
  e.preventDefault();
  apiKey = $('api-key').value.trim();
  if (apiKey && !begun) begin();
});

window.stoker.renderMarkdown = renderMarkdown;
if (document.documentElement.dataset.keys === '1') askForKey(''); else begin();

// What few answers need comes when the first one does, out of the program, from page/NAME: KaTeX and highlight.js (third_party/), and the parts of
// this page that stand in later/. A script is put into the document as text: the Content-Security-Policy names its hash, and a browser
// runs it only if that is right.

window.stoker = { parts: {} };

const lazy = (() => {
  const asked = new Map();
  const text = async name => (await call('page/' + name)).text();
  const insert = (tag, content) => { const e = document.createElement(tag); e.textContent = content; document.head.append(e); };
  const once = (name, load) => {
    if (!asked.has(name)) asked.set(name, load().catch(e => { asked.delete(name); throw e; }));
    return asked.get(name);
  };
  const script = name => once(name, async () => insert('script', await text(name)));
  return {
    script,
    // Fonts stand beside it.
    style: name => once(name, async () => insert('style', (await text(name)).replaceAll('url(fonts/', 'url(page/'))),

    // A part in later/NAME.js, which is a function of what it needs of this page. use(does) calls does with it: at once, when it is there; now() is it, or null.
    part(name, needs) {
      let made = null;
      const get = () => script(name + '.js').then(() => { made ||= window.stoker.parts[name](needs()); return made; });
      return { get, now: () => made, use(does) { if (made) does(made); else get().then(does, () => {}); } };
    },
  };
})();

const anatomy = lazy.part('anatomy', () => ({ $, bytesText, escape, getJson }));
const maths = lazy.part('maths', () => ({ lazy }));
const highlight = lazy.part('highlight', () => ({ lazy }));
const conversations = lazy.part('conversations', () => ({ $, Problem, button, chat, element, notice, portable, sheets, store }));
const steering = lazy.part('steering', () => ({ $, button, call, element, getJson, lazy, say, sheets }));
const inside = lazy.part('inside', () => ({ button, call, element, getJson, lazy, say, steering }));
const library = lazy.part('library', () => ({ $, Problem, button, call, element, getJson, inWords, key: () => apiKey, lazy, say, sheets }));
const portable = lazy.part('portable', () => ({ Problem, Tree, attachments, bytesText, element, newId, store }));

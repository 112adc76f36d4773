// Colours of code by highlight.js: of blocks whose language is named and known. Its tokens become elements by their kind; the text stays text.

window.stoker.parts.highlight = ({ lazy }) => {
  const LARGEST = 100000;
  let failed = false;

  function nodesOf(children) {
    return children.map(c => {
      if (typeof c === 'string') return document.createTextNode(c);
      const e = document.createElement('span');
      e.className = 'tok-' + String(c.scope || '').split('.')[0].replace(/[^a-z_-]/g, '');
      e.append(...nodesOf(c.children));
      return e;
    });
  }

  // The code blocks in root, but not the one that still grows.
  function render(root, growing) {
    const waiting = [...root.querySelectorAll('.code:not(.lit)')].filter(b => b !== growing && b.querySelector('.code-head span').textContent);
    if (!waiting.length || failed) return;
    if (!window.hljs) {
      lazy.script('highlight.min.js').then(() => render(root, growing), () => { failed = true; });
      return;
    }
    for (const block of waiting) {
      const language = block.querySelector('.code-head span').textContent, code = block.querySelector('code');
      block.classList.add('lit');
      if (!window.hljs.getLanguage(language) || code.textContent.length > LARGEST) continue;
      const { _emitter } = window.hljs.highlight(code.textContent, { language, ignoreIllegals: true });
      code.replaceChildren(...nodesOf(_emitter.rootNode.children));
    }
  }
  return { render };
};

// Formulas by KaTeX. markdown.js leaves them as text, signs included, in elements of the class "math"; what cannot be set stays so.

window.stoker.parts.maths = ({ lazy }) => {
  const SIGNS = [['$$', '$$', true], ['\\[', '\\]', true], ['\\(', '\\)', false], ['$', '$', false]];
  const OPTIONS = { throwOnError: true, trust: false, strict: 'ignore', maxSize: 20, maxExpand: 500, output: 'htmlAndMathml' };
  const MOST = 300, LONGEST = 20000, set = new Map(); // formulas of an answer that grows are set again with every word
  let failed = false;

  function make(source) {
    if (source.length > LONGEST) return null; // KaTeX takes seconds
    const [open, close, display] = SIGNS.find(([o]) => source.startsWith(o)), box = document.createElement('span');
    try { katex.render(source.slice(open.length, -close.length), box, { ...OPTIONS, displayMode: display }); } catch { return null; }
    if (set.size >= MOST) set.clear();
    set.set(source, box);
    return box;
  }

  function render(root) {
    const waiting = root.querySelectorAll('.math:not(.set)');
    if (!waiting.length || failed) return;
    if (!window.katex) {
      Promise.all([lazy.script('katex.min.js'), lazy.style('katex.min.css')]).then(() => render(root), () => { failed = true; });
      return;
    }
    for (const e of waiting) {
      const source = e.textContent, box = set.get(source) || make(source);
      e.classList.add('set');
      if (box) e.replaceChildren(...box.cloneNode(true).childNodes);
    }
  }
  return { render };
};

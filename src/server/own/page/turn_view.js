// The elements of one turn: what was said, thought, called, attached; how it ended; what can be done with it.

const element = (tag, props = {}, ...children) => {
  const { data = {}, ...rest } = props, e = Object.assign(document.createElement(tag), rest);
  Object.assign(e.dataset, data);
  e.append(...children);
  return e;
};
const button = (text, does, props = {}) => { const b = element('button', { type: 'button', textContent: text, ...props }); b.addEventListener('click', does); return b; };
const say = text => { $('said').textContent = text; };

async function copy(text, b) {
  try { await navigator.clipboard.writeText(text); } catch { // no clipboard without https
    const a = element('textarea', { value: text, className: 'unseen' });
    document.body.append(a); a.select(); document.execCommand('copy'); a.remove();
  }
  const label = b.textContent;
  if (label === 'Copied') return;
  b.textContent = 'Copied';
  say('Copied');
  setTimeout(() => { b.textContent = label; }, 1500);
}
const copyButton = (label, text) => { const b = button(label, () => copy(text(), b)); return b; };

const parses = text => { try { const v = JSON.parse(text || '{}'); return v && typeof v === 'object' && !Array.isArray(v); } catch { return false; } };
const pretty = args => { try { return JSON.stringify(JSON.parse(args), null, 2); } catch { return args; } };

class TurnView {
  // does: {edit, retry, sendResults, choose, inside}, each called with a turn; siblings: the turns that stand beside this one, itself among them.
  constructor(turn, siblings, does) {
    this.turn = turn;
    this.siblings = siblings;
    this.does = does;
    this.blocks = [];
    this.text = element('div', { className: 'text', data: { testid: 'message-text' } });
    this.element = element('article', { className: 'message', data: { testid: 'message', role: turn.role, state: turn.state || 'done' } }, this.text);
    this.whole = this.element;
    this.element.setAttribute('aria-label', turn.role === 'user' ? 'You' : 'Model');
    if (turn.role === 'user') this.showQuestion(); else if (turn.state !== 'streaming') this.show();
  }

  // Another answer to the same question, without steering, side by side with this one.
  putBeside(other) {
    const column = (v, name) => { v.element.setAttribute('aria-label', `Model, ${name}`); v.element.prepend(element('p', { className: 'hint', textContent: name })); return v.element; };
    this.other = other;
    this.whole = element('div', { className: 'pair', data: { testid: 'pair' } }, column(this, 'steered'), column(other, 'not steered'));
  }

  showQuestion() {
    const t = this.turn;
    this.text.textContent = t.text;
    this.text.hidden = !t.text;
    this.text.before(...attachments.view(t.files || []));
    this.setActions(button('Edit', () => this.does.edit(t)), copyButton('Copy', () => t.text));
  }

  setActions(...buttons) {
    this.actions?.remove();
    this.actions = element('div', { className: 'actions' }, ...buttons, ...this.versions());
    this.element.append(this.actions);
  }

  // The way to the siblings.
  versions() {
    const all = this.siblings, at = all.indexOf(this.turn), step = by => () => this.does.choose(all[at + by]);
    if (all.length < 2) return [];
    return [element('span', { className: 'versions', data: { testid: 'versions' } },
      button('‹', step(-1), { ariaLabel: 'Earlier version', disabled: at === 0 }), `${at + 1} of ${all.length}`,
      button('›', step(1), { ariaLabel: 'Later version', disabled: at === all.length - 1 }))];
  }

  /* ---- answers ---- */

  // Only blocks that changed are made anew: what is selected or scrolled in the others stays.
  showText() {
    const now = markdownBlocks(this.turn.text), before = this.blocks, grows = this.turn.state === 'streaming';
    let same = 0;
    while (same < now.length && now[same] === before[same]) same++;
    while (this.text.children.length > same) this.text.lastElementChild.remove();
    for (let i = same; i < now.length; i++) this.text.insertAdjacentHTML('beforeend', now[i]);
    this.blocks = now;
    if (this.text.querySelector('.math:not(.set)')) maths.use(m => m.render(this.text));
    if (this.text.querySelector('.code:not(.lit)')) highlight.use(h => h.render(this.text, this.turn.state === 'streaming' ? this.text.lastElementChild : null));
    this.showCaret(grows);
  }

  // Behind the last word, wherever lists and quotes have put it.
  showCaret(grows) {
    this.text.querySelector('.caret')?.classList.remove('caret');
    let e = grows ? this.text.lastElementChild : null;
    while (e?.matches('ul, ol, li, blockquote') && e.lastElementChild?.matches('ul, ol, li, blockquote, p')) e = e.lastElementChild;
    e?.classList.add('caret');
  }

  showReasoning() {
    const t = this.turn;
    if (!t.reasoning) return;
    if (!this.reasoning) {
      this.thoughts = element('div', { className: 'thoughts' });
      this.summary = element('summary', { textContent: 'Thinking' });
      this.reasoning = element('details', { className: 'reasoning', data: { testid: 'reasoning' } }, this.summary, this.thoughts);
      this.element.prepend(this.reasoning);
    }
    this.thoughts.textContent = t.reasoning;
    if (t.thoughtFor !== undefined) this.summary.textContent = `Thought for ${t.thoughtFor < 10 ? t.thoughtFor.toFixed(1) : Math.round(t.thoughtFor)} s`;
  }

  showCalls() {
    const t = this.turn, open = t.state === 'streaming';
    this.calls ||= [];
    t.calls.forEach((c, i) => {
      let v = this.calls[i];
      if (!v) {
        v = this.calls[i] = { name: element('b'), args: element('pre', { data: { testid: 'tool-args' } }) };
        v.element = element('div', { className: 'call', data: { testid: 'tool-call' } }, element('div', { className: 'call-head' }, 'calls ', v.name), v.args);
        this.element.append(v.element);
      }
      v.name.textContent = c.name;
      v.element.dataset.name = c.name;
      v.args.textContent = open ? c.args : pretty(c.args);
      if (!open && !v.result && c.id && parses(c.args)) {
        v.result = element('textarea', { rows: 1, className: 'mono', placeholder: 'What the tool returns', value: c.result || '' });
        v.result.addEventListener('input', () => { t.calls[i].result = v.result.value; });
        v.element.append(element('label', { className: 'result hint' }, 'Result', v.result));
      }
    });
    if (!open && t.calls.some(c => c.id && parses(c.args)) && !this.results) {
      this.results = button(t.calls.length > 1 ? 'Send results' : 'Send result', () => this.does.sendResults(t), { className: 'primary send-results' });
      this.element.append(this.results);
    }
  }

  // What the model does before its first word; null: nothing more of that.
  progress(show) {
    if (show) show(this.waiting ||= new Progress(this.element));
    else { this.waiting?.remove(); this.waiting = null; }
  }

  show() {
    const t = this.turn, still = t.state === 'streaming';
    this.showReasoning();
    this.showText();
    if (t.lookups) library.use(l => l.show(this));
    this.showCalls();
    if (!still || t.text || t.calls.length) this.progress(null);
    this.element.dataset.state = t.state;
    if (still) return;
    if (t.error && !this.problem) {
      this.problem = element('p', { className: 'problem', data: { testid: 'error' }, textContent: t.error });
      this.element.append(this.problem);
    }
    this.setActions(button(t.state === 'error' ? 'Try again' : 'Retry', () => this.does.retry(t)), ...(t.text ? [copyButton('Copy', () => t.text)] : []));
    // What was looked up in a library is not kept, so it cannot be asked again.
    if (t.asked && !t.asked.library && t.text && !t.error) this.actions.append(button('Inside', () => this.does.inside(t, this), { data: { testid: 'open-inside' } }));
    this.actions.append(element('span', { className: 'meta', textContent: t.meta || '' }));
  }
}

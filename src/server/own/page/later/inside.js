// What the model computed while it gave an answer. The same request is asked once more, which gives the same bits, and its tokens are recorded;
// then what somebody looks at is recorded of these tokens: how large rows were, how much of a vector was in them, which experts they chose, and
// of one token what each layer would say next, and its features.

window.stoker.parts.inside = ({ button, call, element, getJson, lazy, say, steering }) => {
  const SHOWN = 256; // rows of a table
  const short = n => String(Math.abs(n) >= 1000 ? Math.round(n) : +n.toPrecision(3)).replace('-', '\u2212');
  const pieces = new Map(); // id of a token: its text

  async function learn(ids) {
    const unknown = [...new Set(ids)].filter(id => id >= 0 && !pieces.has(id));
    if (!unknown.length) return;
    const hex = bytes => bytes.map(b => `\\x${b.toString(16).padStart(2, '0')}`).join('');
    for (const { id, piece } of (await (await call('detokenize', { body: { tokens: unknown, with_pieces: true } })).json()).tokens) pieces.set(id, typeof piece === 'string' ? piece : hex(piece));
  }
  const seen = id => (pieces.get(id) ?? '').replaceAll('\n', '↵').replace(/^ | $/g, '␣') || '∅';

  const record = async body => (await (await call('activations', { body: { ...body, format: 'json' } })).json()).activations;
  const tensor = (a, name) => a.tensors.find(t => t.name === name);
  const numberOf = t => +t.name.split('.')[1];

  /* ---- tables: a colour is a number too ---- */

  const shade = (td, share) => { td.style.background = `color-mix(in srgb, var(${share < 0 ? '--p2' : '--accent'}) ${Math.round(48 * Math.min(1, Math.abs(share)))}%, transparent)`; return td; };
  function table(label, columns, rows, props = {}) {
    const head = element('tr', {}, ...columns.map(c => element('th', { scope: 'col', textContent: c })));
    const t = element('table', { ariaLabel: label, data: props }, element('thead', {}, head), element('tbody', {}, ...rows.map(([name, ...cells]) => element('tr', {}, element('th', { scope: 'row', textContent: name, title: name }), ...cells))));
    return element('div', { className: 'grid-of-numbers', tabIndex: 0, role: 'region', ariaLabel: label }, t);
  }

  // The shade of a number among others: rows are never small, so the smallest is left white; amounts of a vector begin at 0, on both sides.
  const shares = (values, both) => {
    const size = Math.max(...values.map(Math.abs), 1e-30), least = Math.min(...values), span = Math.max(...values) - least || 1;
    return v => both ? v / size : (v - least) / span;
  };

  class Inside {
    constructor(view, asked) {
      this.pieces = element('div', { className: 'pieces', role: 'group', ariaLabel: 'Tokens of the answer', data: { testid: 'inside-tokens' } });
      this.choice = element('select', { ariaLabel: 'What is shown', data: { testid: 'inside-choice' } });
      this.map = element('div', { data: { testid: 'inside-map' } });
      this.token = element('div', { ariaLive: 'polite', data: { testid: 'inside-token' } });
      this.state = element('p', { className: 'hint', role: 'status', textContent: 'The answer is computed once more…' });
      this.element = element('section', { className: 'inside', ariaLabel: view.other ? 'Inside the steered answer' : 'Inside the answer', data: { testid: 'inside' } }, this.state);
      (view.other ? view.whole : view.element).append(this.element); // below two answers side by side
      this.choice.addEventListener('change', () => this.guard(() => this.showMap()));
      this.pieces.addEventListener('keydown', e => {
        const all = [...this.pieces.children], step = { ArrowRight: 1, ArrowLeft: -1 }[e.key], next = step && all[all.indexOf(document.activeElement) + step];
        if (next) { e.preventDefault(); this.reach(next); next.focus(); }
      });
      this.guard(() => this.begin(asked));
    }

    async guard(work) {
      try { await work(); } catch (e) { this.state.className = 'problem'; this.state.hidden = false; this.state.textContent = e.message; }
    }

    async begin({ response_format, tools, ...asked }) {
      await lazy.style('steering.css');
      // A form is closed in time before the limit, so the limit must not come nearer than it was.
      const formed = response_format || tools, body = { ...asked, ...(response_format && { response_format }), ...(tools && { tools }), max_tokens: asked.max_tokens + (formed ? 1024 : 0) };
      const [model, vectors, first] = await Promise.all([getJson('stoker/model'), getJson('control-vectors'), record({ ...body, capture: { tensors: ['final'], reduce: 'norm' } })]);
      this.ids = tensor(first, 'tokens').values;
      this.from = first.n_prompt - 1;
      // The same list, for tokens that are a prompt now.
      const end = first.n_prompt, absolute = p => p === undefined ? p : p === 'generated' ? end : p < 0 ? end + p : p;
      this.body = { model: asked.model, prompt: this.ids, max_tokens: 0, ...(asked.steer && { steer: asked.steer.map(e => ({ ...e, ...(e.from !== undefined && { from: absolute(e.from) }) })) }) };
      this.taps = new Set(model.layers.flatMap(l => l.taps));
      this.experts = Math.max(0, ...model.layers.map(l => l.experts || 0));
      this.saes = vectors.filter(v => v.kind === 'sae');
      await learn(this.ids.slice(this.from));
      this.choice.append(new Option('How large rows are, by layer', 'norm'), ...vectors.filter(v => v.kind === 'add' || v.kind === 'project').map(v => new Option(`How much of ${v.name} is in them`, `dot ${v.id}`)), ...(this.taps.has('router_ids') ? [new Option('Experts that they chose', 'experts')] : []));
      this.showPieces();
      this.state.textContent = 'Choose a token: what each layer would say behind it, its experts, its features.';
      this.element.append(element('div', { className: 'row' }, element('h4', { textContent: this.element.ariaLabel }), this.choice), this.state, this.pieces, this.map, this.token);
      await this.showMap();
      this.pieces.firstElementChild.focus();
    }

    // The last token of the question is the first: at its row the answer's first token was chosen.
    showPieces() {
      this.pieces.replaceChildren(...this.ids.slice(this.from).map((id, k) => {
        const b = button(k ? seen(id) : '▸', () => this.guard(() => this.showToken(k)), { ariaLabel: k ? `Token ${k}: ${pieces.get(id)}` : 'Before the first token', ariaPressed: 'false', tabIndex: k ? -1 : 0, data: { testid: 'inside-piece' } });
        return b;
      }));
    }
    reach(b) { for (const c of this.pieces.children) c.tabIndex = c === b ? 0 : -1; }

    /* ---- of all tokens ---- */

    async showMap() {
      const [what, id] = this.choice.value.split(' '), range = { from: this.from, to: Math.min(this.ids.length, this.from + SHOWN) };
      const capture = { norm: { tensors: ['resid_post'], reduce: 'norm' }, dot: { tensors: ['resid_post'], reduce: 'dot', vector: +id }, experts: { tensors: ['router_ids'], reduce: 'count' } }[what];
      const a = await record({ ...this.body, capture: { ...capture, ...(what === 'experts' ? { from: this.from } : range) } }), layers = a.tensors.filter(t => t.name !== 'tokens');
      this.map.replaceChildren(what === 'experts' ? this.chosen(layers) : this.byLayer(layers, this.choice.selectedOptions[0].text));
      if (what !== 'experts' && range.to < this.ids.length) this.map.append(element('p', { className: 'hint', textContent: `The first ${SHOWN} of ${this.ids.length - this.from} tokens.` }));
    }
    byLayer(layers, label) {
      const share = layers.map(t => shares(t.values, t.name.endsWith('.dot'))), n = layers[0].values.length;
      const rows = Array.from({ length: n }, (_, k) => [k ? seen(this.ids[this.from + k]) : '▸', ...layers.map((t, l) => shade(element('td', { textContent: short(t.values[k]) }), share[l](t.values[k])))]);
      return table(label, ['Token', ...layers.map(numberOf)], rows, { testid: 'inside-table' });
    }
    chosen(layers) {
      const most = Math.max(...layers.flatMap(t => t.values), 1), columns = Array.from({ length: this.experts }, (_, e) => e);
      const rows = layers.map(t => [`Layer ${numberOf(t)}`, ...t.values.map(n => shade(element('td', { textContent: n }), n / most))]);
      return table('How often each layer chose each expert', ['Expert', ...columns], rows, { testid: 'inside-table' });
    }

    /* ---- of one token ---- */

    async showToken(k) {
      const at = this.from + k, b = this.pieces.children[k], name = k ? `“${pieces.get(this.ids[at])}”` : 'the question';
      for (const c of this.pieces.children) c.ariaPressed = String(c === b);
      this.reach(b);
      const tensors = ['lens', 'router_ids', 'router_weights'].filter(t => this.taps.has(t)), range = { from: at, to: at + 1 };
      const asks = this.saes.map(s => ({ sae: s.id, top: 16, ...range }));
      if (tensors.length) asks.unshift({ tensors, top: 5, ...range });
      const answers = await Promise.all(asks.map(capture => record({ ...this.body, capture })));
      const lens = tensors.length ? answers.shift() : { tensors: [] };
      await learn(lens.tensors.filter(t => t.name.startsWith('lens_ids')).flatMap(t => t.values));
      const called = await Promise.all(answers.map((a, s) => this.called(a, this.saes[s])));
      if (b.ariaPressed !== 'true') return;
      this.token.replaceChildren(element('h4', { textContent: `Behind ${name}` }), ...this.lens(lens), ...answers.flatMap((a, s) => this.features(a, this.saes[s], called[s])));
      this.token.scrollIntoView({ block: 'nearest' });
    }
    lens(a) {
      const numbers = [...new Set(a.tensors.filter(t => t.name !== 'tokens').map(numberOf))].sort((x, y) => x - y);
      const rows = numbers.map(l => {
        const ids = tensor(a, `lens_ids.${l}`)?.values || [], values = tensor(a, `lens_values.${l}`)?.values || [];
        const experts = tensor(a, `router_ids.${l}`)?.values, weights = tensor(a, `router_weights.${l}`)?.values;
        const words = Array.from({ length: 5 }, (_, k) => element('td', { className: 'word' }, ...(k < ids.length ? [seen(ids[k]), element('small', { textContent: short(values[k]) })] : [])));
        return [l, ...words, element('td', { className: 'left', textContent: experts ? experts.map((e, k) => `${e} (${short(weights[k])})`).join(', ') : '–' })];
      });
      return numbers.length ? [table('What each layer would say next, and its experts', ['Layer', 'would say', '2nd', '3rd', '4th', '5th', 'experts (weights)'], rows, { testid: 'inside-lens' })] : [];
    }
    // What people call the features of a position, in their order.
    async called(a, sae) {
      return sae.labels ? (await steering.get()).labels(sae, a.tensors.find(t => t.name.startsWith('sae_ids')).values.filter(id => id >= 0)) : [];
    }
    features(a, sae, called) {
      const ids = a.tensors.find(t => t.name.startsWith('sae_ids')).values, values = a.tensors.find(t => t.name.startsWith('sae_values')).values;
      const rows = ids.map((id, k) => [id, values[k]]).filter(([id]) => id >= 0).map(([id, value], k) => [id, element('td', { textContent: short(value) }), ...(sae.labels ? [element('td', { className: 'called', textContent: called[k] || '–' })] : []), element('td', {}, button('Steer', () => steering.use(s => s.load().then(() => s.addFeature(sae.name, id))), { ariaLabel: `Steer by feature ${id}` }))]);
      return [rows.length ? table(`Features of ${sae.name}`, ['Feature', 'active', ...(sae.labels ? ['called'] : []), ''], rows, { testid: 'inside-features' }) : element('p', { className: 'hint', textContent: `No feature of ${sae.name} is active.` })];
    }
  }

  return {
    // Opens what is inside the answer of a view, or closes it.
    toggle(view, asked) {
      const open = (view.other ? view.whole : view.element).querySelector(':scope > .inside');
      if (open) { open.remove(); return; }
      say('The answer is computed once more');
      new Inside(view, asked);
    },
  };
};

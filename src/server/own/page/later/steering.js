// What the next answers are steered by: a slider for each control vector that the server has, features of its autoencoders, and whether the
// answer without any of it is wanted beside. Kept as long as the page is open and sent with each request; the server's own default list stays
// as it is, so nobody else's answers change.

window.stoker.parts.steering = ({ $, button, call, element, getJson, lazy, say, sheets }) => {
  const LARGEST = 1000, SHARES = 2; // of any scale; of projections, where 1 takes all of a direction out
  const place = element('div', { className: 'steering' }), chip = element('p', { className: 'steered', hidden: true, data: { testid: 'steered' } });
  const items = new Map(), features = []; // id of a vector: what is chosen of it; {sae, feature, op, value, label}
  let usual = null, touched = false, answerOnly = false, comparing = false, asked = null;

  const short = n => String(+n.toPrecision(3)).replace('-', '\u2212');
  const change = () => { touched = true; showChip(); };

  /* ---- what a request gets ---- */

  function list() {
    const out = [], range = answerOnly ? { from: -1 } : {};
    for (const i of items.values()) {
      if (i.v.kind === 'routes') { if (i.scale) out.push({ routes: i.v.name }); } else if (i.scale) out.push({ vector: i.v.name, scale: i.scale, layers: [i.first, i.last], ...range });
    }
    for (const f of features) if (f.op !== 'add' || f.value) out.push({ sae: f.sae.name, op: f.op, feature: f.feature, value: f.value, ...range });
    return out;
  }
  const words = () => list().map(e => e.routes ? `routes of ${e.routes}` : e.sae ? `feature ${e.feature} ${{ add: '+', set: '=', multiply: '×' }[e.op]} ${short(e.value)}` : `${e.vector} ${short(e.scale)}`).join(', ');

  function showChip() {
    const now = words();
    chip.hidden = !now && !comparing;
    chip.replaceChildren(element('span', { textContent: `${now ? `Steered: ${now}` : 'Not steered'}${comparing ? ' · compared' : ''}` }), button('Change', () => sheets.show('steering'), { className: 'quiet' }), button('Off', off, { className: 'quiet' }));
  }
  function off() {
    for (const i of items.values()) i.scale = 0;
    features.length = 0;
    comparing = false;
    change();
    show();
    say('Steering is off');
  }

  /* ---- how far a slider goes ---- */

  const median = numbers => [...numbers].sort((a, b) => a - b)[numbers.length >> 1];

  // How large rows usually are at the end of each layer. Where the server does not say, sliders have an end of their own; one that records nothing is not asked again.
  async function measure() {
    const body = { messages: [{ role: 'user', content: 'Hello, how are you today?' }], steer: [], format: 'json', capture: { tensors: ['resid_post'], reduce: 'norm' } }, rows = new Map();
    try {
      for (const t of (await (await call('activations', { body })).json()).activations.tensors) if (t.name !== 'tokens') rows.set(+t.name.split('.')[1], median(t.values));
      usual = rows;
    } catch (e) { if (e.status !== 403) asked = null; }
  }
  const round = n => { const unit = 10 ** Math.floor(Math.log10(n)); return +([1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10].find(k => k * unit >= 0.999 * n) * unit).toPrecision(2); };

  // What a file suggests is meant for all its layers.
  const suggested = i => i.v.scale_suggested && i.first === i.v.layers[0] && i.last === i.v.layers.at(-1) ? i.v.scale_suggested : 0;

  // At its end a slider adds about as much as is there already.
  function reach(i) {
    if (i.v.kind === 'project') return SHARES;
    let added = 0, n = 0, there = 0;
    i.v.layers.forEach((l, k) => { if (l >= i.first && l <= i.last) { added += i.v.norms[k]; there += usual?.get(l) || 0; n++; } });
    const most = n && added && there ? there / n / added : suggested(i);
    return most ? Math.min(LARGEST, round(Math.max(most, suggested(i)))) : 4;
  }
  const reachOfFeature = sae => { const row = usual?.get(sae.layer_start); return row ? round(row) : 10; };

  function stretch() {
    for (const i of items.values()) i.slide?.stretch(reach(i));
    for (const f of features) f.slide?.stretch(reachOfFeature(f.sae));
  }

  /* ---- elements ---- */

  // A slider and its number, filled from 0 on, with a mark unless that is 0; said(n) hears of both, stretch(end) gives it another end.
  function slider(label, testid, value, end, said, marked = 0) {
    const bar = element('input', { type: 'range', ariaLabel: label, data: { testid } }), mark = element('span', { className: 'mark', hidden: !marked, data: { testid: `${testid}-mark` } });
    const share = n => 50 + 50 * n / +bar.max, paint = () => {
      const at = share(+bar.value);
      bar.style.setProperty('--from', `${Math.min(50, at)}%`);
      bar.style.setProperty('--to', `${Math.max(50, at)}%`);
      mark.style.setProperty('--at', share(marked) / 100);
    };
    const stretch = to => {
      const most = Math.max(to, Math.abs(value));
      Object.assign(bar, { min: -most, max: most, step: most / 50, value });
      paint();
    };
    const number = element('input', { inputMode: 'decimal', ariaLabel: `${label}, as a number`, data: { testid: `${testid}-number` } });
    stretch(end);
    number.value = +value.toPrecision(4);
    bar.addEventListener('input', () => { value = number.value = +(+bar.value).toPrecision(4); number.classList.remove('wrong'); paint(); said(value); });
    number.addEventListener('input', () => {
      const n = number.value.trim() === '' ? NaN : +number.value, bad = !(Math.abs(n) <= LARGEST);
      number.classList.toggle('wrong', bad);
      if (bad) return;
      value = n;
      stretch(+bar.max);
      said(n);
    });
    return Object.assign(element('div', { className: 'slide' }, element('div', { className: 'bar' }, bar, mark), number), { stretch });
  }
  const licence = v => element('p', { className: 'hint', data: { testid: 'steer-license' }, textContent: [v.license ? `licence ${v.license}` : 'no licence stated', v.author && `by ${v.author}`, v.base_model && `made for ${v.base_model}`].filter(Boolean).join(' · ') });
  const head = (v, what) => element('h3', {}, element('span', { textContent: v.name }), element('span', { className: 'aside', textContent: what }));
  const itemOf = (v, ...inside) => element('li', { className: 'steer-item', data: { testid: 'steer-item', id: v.id } }, ...inside);

  function layerChoice(i, key, label) {
    const select = element('select', { ariaLabel: `${label} layer of ${i.v.name}`, data: { testid: `steer-${key}` } }, ...i.v.layers.map(l => new Option(l, l, false, l === i[key])));
    select.addEventListener('change', () => {
      i[key] = +select.value;
      if (i.first > i.last) i[key === 'first' ? 'last' : 'first'] = i[key];
      change();
      show();
      place.querySelector(`[data-id="${i.v.id}"] [data-testid=steer-${key}]`)?.focus();
    });
    return select;
  }
  function vectorItem(i) {
    const { v } = i, one = v.layers.length < 2, first = suggested(i);
    const begin = () => { i.scale = first; change(); show(); place.querySelector(`[data-id="${v.id}"] [data-testid=steer-scale]`)?.focus(); };
    i.slide = slider(`Scale of ${v.name}`, 'steer-scale', i.scale, reach(i), n => { i.scale = n; change(); }, first);
    return itemOf(v, head(v, v.kind === 'project' ? 'taken out' : 'added'), i.slide, element('p', { className: 'layers' }, ...(one ? [`Layer ${v.layers[0]}`] : ['Layers ', layerChoice(i, 'first', 'First'), ' to ', layerChoice(i, 'last', 'Last')]),
      ...(first ? [button(`Begin with ${short(first)}`, begin, { title: 'What its file suggests', className: 'quiet', data: { testid: 'steer-suggested' } })] : [])), licence(v));
  }
  function routesItem(i) {
    const box = element('input', { type: 'checkbox', checked: Boolean(i.scale), data: { testid: 'steer-routes' } });
    box.addEventListener('change', () => { i.scale = +box.checked; change(); });
    return itemOf(i.v, head(i.v, `${i.v.steps} positions`), element('label', { className: 'check' }, box, 'Experts as they are recorded'), licence(i.v));
  }
  function featureRow(f) {
    const name = `feature ${f.feature} of ${f.sae.name}`, op = element('select', { ariaLabel: `What is done with ${name}` }, ...[['add', 'add'], ['set', 'set to'], ['multiply', 'times']].map(([value, text]) => new Option(text, value, false, value === f.op)));
    op.addEventListener('change', () => { f.op = op.value; change(); });
    const gone = button('×', () => { features.splice(features.indexOf(f), 1); change(); show(); }, { ariaLabel: `Remove ${name}`, className: 'quiet' });
    f.slide = slider(`Value of ${name}`, 'steer-value', f.value, reachOfFeature(f.sae), n => { f.value = n; change(); });
    return element('li', { data: { testid: 'steer-feature', feature: f.feature } }, element('p', { className: 'layers' }, `Feature ${f.feature} `, f.label, op, gone), f.slide);
  }
  function saeItem({ v }) {
    const number = element('input', { inputMode: 'numeric', placeholder: `0 to ${v.features - 1}`, ariaLabel: `Feature of ${v.name}`, data: { testid: 'steer-feature-number' } });
    const add = () => { const n = +number.value; if (number.value.trim() === '' || !Number.isInteger(n) || n < 0 || n >= v.features) { number.classList.add('wrong'); number.focus(); return; } addFeature(v.name, n); };
    number.addEventListener('keydown', e => { if (e.key === 'Enter') add(); });
    return itemOf(v, head(v, `${v.features.toLocaleString('en')} features at layer ${v.layer_start}`), element('ul', {}, ...features.filter(f => f.sae === v).map(featureRow)),
      element('div', { className: 'row' }, number, button('Add feature', add, { data: { testid: 'steer-feature-add' } })), licence(v));
  }

  function choices() {
    const where = element('select', { data: { testid: 'steer-where' } }, new Option('the question and the answer', '', false, !answerOnly), new Option('the answer alone', 'answer', false, answerOnly));
    where.addEventListener('change', () => { answerOnly = where.value === 'answer'; change(); });
    const compare = element('input', { type: 'checkbox', checked: comparing, data: { testid: 'steer-compare' } });
    compare.addEventListener('change', () => { comparing = compare.checked; showChip(); });
    return [element('label', { className: 'field' }, 'Steering acts on', where), element('label', { className: 'check' }, compare, 'Show the unsteered answer beside')];
  }

  function show() {
    if (!items.size) {
      place.replaceChildren(element('p', { className: 'hint' }, 'This server has no control vectors. It gets them when it is started: ', element('code', { textContent: 'stoker serve --control-vector-scaled FILE.gguf:0' }), '. ', element('code', { textContent: 'stoker steer make' }), ' makes one of two lists of prompts.'));
      return;
    }
    const make = { add: vectorItem, project: vectorItem, sae: saeItem, routes: routesItem };
    place.replaceChildren(element('p', { className: 'hint', textContent: 'Move a slider, then ask: the next answer is steered. 0 is off.' }), element('ul', { className: 'steer-list', data: { testid: 'steer-list' } }, ...[...items.values()].map(i => make[i.v.kind](i))), ...choices(), element('div', { className: 'row end' }, button('All off', off, { data: { testid: 'steer-off' } })));
  }

  /* ---- the server's vectors ---- */

  // Sliders are there before rows are measured, for which the server may have to finish what others asked.
  async function load() {
    if (!items.size) place.replaceChildren(element('p', { className: 'hint', textContent: 'Loading…' }));
    try {
      const [all] = await Promise.all([getJson('control-vectors'), lazy.style('steering.css')]);
      for (const id of [...items.keys()]) if (!all.some(v => v.id === id)) items.delete(id);
      for (const v of all) {
        const old = items.get(v.id);
        if (old) old.v = v; else items.set(v.id, { v, scale: v.scale, first: v.layer_start, last: v.layer_end });
      }
      for (let k = features.length; k--;) if (!(features[k].sae = all.find(v => v.name === features[k].sae.name))) features.splice(k, 1);
      show();
      showChip();
      asked ||= measure().then(stretch);
    } catch (e) { place.replaceChildren(element('p', { className: 'problem', textContent: e.message })); }
  }
  // What the folder of an autoencoder calls features: a text or null for each of ids, or nothing at all.
  const labels = async (sae, ids) => sae.labels && ids.length ? (await (await call('control-vectors/labels', { body: { id: sae.id, features: ids } })).json()).labels : [];
  function addFeature(name, feature) {
    const sae = [...items.values()].map(i => i.v).find(v => v.name === name);
    if (!features.some(f => f.sae === sae && f.feature === feature)) {
      const label = element('span', { data: { testid: 'steer-feature-label' } });
      features.push({ sae, feature, op: 'add', value: 0, label });
      labels(sae, [feature]).then(([text]) => { label.textContent = text || ''; }, () => {});
      change();
    }
    sheets.show('steering');
    show();
    place.querySelector(`[data-id="${sae.id}"] [data-feature="${feature}"] [data-testid=steer-value]`)?.focus();
  }

  $('steering').append(place);
  $('composer').prepend(chip);

  return {
    load, addFeature, labels,
    vectors: () => [...items.values()].map(i => i.v),
    // The fields of the next request; unsteered: of the one beside it, or null. Whoever touched nothing gets the server's default list.
    fields() {
      const steer = touched ? { steer: list() } : {};
      return { steered: steer, unsteered: comparing ? { steer: [] } : null };
    },
  };
};

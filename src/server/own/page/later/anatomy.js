// The model's layers: what each is, and how often each of its experts was used since the server began (a heat map, a row a layer).

window.stoker.parts.anatomy = ({ $, bytesText, escape, getJson }) => {
  const NAMES = { full: 'full attention', latent: 'latent attention', window: 'window attention', compressed: 'compressed attention', recurrent: 'recurrent', moe: 'experts', dense: 'dense' };
  const ORDER = ['full', 'latent', 'window', 'compressed', 'recurrent', 'moe', 'dense'];
  const SHADES = { full: 'var(--p0)', latent: 'var(--p3)', window: 'var(--p1)', compressed: 'var(--p6)', recurrent: 'var(--p2)', moe: 'var(--p0)', dense: 'var(--p8)' };
  let rows = [], most = 0, loading = false;

  const kindOf = l => l.attention || l.kind;
  const nameOf = kind => NAMES[kind] || kind;
  const shadeOf = kind => SHADES[kind] || 'var(--p4)';
  const rgb = name => { const c = document.createElement('canvas').getContext('2d', { willReadFrequently: true }); c.fillStyle = getComputedStyle(document.documentElement).getPropertyValue(name); c.fillRect(0, 0, 1, 1); return c.getImageData(0, 0, 1, 1).data; };

  // Counts differ by orders of magnitude: the shade is their logarithm.
  function paint() {
    const cold = rgb('--line'), hot = rgb('--accent'), top = Math.log1p(most);
    for (const { layer, canvas } of rows) {
      if (!canvas) continue;
      const n = layer.experts, g = canvas.getContext('2d'), image = g.createImageData(n, 1);
      for (let i = 0; i < n; i++) {
        const heat = top > 0 ? Math.log1p(layer.use?.[i] || 0) / top : 0;
        for (let k = 0; k < 3; k++) image.data[4 * i + k] = cold[k] + (hot[k] - cold[k]) * heat * heat;
        image.data[4 * i + 3] = 255;
      }
      g.putImageData(image, 0, 0);
    }
  }

  function words(l, expert) {
    const head = `Layer ${l.index}: ${[nameOf(kindOf(l)), l.attention && nameOf(l.kind), l.type, bytesText(l.bytes)].filter(Boolean).join(', ')}.`;
    if (!l.experts) return head;
    const use = l.use || [], sum = use.reduce((a, n) => a + n, 0), best = use.indexOf(Math.max(...use, 0));
    const many = n => `${n.toLocaleString('en')} time${n === 1 ? '' : 's'}`;
    if (expert !== undefined) return `${head} Expert ${expert} of ${l.experts}: used ${many(use[expert] || 0)}.`;
    return `${head} ${l.experts} experts, ${l.experts_used} a token${sum > 0 ? `; most used: ${best}, ${many(use[best])}` : ''}.`;
  }
  const tell = text => { $('anatomy-hint').textContent = text; };

  function rowOf(layer) {
    const row = document.createElement('div'), no = document.createElement('span'), kind = document.createElement('span');
    row.className = 'layer'; row.tabIndex = -1;
    Object.assign(row.dataset, { testid: 'anatomy-layer', index: layer.index });
    row.setAttribute('role', 'listitem');
    no.className = 'no'; no.textContent = layer.index;
    kind.className = 'kind'; kind.style.background = shadeOf(kindOf(layer));
    let canvas = null, body;
    if (layer.experts > 0) {
      body = canvas = Object.assign(document.createElement('canvas'), { width: layer.experts, height: 1 });
      canvas.addEventListener('pointermove', e => { const b = canvas.getBoundingClientRect(); tell(words(find(layer.index), Math.max(0, Math.min(layer.experts - 1, Math.floor((e.clientX - b.left) / b.width * layer.experts))))); });
    } else { body = document.createElement('span'); body.className = 'dense'; }
    row.addEventListener('focus', () => tell(words(find(layer.index))));
    row.addEventListener('pointerenter', () => tell(words(find(layer.index))));
    row.append(no, kind, body);
    return { row, canvas, layer };
  }
  const find = index => rows.find(r => r.layer.index === index).layer;

  function build(model) {
    const kinds = new Map();
    rows = model.layers.map(rowOf);
    $('anatomy').replaceChildren(...rows.map(r => r.row));
    if (rows.length) rows[0].row.tabIndex = 0;
    for (const l of model.layers) kinds.set(kindOf(l), (kinds.get(kindOf(l)) || 0) + 1);
    const known = [...kinds.keys()].sort((a, b) => ORDER.indexOf(a) - ORDER.indexOf(b));
    $('kind-legend').innerHTML = known.map(k => `<li><span class="dot" style="background:${shadeOf(k)}"></span>${kinds.get(k)} ${escape(nameOf(k))}</li>`).join('');
    const moe = model.layers.find(l => l.experts > 0);
    $('anatomy-sum').textContent = `${model.arch} · ${model.layers.length} layers`;
    tell(moe ? 'The stronger the colour, the more often an expert was used since the server began.' : '');
  }

  function update(model) {
    most = 0;
    model.layers.forEach((l, i) => {
      if (rows[i]) rows[i].layer = l;
      for (const n of l.use || []) most = Math.max(most, n);
    });
    for (const r of rows) r.row.setAttribute('aria-label', words(r.layer));
    paint();
  }

  async function load() {
    if (loading) return;
    loading = true;
    try {
      const model = await getJson('stoker/model');
      if (rows.length !== model.layers.length) build(model);
      update(model);
    } catch (e) { tell(e.message); }
    loading = false;
  }

  // Up and down walk through the layers; the heat is looked up again after each answer.
  $('anatomy').addEventListener('keydown', e => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[e.key], at = rows.findIndex(r => r.row === document.activeElement);
    if (!step || at < 0 || !rows[at + step]) return;
    e.preventDefault();
    rows[at].row.tabIndex = -1;
    rows[at + step].row.tabIndex = 0;
    rows[at + step].row.focus();
  });
  document.addEventListener('answered', () => { if (rows.length) load(); });

  return { load, paint };
};

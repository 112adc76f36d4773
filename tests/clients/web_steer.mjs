// The page's steering in a real browser, with answers of the server: sliders, two answers compared, what an answer is like inside. Registered by
// web.mjs; skipped where the server has no vectors, or the page no steering.
import { test, ok, eq, skip, sleep, BASE, KEY, str } from './lib.mjs';

const BOUND = +process.env.PATIENCE || 1; // factor on bounds of time, for sanitizers and busy machines
const QUESTION = 'What is the capital of Italy?';
const assistant = '[data-testid=message][data-role=assistant]';

const ask = async (path, body) => {
  const r = await fetch(BASE + path, { method: body ? 'POST' : 'GET', headers: { 'content-type': 'application/json', ...(KEY && { authorization: 'Bearer ' + KEY }) }, ...(body && { body: JSON.stringify(body) }) });
  if (!r.ok) throw new Error(`${path}: ${r.status} ${await r.text()}`);
  return r.json();
};
const chat = more => ask('/v1/chat/completions', { messages: [{ role: 'user', content: QUESTION }], temperature: 0, max_tokens: 24, ...more }).then(a => a.choices[0].message.content.trim());

export function registerSteerTests({ open, errors }) {
  let p, vectors;
  const items = () => p.getByTestId('steer-item');
  const item = kind => p.locator(`[data-testid=steer-item][data-id="${vectors.find(v => v.kind === kind)?.id}"]`);
  const answers = () => p.locator(`${assistant} [data-testid=message-text]`).allTextContents().then(a => a.map(t => t.trim()));
  const asks = async (more = 1) => {
    const n = await p.locator(assistant).count();
    await p.getByTestId('chat-input').fill(QUESTION);
    await p.getByTestId('send').click();
    await p.waitForFunction(([s, k]) => { const all = [...document.querySelectorAll(s)]; return all.length === k && all.every(m => m.dataset.state === 'done') && document.querySelector('[data-testid=send]').offsetParent; }, [assistant, n + more], { timeout: 15000 * BOUND });
    return (await answers()).slice(-more);
  };
  const fresh = async () => { await p.getByTestId('new-chat').click(); await p.waitForFunction(() => !document.querySelector('[data-testid=message]')); };
  const off = async () => { if (await p.getByTestId('steer-off').isVisible()) await p.getByTestId('steer-off').click(); };
  const steer = (name, run) => test(`steering: ${name}`, async () => {
    if (vectors === undefined) {
      vectors = await ask('/control-vectors').catch(() => []);
      p = await open();
      if (!vectors.some(v => v.kind === 'add') || !await p.getByTestId('open-steering').count()) { await p.context().close(); p = null; }
      else {
        await p.evaluate(() => localStorage.setItem('stoker.settings', JSON.stringify({ temperature: '0', max_tokens: '24' })));
        await p.reload({ waitUntil: 'domcontentloaded' });
        if (KEY) { await p.getByTestId('api-key').fill(KEY); await p.getByTestId('api-key').press('Enter'); }
        await p.getByTestId('chat-input').waitFor({ timeout: 15000 * BOUND });
      }
    }
    if (!p) skip('no vectors are loaded');
    await run();
  });

  steer('a vector an item, with its licence', async () => {
    await p.getByTestId('open-steering').click();
    await items().first().waitFor({ timeout: 15000 * BOUND });
    eq(await items().count(), vectors.length, 'items');
    for (const v of vectors) {
      const text = await p.locator(`[data-testid=steer-item][data-id="${v.id}"] [data-testid=steer-license]`).textContent();
      ok(text.includes(v.license ? `licence ${v.license}` : 'no licence stated'), `${v.name}: ${text}`);
    }
    eq(await p.getByTestId('panel').isVisible(), false, 'the engine beside it');
    for (const label of ['Steering acts on', 'Show the unsteered answer beside']) eq(await p.getByLabel(label).count(), 1, label);
  });
  steer('sliders are there before rows are measured; then they end where these are, with a mark', async () => {
    const v = vectors.find(x => x.kind === 'add'), SUGGESTED = 8, REACH = 24, q = await open();
    const t = (await ask('/activations', { messages: [{ role: 'user', content: 'Hello, how are you today?' }], format: 'json', steer: [], capture: { tensors: ['resid_post'], reduce: 'norm' } })).activations.tensors;
    const rows = v.layers.map(l => t.find(x => x.name === `resid_post.${l}.norm`).values.sort((a, b) => a - b)), sum = a => a.reduce((x, y) => x + y);
    const norms = v.norms.map(n => n * sum(rows.map(r => r[r.length >> 1])) / v.layers.length / sum(v.norms) / REACH); // of directions that add as much as is there at this scale
    let measured;
    const held = new Promise(r => { measured = r; });
    await q.route('**/activations', async r => { await held; await r.continue(); });
    await q.route('**/control-vectors', async r => { const response = await r.fetch(); await r.fulfill({ response, json: (await response.json()).map(x => x.id === v.id ? { ...x, norms, scale_suggested: SUGGESTED } : x) }); });
    await q.getByTestId('open-steering').click();
    const its = q.locator(`[data-testid=steer-item][data-id="${v.id}"]`), slider = its.getByTestId('steer-scale'), number = its.getByTestId('steer-scale-number');
    await slider.waitFor({ timeout: 15000 * BOUND });
    const max = () => slider.evaluate(e => +e.max), fill = () => slider.evaluate(e => ['--from', '--to'].map(n => e.style.getPropertyValue(n)));
    eq([await max(), await fill()], [SUGGESTED, ['50%', '50%']], 'before');
    await its.getByTestId('steer-suggested').click();
    eq([await number.inputValue(), await slider.inputValue(), await fill()], [String(SUGGESTED), String(SUGGESTED), ['50%', '100%']], 'what the file suggests');
    ok((await q.getByTestId('steered').textContent()).includes(`${v.name} ${SUGGESTED}`), 'the line above the message');
    measured();
    await q.waitForFunction(([id, end]) => +document.querySelector(`[data-id="${id}"] [data-testid=steer-scale]`).max > end, [v.id, SUGGESTED], { timeout: 15000 * BOUND });
    eq(await max(), 25, `what ends at ${REACH}`);
    eq(await number.inputValue(), String(SUGGESTED), 'what was chosen stays');
    ok(Math.abs(await slider.inputValue() - SUGGESTED) <= await max() / 50, 'what was chosen stays on the slider');
    const mark = its.getByTestId('steer-scale-mark'), [at, whole] = await Promise.all([mark.boundingBox(), slider.boundingBox()]);
    ok(Math.abs((at.x + at.width / 2 - whole.x - 8) / (whole.width - 16) - 0.5 - SUGGESTED / await max() / 2) < 0.02, 'the mark is elsewhere');
    await number.fill('-8');
    const [from, to] = await fill();
    ok(parseFloat(from) < 50 && to === '50%', `filled from ${from} to ${to}`);
    if (v.layers.length > 1) {
      await its.getByTestId('steer-first').selectOption(String(v.layers.at(-1)));
      eq([await its.getByTestId('steer-suggested').count(), await its.getByTestId('steer-scale-mark').isVisible()], [0, false], 'suggested for one layer');
    }
    await q.context().close();
  });
  steer('rows that a busy server did not measure are measured when the sliders are opened again', async () => {
    const q = await open(), max = () => q.locator(`[data-testid=steer-item][data-id="${vectors.find(x => x.kind === 'add').id}"] [data-testid=steer-scale]`).evaluate(e => +e.max);
    let n = 0;
    await q.route('**/activations', r => n++ ? r.continue() : r.fulfill({ status: 503, contentType: 'application/json', body: '{"error":{"message":"busy","type":"server_error","param":null,"code":"overloaded"}}' }));
    const refused = q.waitForResponse(r => r.url().endsWith('/activations'), { timeout: 15000 * BOUND });
    await q.getByTestId('open-steering').click();
    await Promise.all([refused, q.getByTestId('steer-scale').first().waitFor({ timeout: 15000 * BOUND })]);
    const before = await max();
    await q.getByTestId('open-steering').click();
    await q.getByTestId('open-steering').click();
    for (const end = Date.now() + 15000 * BOUND; await max() === before && Date.now() < end; await sleep(50));
    ok(await max() !== before, `still ${before}, after ${n} requests`);
    await q.context().close();
    errors.splice(0, errors.length, ...errors.filter(e => !e.includes('503'))); // the browser's own, of the status
  });
  steer('a slider changes the next answer, and only that', async () => {
    const v = vectors.find(x => x.kind === 'add'), plain = await chat();
    eq(await asks(), [plain], 'before');
    const slider = item('add').getByTestId('steer-scale');
    await p.waitForFunction(id => +document.querySelector(`[data-id="${id}"] [data-testid=steer-scale]`).max !== 4, v.id, { timeout: 15000 * BOUND }); // rows are measured
    await slider.focus();
    for (let i = 0; i < 45; i++) await p.keyboard.press('ArrowRight');
    const scale = +await item('add').getByTestId('steer-scale-number').inputValue();
    ok(scale > 0, `the slider is at ${scale}`);
    ok((await p.getByTestId('steered').textContent()).includes(v.name), 'the line above the message');
    await fresh();
    const [steered] = await asks(), wanted = await chat({ steer: [{ vector: v.name, scale, layers: [v.layers[0], v.layers.at(-1)] }] });
    eq(steered, wanted, `scale ${scale}`);
    ok(steered !== plain, 'nothing changed');
    ok((await p.locator(`${assistant} .meta`).last().textContent()).includes('steered'), 'not said');
    eq((await ask('/control-vectors')).map(x => x.scale), vectors.map(x => x.scale), 'the default list');
    eq(await chat(), plain, 'another client');
    await slider.press('Home');
    ok(+await slider.inputValue() < 0, 'the other end');
    await off();
    await fresh();
    eq(await asks(), [plain], 'off again');
  });
  steer('layers, the answer alone, numbers beyond the slider', async () => {
    const v = vectors.find(x => x.kind === 'add'), last = v.layers.at(-1);
    await item('add').getByTestId('steer-first').selectOption(String(last));
    const number = item('add').getByTestId('steer-scale-number');
    await number.fill('a lot');
    ok(await number.evaluate(e => e.classList.contains('wrong')), 'no number');
    await number.fill('7');
    await p.getByTestId('steer-where').selectOption('answer');
    await fresh();
    eq(await asks(), [await chat({ steer: [{ vector: v.name, scale: 7, layers: [last, last], from: -1 }] })]);
    await p.getByTestId('steer-where').selectOption('');
    await item('add').getByTestId('steer-first').selectOption(String(v.layers[0]));
    await off();
  });
  steer('compare gives both, side by side, after a reload too', async () => {
    const v = vectors.find(x => x.kind === 'add');
    await fresh();
    await item('add').getByTestId('steer-scale-number').fill('0.25');
    await p.getByTestId('steer-compare').check();
    const wanted = [await chat({ steer: [{ vector: v.name, scale: 0.25, layers: [v.layers[0], v.layers.at(-1)] }] }), await chat()];
    eq(await asks(2), wanted, 'steered, then not');
    ok(wanted[0] !== wanted[1], 'both alike');
    const [a, b] = await Promise.all([0, 1].map(i => p.locator('[data-testid=pair] ' + assistant).nth(i).boundingBox()));
    ok(a.x + a.width <= b.x && Math.abs(a.y - b.y) < 2, 'not side by side');
    eq(await p.locator('[data-testid=pair] [data-testid=versions]').count(), 0, 'a way to the other, which is beside it');
    await p.reload({ waitUntil: 'domcontentloaded' });
    if (KEY) { await p.getByTestId('api-key').fill(KEY); await p.getByTestId('api-key').press('Enter'); }
    await p.getByTestId('pair').waitFor({ timeout: 15000 * BOUND });
    eq(await answers(), wanted, 'kept');
    eq(await p.locator('[data-testid=pair] [data-testid=versions]').count(), 0, 'a way to the other, after a reload');
  });
  steer('inside: numbers of rows, of a vector, of routes are those of the server', async () => {
    const v = vectors.find(x => x.kind === 'add');
    await p.getByTestId('open-inside').first().click();
    await p.getByTestId('inside-table').waitFor({ timeout: 15000 * BOUND });
    const body = { messages: [{ role: 'user', content: QUESTION }], temperature: 0, max_tokens: 24, format: 'json', steer: [{ vector: v.name, scale: 0.25, layers: [v.layers[0], v.layers.at(-1)] }] };
    const cells = async () => p.getByTestId('inside-table').locator('tbody tr').evaluateAll(rows => rows.map(r => [...r.querySelectorAll('td')].map(c => +c.textContent.replace('\u2212', '-'))));
    const near = (got, want, what) => { eq(got.length, want.length, `${what}: rows`); got.forEach((r, i) => { eq(r.length, want[i].length, what); r.forEach((x, k) => ok(Math.abs(x - want[i][k]) <= 0.006 * Math.abs(want[i][k]) + 1e-9, `${what}: ${x}, not ${want[i][k]}`)); }); };
    const recorded = async capture => (await ask('/activations', { ...body, capture: { ...capture, from: -1 } })).activations.tensors.filter(t => t.name !== 'tokens');
    const turned = t => t[0].values.map((_, k) => t.map(x => x.values[k]));
    near(await cells(), turned(await recorded({ tensors: ['resid_post'], reduce: 'norm' })), 'norms');
    const shown = async value => { const before = await p.getByTestId('inside-map').innerHTML(); await p.getByTestId('inside-choice').selectOption(value); await p.waitForFunction(b => document.querySelector('[data-testid=inside-map]').innerHTML !== b, before, { timeout: 15000 * BOUND }); };
    await shown(`dot ${v.id}`);
    near(await cells(), turned(await recorded({ tensors: ['resid_post'], reduce: 'dot', vector: v.name })), 'products');
    await shown('experts');
    const routes = await recorded({ tensors: ['router_ids'] }), model = await ask('/stoker/model');
    const wanted = routes.map((t, l) => Array.from({ length: model.layers[l].experts }, (_, e) => t.values.filter(x => x === e).length));
    eq(await cells(), wanted, 'routes');
    const colours = await p.getByTestId('inside-table').locator('td').evaluateAll(all => new Set(all.map(c => c.style.background)).size);
    ok(colours > 2, 'no heat');
  });
  steer('inside: a token shows its lens, experts and features', async () => {
    const pieces = p.getByTestId('inside-piece'), n = await pieces.count();
    ok(n > 3, `${n} tokens`);
    await pieces.first().focus();
    await p.keyboard.press('ArrowRight');
    await p.keyboard.press('ArrowRight');
    ok(await pieces.nth(2).evaluate(e => e === document.activeElement), 'arrows do not walk');
    await p.keyboard.press('Enter');
    await p.getByTestId('inside-lens').waitFor({ timeout: 15000 * BOUND });
    eq(await pieces.nth(2).getAttribute('aria-pressed'), 'true', 'pressed');
    const [map, token] = await Promise.all(['inside-map', 'inside-token'].map(id => p.getByTestId(id).boundingBox()));
    ok(map.y + map.height <= token.y, 'what is shown of all tokens is below what is told of one');
    // At temperature 0 the last layer says what comes next.
    const last = p.getByTestId('inside-lens').locator('tbody tr').last(), says = await last.locator('td').first().evaluate(e => e.firstChild.textContent);
    eq(says, await pieces.nth(3).textContent(), 'next');
    ok(/^\d+ \([\d.]+\), \d+ \([\d.]+\)$/.test(await last.locator('td').last().textContent()), 'experts');
    const sae = vectors.find(v => v.kind === 'sae');
    if (!sae) skip('no autoencoder is loaded');
    const first = p.getByTestId('inside-features').locator('tbody tr').first(), feature = +await first.locator('th').textContent();
    ok(Number.isInteger(feature) && +await first.locator('td').first().textContent() > 0, 'a feature');
    const called = await p.getByTestId('inside-features').locator('tbody tr').evaluateAll(rows => rows.map(r => [+r.querySelector('th').textContent, r.querySelectorAll('td')[1].textContent]));
    const { labels } = await ask('/control-vectors/labels', { id: sae.id, features: called.map(([id]) => id) });
    ok(sae.labels > 0 && labels.some(t => t), 'no feature has a name');
    eq(called.map(([, text]) => text), labels.map(t => t ?? '–'), 'what features are called');
    await first.getByRole('button').click();
    await item('sae').getByTestId('steer-feature').waitFor({ timeout: 15000 * BOUND });
    await p.waitForFunction(t => document.querySelector('[data-testid=steer-feature-label]').textContent === t, labels[0] ?? '', { timeout: 15000 * BOUND });
    eq(await p.getByTestId('steered').isVisible(), false, 'nothing is added yet');
    for (const value of ['60', '0', '60']) {
      await p.getByTestId('steer-value-number').fill(value);
      eq([await p.getByTestId('steered').isVisible(), value === '0' || (await p.getByTestId('steered').textContent()).includes(`feature ${feature} + 60`)], [value !== '0', true], `the line above the message at ${value}`);
    }
    await fresh();
    eq(await asks(), [await chat({ steer: [{ sae: sae.name, op: 'add', feature, value: 60 }] })], 'a feature steers');
    await off();
    eq(await p.getByTestId('steer-feature').count(), 0, 'features that are off');
  });
  steer('keyboard and readers reach all of it', async () => {
    const panel = p.getByTestId('steering'), toggled = async state => { await p.keyboard.press('Alt+KeyT'); await panel.waitFor({ state, timeout: 15000 * BOUND }); };
    if (await panel.isVisible()) await toggled('hidden');
    await toggled('visible');
    await panel.locator('button:visible').first().waitFor({ timeout: 15000 * BOUND });
    await p.getByTestId('open-steering').focus();
    const wanted = await p.getByTestId('steering').locator('button:visible, input:visible, select:visible').count(), reached = new Set();
    for (let i = 0; i < wanted + 40; i++) {
      await p.keyboard.press('Tab');
      const at = await p.evaluate(() => { const e = document.activeElement, all = [...document.querySelectorAll('#steering button, #steering input, #steering select')]; return all.indexOf(e); });
      if (at >= 0) reached.add(at);
    }
    eq(reached.size, wanted, 'reached by Tab');
    const nameless = await p.evaluate(() => [...document.querySelectorAll('#steering input, #steering select, #steering button, .inside select, .inside button')].filter(e => !(e.ariaLabel || e.labels?.length || e.textContent.trim())).length);
    eq(nameless, 0, 'without a name');
    const small = await open({ width: 390, height: 780 });
    await small.getByTestId('open-steering').click();
    await small.getByTestId('steer-item').first().waitFor({ timeout: 15000 * BOUND });
    ok(await small.evaluate(() => document.documentElement.scrollWidth) <= 392, 'scrolls sideways');
    await small.keyboard.press('Escape');
    eq(await small.getByTestId('steering').isVisible(), false, 'Esc closes it');
    await small.context().close();
    await p.context().close();
  });
}

// What the user wants of answers: kept in this browser, checked where it is typed, empty fields left to the server.

const settings = (() => {
  const form = $('settings').querySelector('form'), fields = [...form.elements].filter(e => e.name);
  const STORE = 'stoker.settings';

  const wrong = f => {
    const v = f.value.trim();
    if (v === '' || !f.dataset.number) return false;
    const [low, high, whole] = f.dataset.number.split(' '), n = Number(v);
    return !Number.isFinite(n) || n < Number(low) || n > Number(high) || (whole && !Number.isInteger(n));
  };
  const labelOf = f => f.closest('label').firstChild.textContent.trim() || f.name;

  // [{name, description, parameters}], or the same in OpenAI's form; '' is none.
  function tools() {
    const text = form.elements.tools.value.trim();
    if (!text) return [];
    let list;
    try { list = JSON.parse(text); } catch (e) { throw new Problem(`Tools are not JSON: ${e.message}.`); }
    if (!Array.isArray(list)) list = [list];
    return list.map((t, i) => {
      const f = t && (t.function || t);
      if (!f || typeof f.name !== 'string') throw new Problem(`Tool ${i + 1} has no name.`);
      return { type: 'function', function: f };
    });
  }
  function schema() {
    const text = form.elements.schema.value.trim();
    if (!text) throw new Problem('JSON of a schema needs a schema.');
    try { return JSON.parse(text); } catch (e) { throw new Problem(`The schema is not JSON: ${e.message}.`); }
  }
  function check() {
    const bad = fields.find(wrong);
    for (const f of fields) f.classList.toggle('wrong', wrong(f));
    if (bad) { const [low, high, whole] = bad.dataset.number.split(' '); throw new Problem(`${labelOf(bad)} is a ${whole ? 'whole ' : ''}number from ${Number(low)} to ${Number(high)}.`); }
    tools();
    if (form.elements.format.value === 'json_schema') schema();
  }
  function show() {
    const p = $('settings-problem');
    $('schema-field').hidden = form.elements.format.value !== 'json_schema';
    try { check(); p.hidden = true; } catch (e) { p.textContent = e.message; p.hidden = false; }
  }
  const store = () => {
    try { localStorage.setItem(STORE, JSON.stringify(Object.fromEntries(fields.filter(f => f.value).map(f => [f.name, f.value])))); } catch { /* a browser that keeps nothing */ }
  };

  try { for (const [k, v] of Object.entries(JSON.parse(localStorage.getItem(STORE) || '{}'))) if (form.elements[k]) form.elements[k].value = v; } catch { /* not ours */ }
  form.addEventListener('input', () => { show(); store(); });
  $('reset-settings').addEventListener('click', () => { form.reset(); show(); store(); });
  show();

  return {
    seed: () => form.elements.seed.value.trim() && !wrong(form.elements.seed) ? { seed: Number(form.elements.seed.value) } : {},
    system: () => form.elements.system.value.trim(),
    open() { show(); $('settings').showModal(); },

    // The fields of a request; throws a Problem that says what is wrong.
    request() {
      check();
      const r = {}, v = name => form.elements[name].value.trim();
      for (const f of fields) if (f.dataset.number && f.value.trim()) r[f.name] = Number(f.value);
      const stop = form.elements.stop.value.split('\n').filter(Boolean);
      if (stop.length) r.stop = stop;
      if (v('thinking')) r.chat_template_kwargs = { enable_thinking: v('thinking') === 'on' };
      if (v('format') === 'json_object') r.response_format = { type: 'json_object' };
      if (v('format') === 'json_schema') r.response_format = { type: 'json_schema', json_schema: { name: 'answer', schema: schema() } };
      const t = tools();
      if (t.length) { r.tools = t; if (v('tool_choice')) r.tool_choice = v('tool_choice'); }
      return r;
    },

    // What the server does with empty fields.
    defaults(props) {
      const p = props?.default_generation_settings?.params || {};
      for (const f of fields) if (f.dataset.number && typeof p[f.name] === 'number' && f.name !== 'seed' && f.name !== 'max_tokens') f.placeholder = String(+p[f.name].toFixed(4));
      $('thinking-field').hidden = !props?.chat_template_caps?.supports_thinking;
    },
  };
})();

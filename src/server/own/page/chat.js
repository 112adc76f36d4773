// The conversation: turns and their elements, and one answer at a time being streamed into the last of them.
//
//   turn   {role: 'user', text}
//          {role: 'assistant', state: streaming|done|error, text, reasoning, calls: [{id, name, args, result}], meta, error}
//
// Every turn knows its element. An exchange that failed before the first word stays on the screen and out of later requests:
// what was too long once must not fail for ever.

const chat = (() => {
  const list = $('messages'), log = $('log'), input = $('chat-input');
  let turns = [], running = null, editing = null, model = null, pinned = true;

  const say = text => { $('said').textContent = text; };
  const element = (tag, props = {}, ...children) => {
    const { data = {}, ...rest } = props, e = Object.assign(document.createElement(tag), rest);
    Object.assign(e.dataset, data);
    e.append(...children);
    return e;
  };
  const button = (text, does, props = {}) => { const b = element('button', { type: 'button', textContent: text, ...props }); b.addEventListener('click', does); return b; };

  /* ---- what the model gets ---- */

  const failed = t => t.role === 'assistant' && t.state === 'error' && !t.text && !t.calls.length;
  const leftOut = i => failed(turns[i]) || (turns[i].role === 'user' && turns[i + 1] && failed(turns[i + 1]));
  const parses = text => { try { const v = JSON.parse(text || '{}'); return v && typeof v === 'object' && !Array.isArray(v); } catch { return false; } };

  function messagesUpTo(end) {
    const out = settings.system() ? [{ role: 'system', content: settings.system() }] : [];
    for (let i = 0; i < end; i++) {
      const t = turns[i];
      if (leftOut(i)) continue;
      if (t.role === 'user') { out.push({ role: 'user', content: t.text }); continue; }
      const calls = t.calls.filter(c => c.id && parses(c.args)), m = { role: 'assistant', content: t.text || (calls.length ? null : '') };
      if (t.reasoning) m.reasoning_content = t.reasoning;
      if (calls.length) m.tool_calls = calls.map(c => ({ id: c.id, type: 'function', function: { name: c.name, arguments: c.args || '{}' } }));
      out.push(m);
      for (const c of calls) out.push({ role: 'tool', tool_call_id: c.id, content: c.result || '' });
    }
    return out;
  }

  /* ---- elements ---- */

  function makeElement(t) {
    const text = element('div', { className: 'text', data: { testid: 'message-text' } });
    t.view = { text, blocks: [] };
    t.element = element('article', { className: 'message', data: { testid: 'message', role: t.role, state: t.state || 'done' } });
    t.element.setAttribute('aria-label', t.role === 'user' ? 'You' : 'Model');
    if (t.role === 'user') {
      text.textContent = t.text;
      t.element.append(text, element('div', { className: 'actions' }, button('Edit', () => edit(t)), copyButton('Copy', () => t.text)));
    } else t.element.append(text);
    list.append(t.element);
  }

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

  // Only blocks that changed are made anew: what is selected or scrolled in the others stays.
  function showText(t) {
    const now = markdownBlocks(t.text), { text, blocks: before } = t.view;
    let same = 0;
    while (same < now.length && now[same] === before[same]) same++;
    while (text.children.length > same) text.lastElementChild.remove();
    for (let i = same; i < now.length; i++) text.insertAdjacentHTML('beforeend', now[i]);
    t.view.blocks = now;
  }

  function showReasoning(t) {
    if (!t.reasoning) return;
    if (!t.view.reasoning) {
      t.view.thoughts = element('div', { className: 'thoughts' });
      t.view.summary = element('summary', { textContent: 'Thinking' });
      t.view.reasoning = element('details', { className: 'reasoning', data: { testid: 'reasoning' } }, t.view.summary, t.view.thoughts);
      t.element.prepend(t.view.reasoning);
    }
    t.view.thoughts.textContent = t.reasoning;
    if (t.thoughtFor !== undefined) t.view.summary.textContent = `Thought for ${t.thoughtFor < 10 ? t.thoughtFor.toFixed(1) : Math.round(t.thoughtFor)} s`;
  }

  const pretty = args => { try { return JSON.stringify(JSON.parse(args), null, 2); } catch { return args; } };

  function showCalls(t) {
    t.view.calls ||= [];
    t.calls.forEach((c, i) => {
      let v = t.view.calls[i];
      if (!v) {
        v = t.view.calls[i] = { name: element('b'), args: element('pre', { data: { testid: 'tool-args' } }) };
        v.element = element('div', { className: 'call', data: { testid: 'tool-call' } }, element('div', { className: 'call-head' }, 'calls ', v.name), v.args);
        t.element.append(v.element);
      }
      v.name.textContent = c.name;
      v.element.dataset.name = c.name;
      v.args.textContent = t.state === 'streaming' ? c.args : pretty(c.args);
      if (t.state !== 'streaming' && !v.result && c.id && parses(c.args)) {
        v.result = element('textarea', { rows: 1, className: 'mono', placeholder: 'What the tool returns', value: c.result || '' });
        v.result.addEventListener('input', () => { c.result = v.result.value; });
        v.element.append(element('label', { className: 'result hint' }, 'Result', v.result));
      }
    });
    if (t.state !== 'streaming' && t.calls.some(c => c.id && parses(c.args)) && !t.view.results) {
      t.view.results = button(t.calls.length > 1 ? 'Send results' : 'Send result', () => { if (!running) { cutBehind(t); answer(); } }, { className: 'primary send-results' });
      t.element.append(t.view.results);
    }
  }

  function showWaiting(t, text, done, total) {
    if (!text) { t.view.waiting?.remove(); t.view.waiting = null; return; }
    if (!t.view.waiting) {
      t.view.waiting = element('div', { className: 'waiting' }, element('span'));
      t.element.append(t.view.waiting);
    }
    t.view.waiting.firstChild.textContent = text;
    if (!total) return;
    t.view.waiting.querySelector('progress') || t.view.waiting.append(element('progress', { ariaLabel: 'Prompt read' }));
    Object.assign(t.view.waiting.querySelector('progress'), { max: total, value: done });
  }

  function show(t) {
    const still = t.state === 'streaming';
    showReasoning(t);
    showText(t);
    showCalls(t);
    if (!still || t.text || t.calls.length) showWaiting(t, '');
    t.element.dataset.state = t.state;
    if (still) return;
    if (t.error) t.element.append(element('p', { className: 'problem', data: { testid: 'error' }, textContent: t.error }));
    t.element.append(element('div', { className: 'actions' }, button(t.state === 'error' ? 'Try again' : 'Retry', () => retry(t)), ...(t.text ? [copyButton('Copy', () => t.text)] : []), element('span', { className: 'meta', textContent: t.meta || '' })));
    turns.forEach((u, i) => u.element.classList.toggle('left-out', leftOut(i)));
  }

  const follow = () => { if (pinned) log.scrollTop = log.scrollHeight; };
  log.addEventListener('scroll', () => { pinned = log.scrollHeight - log.scrollTop - log.clientHeight < 48; });

  /* ---- answers ---- */

  const END = { length: 'cut at the limit', tool_calls: 'calls tools' };
  function metaOf(t, end, usage, timings, seconds) {
    const n = usage?.completion_tokens ?? timings?.predicted_n, rate = timings?.predicted_per_second, cached = usage?.prompt_tokens_details?.cached_tokens;
    return [
      n !== undefined && `${n} token${n === 1 ? '' : 's'}`,
      rate > 0 ? `${numberText(rate)} tokens/s` : `${seconds.toFixed(1)} s`,
      usage && `prompt ${usage.prompt_tokens.toLocaleString('en')}${cached ? `, ${cached.toLocaleString('en')} from cache` : ''}`,
      t.stopped ? 'stopped' : END[end],
    ].filter(Boolean).join(' · ');
  }

  function take(t, chunk, facts) {
    if (chunk.error) throw new Problem(sentence(chunk.error.message || 'The server broke off the answer'), 0);
    if (chunk.usage) facts.usage = chunk.usage;
    if (chunk.timings) facts.timings = chunk.timings;
    const p = chunk.prompt_progress;
    if (p && p.total > 0) showWaiting(t, `Reading the prompt: ${p.processed.toLocaleString('en')} of ${p.total.toLocaleString('en')} tokens`, p.processed, p.total);
    const c = chunk.choices?.[0], d = c?.delta;
    if (!c) return;
    if (c.finish_reason) facts.end = c.finish_reason;
    if (d?.reasoning_content) { t.reasoning += d.reasoning_content; facts.thinking ||= performance.now(); showWaiting(t, 'Thinking'); }
    if ((d?.content || d?.tool_calls) && facts.thinking && t.thoughtFor === undefined) t.thoughtFor = (performance.now() - facts.thinking) / 1000;
    if (d?.content) t.text += d.content;
    for (const part of d?.tool_calls || []) {
      const call = t.calls[part.index] ||= { id: '', name: '', args: '', result: '' };
      if (part.id) call.id = part.id;
      if (part.function?.name) call.name = part.function.name;
      call.args += part.function?.arguments || '';
    }
  }

  // Answers the turns so far into a new one.
  async function answer() {
    const t = { role: 'assistant', state: 'streaming', text: '', reasoning: '', calls: [] }, facts = {}, began = performance.now();
    const abort = new AbortController(), messages = messagesUpTo(turns.length);
    turns.push(t);
    makeElement(t);
    running = { abort, turn: t };
    pinned = true;
    setBusy(true);
    showWaiting(t, 'Waiting for the first token');
    follow();
    let frame = 0, rested = 0; // a long answer is drawn less often than its tokens come
    const draw = () => {
      frame = 0;
      const start = performance.now();
      show(t);
      follow();
      rested = performance.now() + 8 * (performance.now() - start);
    };
    const drawSoon = () => { frame ||= requestAnimationFrame(() => { if (performance.now() < rested) { frame = 0; drawSoon(); } else if (t.state === 'streaming') draw(); }); };
    try {
      const r = await call('v1/chat/completions', { signal: abort.signal, body: { ...(model ? { model } : {}), messages, stream: true, stream_options: { include_usage: true }, return_progress: true, ...settings.request() } });
      let ended = false;
      for await (const data of events(r)) {
        if (data === '[DONE]') { ended = true; break; }
        take(t, JSON.parse(data), facts);
        if (t.text && !facts.drawn) { facts.drawn = true; draw(); } else drawSoon(); // the first word at once
      }
      if (!ended && !facts.end) throw new Problem('The answer ended before it was complete.', 0);
      t.state = 'done';
    } catch (e) {
      if (e.name === 'AbortError' || abort.signal.aborted) { t.state = 'done'; t.stopped = true; } else { t.state = 'error'; t.error = e instanceof Problem ? e.message : `This page failed: ${e.message}`; }
    }
    cancelAnimationFrame(frame);
    if (facts.thinking && t.thoughtFor === undefined) t.thoughtFor = (performance.now() - facts.thinking) / 1000;
    t.meta = t.state === 'error' ? '' : metaOf(t, facts.end, facts.usage, facts.timings, (performance.now() - began) / 1000);
    if (!t.element.isConnected) return; // a new chat began meanwhile
    running = null;
    show(t);
    follow();
    setBusy(false);
    say(t.state === 'error' ? t.error : t.stopped ? 'Stopped.' : `Answer complete. ${t.text.slice(0, 2000)}`);
    document.dispatchEvent(new Event('answered'));
  }

  function setBusy(busy) {
    $('send').hidden = busy;
    $('stop').hidden = !busy;
    list.setAttribute('aria-busy', String(busy));
    $('hello').hidden = turns.length > 0;
  }

  function cutBehind(t) {
    for (const gone of turns.splice(turns.indexOf(t) + 1)) gone.element.remove();
  }
  function retry(t) {
    if (running) return;
    const before = turns[turns.indexOf(t) - 1];
    cutBehind(before);
    answer();
  }
  function edit(t) {
    if (running) return;
    editing = t;
    input.value = t.text;
    $('editing').hidden = false;
    fit();
    input.focus();
  }
  function stopEditing() {
    editing = null;
    $('editing').hidden = true;
  }

  /* ---- the composer ---- */

  const fit = () => { input.style.height = 'auto'; input.style.height = input.scrollHeight + 'px'; };

  function send() {
    const text = input.value;
    if (!text.trim() || running) return;
    if (editing && turns.includes(editing)) {
      const at = turns.indexOf(editing);
      for (const gone of turns.splice(at)) gone.element.remove();
    }
    stopEditing();
    const t = { role: 'user', text };
    turns.push(t);
    makeElement(t);
    input.value = '';
    fit();
    answer();
  }
  const stop = () => running?.abort.abort();

  input.addEventListener('input', fit);
  input.addEventListener('keydown', e => {
    if (e.key === 'Enter' && !e.shiftKey && !e.isComposing) { e.preventDefault(); send(); }
    if (e.key === 'ArrowUp' && input.value === '' && !running) {
      const last = turns.filter(t => t.role === 'user').pop();
      if (last) { e.preventDefault(); edit(last); }
    }
  });
  $('composer').addEventListener('submit', e => { e.preventDefault(); send(); });
  $('stop').addEventListener('click', stop);
  $('stop-editing').addEventListener('click', () => { stopEditing(); input.value = ''; fit(); input.focus(); });
  list.addEventListener('click', e => {
    const b = e.target.closest('button[data-copy=code]');
    if (b) copy(b.closest('.code').querySelector('code').textContent.replace(/\n$/, ''), b);
  });

  return {
    stop,
    running: () => running !== null,
    editing: () => editing !== null,
    stopEditing,
    setModel(id) { model = id; },
    begin() {
      stop();
      running = null;
      turns = [];
      list.textContent = '';
      stopEditing();
      setBusy(false);
      say('New chat');
      input.focus();
    },
  };
})();

// One answer, asked for with fields beside those of settings.js: from the pieces of the server's stream into a turn of tree.js.

const answering = (() => {
  const END = { length: 'cut at the limit', tool_calls: 'calls tools' };

  function metaOf(t, { end, usage, timings, steer }, seconds) {
    const n = usage?.completion_tokens ?? timings?.predicted_n, rate = timings?.predicted_per_second, cached = usage?.prompt_tokens_details?.cached_tokens;
    return [
      n !== undefined && `${n} token${n === 1 ? '' : 's'}`,
      rate > 0 ? `${numberText(rate)} tokens/s` : `${seconds.toFixed(1)} s`,
      usage && `prompt ${usage.prompt_tokens.toLocaleString('en')}${cached ? `, ${cached.toLocaleString('en')} from cache` : ''}`,
      t.stopped ? 'stopped' : END[end],
      steer && 'steered',
    ].filter(Boolean).join(' · ');
  }

  function take(t, view, chunk, facts) {
    if (chunk.error) throw new Problem(sentence(chunk.error.message || 'The server broke off the answer'), 0);
    if (chunk.usage) facts.usage = chunk.usage;
    for (const f of ['timings', 'steer', 'seed']) if (chunk[f] !== undefined) facts[f] = chunk[f];
    if (chunk.prompt_progress?.total > 0) view.progress(p => p.prompt(chunk.prompt_progress));
    if (chunk.library_event) library.now()?.hears(t, view, chunk.library_event);
    const c = chunk.choices?.[0], d = c?.delta;
    if (!c) return;
    facts.n = (facts.n || 0) + 1;
    if (c.finish_reason) facts.end = c.finish_reason;
    if (d?.reasoning_content) { t.reasoning += d.reasoning_content; facts.thinking ||= performance.now(); view.progress(p => p.say('Thinking')); }
    if ((d?.content || d?.tool_calls) && facts.thinking && t.thoughtFor === undefined) t.thoughtFor = (performance.now() - facts.thinking) / 1000;
    if (d?.content) t.text += d.content;
    if (d?.annotations && t.lookups) library.now()?.cited(t, d.annotations);
    for (const part of d?.tool_calls || []) {
      const call = t.calls[part.index] ||= { id: '', name: '', args: '', result: '' };
      if (part.id) call.id = part.id;
      if (part.function?.name) call.name = part.function.name;
      call.args += part.function?.arguments || '';
    }
  }

  // Asks, and fills t until it ends or abort does. grown() is called often, first: as soon as there is a word.
  async function run(t, view, messages, fields, abort, grown) {
    const facts = {}, began = performance.now(), model = models.id();
    let ended = false, first = true;
    try {
      const asked = { ...(model ? { model } : {}), ...settings.request(), ...fields };
      t.asked = { ...asked, system: settings.system() };
      const request = { ...asked, messages, stream: true, stream_options: { include_usage: true }, return_progress: true };
      for await (const data of events(await call('v1/chat/completions', { signal: abort.signal, body: request }))) {
        if (data === '[DONE]') { ended = true; break; }
        take(t, view, JSON.parse(data), facts);
        grown(Boolean(t.text) && first);
        first &&= !t.text;
      }
      if (!ended && !facts.end) throw new Problem('The answer ended before it was complete.', 0);
      t.state = 'done';
    } catch (e) {
      if (e.name === 'AbortError' || abort.signal.aborted) { t.state = 'done'; t.stopped = true; } else { t.state = 'error'; t.error = e instanceof Problem ? e.message : `This page failed: ${e.message}`; }
    }
    if (facts.thinking && t.thoughtFor === undefined) t.thoughtFor = (performance.now() - facts.thinking) / 1000;
    if (t.asked) Object.assign(t.asked, { seed: facts.seed ?? t.asked.seed, max_tokens: facts.usage?.completion_tokens ?? facts.n });
    t.meta = t.state === 'error' ? '' : metaOf(t, facts, (performance.now() - began) / 1000);
  }
  return { run };
})();

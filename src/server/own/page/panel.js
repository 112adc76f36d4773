// The engine as it runs: figures twice a second from /stoker/events, the memory plan as a bar.

const panel = (() => {
  const FIGURES = { 'stat-tps': s => s.tps, 'stat-prompt-tps': s => s.prompt_tps, 'stat-ttft': s => s.ttft_ms, 'stat-hit-rate': s => s.hit_rate == null ? null : 100 * s.hit_rate, 'stat-read-mbps': s => s.read_mbps, 'stat-cached-tokens': s => s.cached_tokens };
  const COUNTS = new Set(['stat-cached-tokens']);
  const rates = []; // of the last minute
  const colour = i => `var(--p${Math.min(i, 8)})`;

  function drawRates() {
    const c = $('tps-line'), scale = devicePixelRatio || 1, w = c.clientWidth * scale, h = c.clientHeight * scale, most = Math.max(...rates, 1e-9);
    if (!w) return;
    c.width = w; c.height = h;
    const g = c.getContext('2d');
    g.strokeStyle = getComputedStyle(c).getPropertyValue('--accent');
    g.lineWidth = 1.5 * scale; g.lineJoin = 'round';
    g.beginPath();
    rates.forEach((r, i) => g.lineTo(w - (rates.length - 1 - i) * w / 119, h - scale - (h - 3 * scale) * r / most));
    g.stroke();
  }

  function showSlots(s) {
    if (Array.isArray(s.slots)) {
      $('sequences').hidden = false;
      $('slots').innerHTML = s.slots.map(q => {
        const total = q.n_ctx || Math.max(q.n_prompt + q.n_decoded, 1), part = n => `width:${Math.min(100, 100 * (n || 0) / total)}%`;
        const what = q.state === 'decode' ? 'writing' : q.state === 'prefill' ? 'reading' : 'idle';
        const words = q.state === 'idle' ? 'idle' : `${what}: prompt ${q.n_prompt_done || 0} of ${q.n_prompt || 0}, ${q.n_cached || 0} from cache, ${q.n_decoded || 0} written`;
        return `<li title="${escape(words)}"><span>${Number(q.id) + 1}</span><span>${what}</span><span class="bar" role="img" aria-label="${escape(words)}">${q.state === 'idle' ? '' : `<div class="cached" style="${part(q.n_cached)}"></div><div style="${part((q.n_prompt_done || 0) - (q.n_cached || 0))}"></div><div class="new" style="${part(q.n_decoded)}"></div>`}</span></li>`;
      }).join('');
    }
    const waiting = s.queue_depth;
    $('queue').hidden = !(waiting > 0);
    if (waiting > 0) $('queue').textContent = `${waiting} more wait in the queue.`;
  }

  // How much of what the machine gives at most the steps took: docs/spec/bench.md 3. A roof that was measured while others kept the machine
  // busy is too low: what is above it has no share of it.
  function showRoof(id, rate, roof) {
    const known = typeof rate === 'number' && roof > 0, box = $(id), percent = Math.round(100 * rate / roof);
    const isAbove = percent > 100, most = `${numberText(roof / 1000)} GB/s`;
    box.hidden = !known;
    if (!known) return;
    box.querySelector('b').textContent = isAbove ? numberText(rate / 1000) : percent;
    box.querySelector('i').textContent = isAbove ? `GB/s, above the roof that was measured, ${most}` : `% of ${most}`;
    box.querySelector('.bar > div').style.width = `${Math.min(100, percent)}%`;
    box.title = isAbove ? 'The machine was busy when its roof was measured: start the server again while it is quiet' : `${numberText(rate / 1000)} of the ${most} that this machine gives at most`;
  }

  // Of tokens that were computed before they were chosen, those that were: nothing where nothing is drafted.
  function showDrafts(drafted, accepted) {
    const box = $('drafts');
    box.hidden = !(drafted > 0);
    if (box.hidden) return;
    box.querySelector('b').textContent = Math.round(100 * accepted / drafted);
    box.querySelector('i').textContent = `% of ${drafted.toLocaleString('en')}`;
  }

  function show(s) {
    for (const [id, of] of Object.entries(FIGURES)) {
      const v = of(s);
      document.querySelector(`[data-testid=${id}]`).textContent = typeof v !== 'number' ? '' : COUNTS.has(id) ? Math.round(v).toLocaleString('en') : numberText(v);
    }
    showRoof('roof-memory', s.memory_mbps, s.memory_roof_mbps);
    showRoof('roof-drive', s.read_mbps, s.drive_roof_mbps);
    showDrafts(s.drafted_tokens, s.accepted_tokens);
    rates.push(typeof s.tps === 'number' ? s.tps : 0);
    if (rates.length > 120) rates.shift();
    drawRates();
    showSlots(s);
    const cache = s.cache_ram_bytes == null ? null : s.cache_ram_bytes + (s.cache_disk_bytes || 0);
    $('cache-bytes').hidden = typeof cache !== 'number';
    if (typeof cache === 'number') { const [n, unit] = bytesText(cache).split(' '); $('cache-bytes').querySelector('b').textContent = n; $('cache-bytes').querySelector('i').textContent = unit; }
  }

  function showPlan(plan) {
    const bar = $('memory-plan'), legend = $('plan-legend'), parts = plan.parts.filter(p => p.bytes > 0).sort((a, b) => b.bytes - a.bytes);
    const used = plan.parts.reduce((n, p) => n + p.bytes, 0), few = 7;
    document.querySelector('[data-testid=memory-limit]').textContent = bytesText(plan.limit);
    $('memory-used').textContent = bytesText(used);
    bar.textContent = legend.textContent = '';
    bar.setAttribute('aria-label', `Memory plan: ${parts.map(p => `${p.name} ${bytesText(p.bytes)}`).join(', ')}; ${bytesText(plan.limit - used)} free of ${bytesText(plan.limit)}`);
    const line = (name, bytes, shade) => {
      const li = document.createElement('li'), dot = document.createElement('span'), n = document.createElement('span');
      dot.className = shade ? 'dot' : 'dot free'; if (shade) dot.style.background = shade;
      n.className = 'n'; n.textContent = bytesText(bytes);
      li.append(dot, name, n);
      return li;
    };
    const rest = [];
    parts.forEach((p, i) => {
      const div = document.createElement('div'), li = line(p.name, p.bytes, colour(i));
      Object.assign(div.dataset, { testid: 'plan-part', name: p.name, bytes: p.bytes });
      div.style.cssText = `width:${100 * p.bytes / plan.limit}%;background:${colour(i)}`;
      div.title = `${p.name}: ${bytesText(p.bytes)}`;
      const light = on => li.classList.toggle('lit', on);
      div.addEventListener('pointerenter', () => light(true));
      div.addEventListener('pointerleave', () => light(false));
      bar.append(div);
      if (i < few || parts.length <= few + 1) legend.append(li); else { rest.push(li); li.hidden = true; legend.append(li); }
    });
    legend.append(line('free', plan.limit - used, ''));
    if (rest.length) {
      const li = document.createElement('li'), b = document.createElement('button');
      b.type = 'button'; b.className = 'quiet hint'; b.style.padding = '0';
      b.textContent = `${rest.length} smaller parts`;
      b.addEventListener('click', () => { rest.forEach(r => { r.hidden = false; }); li.remove(); });
      li.append(b);
      legend.insertBefore(li, rest[0]);
    }
  }

  // A stream as long as somebody looks: a hidden tab gives its connection back.
  let watching = null;
  async function watch() {
    if (watching || document.hidden) return;
    const abort = watching = new AbortController();
    for (let pause = 1000; !abort.signal.aborted; pause = Math.min(2 * pause, 15000)) {
      try {
        const r = await call('stoker/events', { signal: abort.signal });
        for await (const data of events(r)) { $('offline').hidden = true; pause = 1000; show(JSON.parse(data)); }
      } catch (e) {
        if (e.name === 'AbortError' || e.status === 401) break;
      }
      if (abort.signal.aborted) break;
      $('offline').hidden = false;
      await new Promise(r => { setTimeout(r, pause); });
    }
    if (watching === abort) watching = null;
  }
  document.addEventListener('visibilitychange', () => { if (document.hidden) { watching?.abort(); watching = null; } else if (started) watch(); });
  let started = false;

  return {
    redraw: drawRates,
    async start() {
      started = true;
      watch();
      try { showPlan(await getJson('stoker/plan')); } catch (e) { $('memory-plan').setAttribute('aria-label', e.message); }
    },
  };
})();

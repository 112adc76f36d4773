// Replays a conversation shaped like a coding agent's and prints what each turn cost.
// BASE_URL=… node replay.mjs [--turns 8] [--scale 0.25] [--dialect anthropic|responses] [--volatile none|cch|session|git] [--sessions 2]
// Text is synthetic and deterministic; sizes follow the measured shapes times --scale. Exit 1 if a turn reuses less than it could.
import { post, sse, model, para, lampTool, waitReady, str } from './lib.mjs';
const arg = (k, d) => { const i = process.argv.indexOf('--' + k); return i < 0 ? d : process.argv[i + 1]; };
const turns = +arg('turns', 8), scale = +arg('scale', 0.25), dialect = arg('dialect', 'anthropic'), vol = arg('volatile', 'cch'), sessions = +arg('sessions', 2);
await waitReady(); const M = await model();
const chars = (n, seed) => para(Math.max(4, Math.ceil(n * scale / 6.1)), seed);
const A = [2499, 2652, 4029, 427, 277, 964, 3751, 2505, 1623, 1636, 1836, 3687, 1165, 2112, 2816, 1018, 1189, 1546, 537, 3510, 745, 838, 20823, 639];   // bytes per tool, in the order sent
const C = [1564, 784, 1355, 371, 9925, 281, 760, 2172];
const results = [120, 2400, 800, 6000, 300, 15000, 900, 4000];   // bytes of tool results
const schema = lampTool.function.parameters;
const reqA = (s, t, hist) => ({ model: M, max_tokens: 200, stream: true, metadata: { user_id: `{"session_id":"s${s}"}` }, thinking: { type: 'disabled' }, temperature: 0, tool_choice: { type: 'tool', name: 'Tool1', disable_parallel_tool_use: true },
  system: [...(vol === 'none' ? [] : [{ type: 'text', text: `x-anthropic-billing-header: cc_version=2.1.${vol === 'session' ? `197.a${s}` : '197.abc'}; cc_entrypoint=cli;${vol === 'cch' ? ` cch=${(s * 100 + t).toString(16).padStart(5, '0')};` : ''}` }]), { type: 'text', text: 'You are an agent of a test.', cache_control: { type: 'ephemeral' } }, { type: 'text', text: chars(4200, 2) + `\n\n# Environment\n - Primary working directory: /home/user/proj\n - Platform: linux\n` + chars(1200, 3) + (vol === 'git' ? `\n\ngitStatus: snapshot\nCurrent branch: b${s}\nStatus:\n?? file${s}.txt\n` : ''), cache_control: { type: 'ephemeral' } }],
  tools: A.map((n, i) => ({ name: 'Tool' + i, description: chars(n - 200, 100 + i), input_schema: schema })),
  messages: [{ role: 'user', content: [{ type: 'text', text: `<system-reminder>\nToday's date is 2026-01-0${1 + s}.\n</system-reminder>` }, { type: 'text', text: `Task ${s}: ${chars(200, 900 + s)}` }] }, { role: 'system', content: chars(6062, 4) }, ...hist] });
const reqR = (s, t, hist) => ({ model: M, max_output_tokens: 200, stream: true, store: false, temperature: 0, tool_choice: { type: 'function', name: 'tool1' }, parallel_tool_calls: false, prompt_cache_key: 's' + s, include: ['reasoning.encrypted_content'],
  tools: [...C.map((n, i) => ({ type: 'function', name: 'tool' + i, description: chars(n - 200, 200 + i), strict: false, parameters: schema })), { type: 'web_search', external_web_access: false }],
  input: [{ type: 'message', role: 'developer', content: [{ type: 'input_text', text: chars(17232, 5) }] }, { type: 'message', role: 'user', content: [{ type: 'input_text', text: `<environment_context> cwd /p${s} </environment_context>` }] }, { type: 'message', role: 'user', content: [{ type: 'input_text', text: `Task ${s}` }] }, ...hist] });
let bad = 0; console.log('session turn  prompt  cached   new   ttft_ms  total_ms');
for (let s = 0, shared = 0; s < sessions; s++) { const hist = []; let prev = 0;
  for (let t = 0; t < turns; t++) {
    const t0 = performance.now(); let first = 0; const r = await post(dialect === 'anthropic' ? '/v1/messages?beta=true' : '/v1/responses', (dialect === 'anthropic' ? reqA : reqR)(s, t, hist), { timeout: 3600000, onData: d => { if (!first && /delta/.test(d.toString())) first = performance.now() - t0; } });
    if (r.status !== 200) { console.log(`FAIL status ${r.status} ${str(r.text)}`); process.exit(1); }
    const ev = sse(r.text).map(e => e.json), tot = performance.now() - t0; let P, K;
    if (dialect === 'anthropic') { const u = ev[0].message.usage; K = u.cache_read_input_tokens || 0; P = u.input_tokens + K + (u.cache_creation_input_tokens || 0); const b = ev.find(e => e.type === 'content_block_start' && e.content_block.type === 'tool_use').content_block, input = JSON.parse(ev.filter(e => e.delta?.type === 'input_json_delta').map(e => e.delta.partial_json).join('')); hist.push({ role: 'assistant', content: [{ type: 'tool_use', id: b.id, name: b.name, input }] }, { role: 'user', content: [{ type: 'tool_result', tool_use_id: b.id, content: chars(results[t % results.length], 500 + s * 50 + t), is_error: false }] }); }
    else { const f = ev.at(-1).response, c = f.output.find(o => o.type === 'function_call'); P = f.usage.input_tokens; K = f.usage.input_tokens_details.cached_tokens; hist.push({ type: 'function_call', call_id: c.call_id, name: c.name, arguments: c.arguments }, { type: 'function_call_output', call_id: c.call_id, output: chars(results[t % results.length], 500 + s * 50 + t) }); }
    const want = t ? prev - 300 : s ? shared * 0.75 - 300 : 0, low = K < want; if (low) bad++; console.log(`${String(s).padStart(7)} ${String(t).padStart(4)} ${String(P).padStart(7)} ${String(K).padStart(7)} ${String(P - K).padStart(6)} ${first.toFixed(0).padStart(8)} ${tot.toFixed(0).padStart(9)}${low ? `   LOW: could reuse ${Math.round(want)}` : ''}`); prev = P; if (!t && !s) shared = P;
  } }
console.log(bad ? `${bad} turns reused less than they could` : 'every turn reused what it could'); process.exit(bad ? 1 : 0);

// A proxy that keeps what a server answers, so that two servers can be compared: node recorder.mjs URL FILE prints its own URL, and at SIGTERM
// writes the answers, sorted; node recorder.mjs --compare FILE FILE... names the answers that are not those of the first file.
// Kept are whole answers with status 200 to POST; what differs from run to run by right (identifiers, clocks, counts of drafts) is left out.
import http from 'node:http';
import fs from 'node:fs';

const varies = new Set(['id', 'created', 'created_at', 'completed_at', 'timings', 'total_duration', 'load_duration', 'prompt_eval_duration', 'eval_duration', 'accepted_prediction_tokens', 'rejected_prediction_tokens', 'cached_tokens', 'cache_read_input_tokens', 'cache_creation_input_tokens', 'obfuscation']);
const named = s => s.replace(/\b(chatcmpl|cmpl|resp|msg|rs|fc|call|toolu|req|item|conv)[-_][0-9A-Za-z_]{6,}/g, '$1');
const constant = v => Array.isArray(v) ? v.map(constant)
  : v && typeof v === 'object' ? Object.fromEntries(Object.entries(v).filter(([k]) => !varies.has(k)).map(([k, x]) => [k, constant(x)]))
  : typeof v === 'string' ? named(v) : v;
const json = text => { try { return JSON.stringify(constant(JSON.parse(text))); } catch { return named(text); } };
// Where the likeliest token is taken the seed, which the page chooses by chance and answers tell, changes nothing.
const seed = /,"seed":\d+/g;
const exchange = (asked, said) => { const seeded = !/"temperature":0[,}]/.test(asked), plain = s => seeded ? s : s.replace(seed, ''); return `${plain(asked)}\u0000${plain(said)}`; };
// Events of several choices come in any order: those of each in turn. A silence of a second is broken by a ping, so a slow machine has more of them; progress has times.
const choice = e => +(/"choices":\[\{"index":(\d+)/.exec(e)?.[1] ?? 1e9);
const lines = text => text.split('\n\n').filter(e => !/^(event: |: )ping|"prompt_progress":/.test(e)).map(each).sort((a, b) => choice(a) - choice(b)).join('\n\n');
const each = text => text.split('\n').map(l => /^(data: )?\{/.test(l) ? l.replace(/^(data: )?(.*)$/, (_, d, j) => (d || '') + json(j)) : named(l)).join('\n');

function record(target, file) {
  const to = new URL(target), kept = [];
  const server = http.createServer((from, answer) => {
    const asked = [], said = [];
    const up = http.request({ host: to.hostname, port: to.port, path: from.url, method: from.method, headers: from.headers }, m => {
      answer.writeHead(m.statusCode, m.rawHeaders);
      m.on('data', d => { said.push(d); answer.write(d); });
      m.on('end', () => {
        answer.end();
        if (from.method === 'POST' && m.statusCode === 200) kept.push(`${from.url} ${exchange(json(Buffer.concat(asked).toString()), lines(Buffer.concat(said).toString()))}`);
      });
      m.on('error', () => answer.destroy());
    });
    up.on('error', () => answer.destroy());
    from.on('data', d => { asked.push(d); up.write(d); });
    from.on('end', () => up.end());
    answer.on('close', () => up.destroy());
  });
  server.listen(0, '127.0.0.1', () => console.log(`http://127.0.0.1:${server.address().port}`));
  process.on('SIGTERM', () => { fs.writeFileSync(file, JSON.stringify(kept.sort())); process.exit(0); });
}

// Of a request that was asked several times (one of two racing clients was cut off, say) only what each run answered is compared. Few
// requests are in one file alone: the first answer of a conversation that is another one is found, and so are those behind it.
function compare(first, ...others) {
  const answers = file => { const m = new Map(); for (const k of JSON.parse(fs.readFileSync(file))) { const [q, a] = k.split('\u0000'); m.set(q, (m.get(q) || new Set()).add(a)); } return m; };
  const want = answers(first); let pass = 0, fail = 0;
  for (const file of others) {
    const got = answers(file), alone = [...got.keys()].filter(q => !want.has(q)).length + [...want.keys()].filter(q => !got.has(q)).length; let same = 0;
    for (const [q, as] of got) {
      const other = want.has(q) && [...as].find(a => !want.get(q).has(a));
      if (other === undefined) same++;
      else if (other) { fail++; console.log(`FAIL drafts: ${file}: another answer to ${q.slice(0, 300)}\n  ${other.slice(-400)}\n  ${[...want.get(q)][0].slice(-400)}`); }
    }
    if (same >= 50 && alone <= same / 10) { pass++; console.log(`ok   drafts: ${same} answers are the same, ${alone} requests in one file alone`); } else { fail++; console.log(`FAIL drafts: ${file}: only ${same} answers to compare, ${alone} requests in one file alone`); }
  }
  console.log(`${pass} passed, ${fail} failed`);
  process.exit(fail ? 1 : 0);
}

if (process.argv[2] === '--compare') compare(...process.argv.slice(3));
else record(process.argv[2], process.argv[3]);

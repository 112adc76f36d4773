// The official SDKs in a browser: a page of another origin asks stoker serve --cors, with all the headers that they send of their own.
//
//     STOKER="build/stoker" node browser.mjs       in a folder with the packages openai and @anthropic-ai/sdk; CHROMIUM=path
//
// A static server hands out the page and node_modules as they are (the page has an import map), starts stoker for the page's origin,
// then Chromium without a window; the page runs the checks and posts what came of them. Last line: "N passed, N failed".
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import http from 'node:http';
import os from 'node:os';
import path from 'node:path';

const chromium = process.env.CHROMIUM || '/usr/bin/chromium';
const PATIENCE_MS = 120000;

// ---- the page ------------------------------------------------------------------------------------------------------------------

const imports = {
  'openai': '/node_modules/openai/index.mjs',
  '@anthropic-ai/sdk': '/node_modules/@anthropic-ai/sdk/index.mjs',
  '@opentelemetry/api': '/node_modules/@opentelemetry/api/' + JSON.parse(fs.readFileSync('node_modules/@opentelemetry/api/package.json')).exports['.'].default.default,
  'standardwebhooks': '/standardwebhooks.mjs', // is no module, and checks what nobody sends here
};

async function checks(base, denied) {
  const results = [];
  const check = async (name, run) => {
    try { await run(); results.push({ name }); } catch (e) { results.push({ name, error: `${e?.name}: ${e?.message}` }); }
  };
  const ok = (holds, what) => { if (!holds) throw new Error(what); };
  const messages = [{ role: 'user', content: 'Hi' }];
  if (denied) {
    await check('a page of another origin is refused', async () => {
      let answered = true;
      await fetch(base + '/v1/models', { headers: { authorization: 'Bearer k' } }).catch(() => { answered = false; });
      ok(!answered, 'it was answered');
    });
    return results;
  }
  const { default: OpenAI } = await import('openai');
  const { default: Anthropic } = await import('@anthropic-ai/sdk');
  const openai = new OpenAI({ baseURL: base + '/v1', apiKey: 'k', organization: 'org-a', project: 'proj-b', maxRetries: 0, dangerouslyAllowBrowser: true });
  const anthropic = new Anthropic({ baseURL: base, apiKey: 'k', maxRetries: 0, dangerouslyAllowBrowser: true });
  await check('openai: models', async () => { ok((await openai.models.list()).data.length === 1, 'no model'); });
  await check('openai: a chat, and its request id', async () => {
    const a = await openai.chat.completions.create({ model: 'ember', messages, max_tokens: 5 });
    ok(a.usage.completion_tokens > 0, 'empty'); ok(a._request_id, 'x-request-id cannot be read');
  });
  await check('openai: a stream', async () => {
    let pieces = 0, end;
    for await (const c of await openai.chat.completions.create({ model: 'ember', messages, max_tokens: 8, stream: true })) { pieces++; end = c.choices[0]?.finish_reason ?? end; }
    ok(pieces > 1 && end, `${pieces} pieces, ${end}`);
  });
  await check('openai: responses', async () => { ok((await openai.responses.create({ model: 'ember', input: 'Hi', max_output_tokens: 8 })).output.length > 0, 'empty'); });
  await check('openai: an error is told', async () => {
    const e = await openai.chat.completions.create({ model: 'ember', messages: [] }).catch(x => x);
    ok(e.status === 400 && e.param === 'messages', `${e.status} ${e.message}`);
  });
  await check('anthropic: a message', async () => {
    const a = await anthropic.messages.create({ model: 'claude-x', messages, max_tokens: 5 });
    ok(a.usage.output_tokens > 0, 'empty');
  });
  await check('anthropic: a stream, with a beta', async () => {
    const m = await anthropic.messages.stream({ model: 'claude-x', messages, max_tokens: 8 }, { headers: { 'anthropic-beta': 'some-beta-1' } }).finalMessage();
    ok(m.stop_reason, 'no end');
  });
  await check('anthropic: tokens', async () => { ok((await anthropic.messages.countTokens({ model: 'claude-x', messages })).input_tokens > 0, 'none'); });
  await check('anthropic: an error is told', async () => {
    const e = await anthropic.messages.create({ model: 'claude-x', messages: [], max_tokens: 5 }).catch(x => x);
    ok(e.status === 400, `${e.status} ${e.message}`);
  });
  return results;
}

const page = `<!doctype html><meta charset="utf-8"><script type="importmap">${JSON.stringify({ imports })}</script>
<script type="module">
const checks = ${checks};
const at = new URL(location.href).searchParams;
const results = await checks(at.get('base'), at.get('denied')).catch(e => [{ name: 'the page', error: String(e) }]);
await fetch('/results', { method: 'POST', body: JSON.stringify(results) });
</script>`;

// ---- its server ----------------------------------------------------------------------------------------------------------------

// What package.json says of files that browsers get instead of others.
const instead = new Map();
for (const p of ['openai', '@anthropic-ai/sdk']) {
  const { browser } = JSON.parse(fs.readFileSync(`node_modules/${p}/package.json`));
  if (browser && typeof browser === 'object')
    for (const [from, to] of Object.entries(browser)) instead.set(path.posix.join('/node_modules', p, from), path.posix.join('/node_modules', p, to));
}
let told;
const server = http.createServer((request, answer) => {
  const { pathname } = new URL(request.url, 'http://localhost');
  const file = '.' + (instead.get(pathname) || pathname);
  if (pathname === '/results') {
    const parts = [];
    request.on('data', d => parts.push(d));
    request.on('end', () => { answer.end(); told(JSON.parse(Buffer.concat(parts))); });
  } else if (pathname === '/page' || pathname === '/standardwebhooks.mjs') {
    answer.setHeader('content-type', pathname === '/page' ? 'text/html' : 'text/javascript');
    answer.end(pathname === '/page' ? page : 'export class Webhook {}');
  } else if (pathname.startsWith('/node_modules/') && fs.existsSync(file)) {
    answer.setHeader('content-type', 'text/javascript');
    fs.createReadStream(file).pipe(answer);
  } else {
    answer.statusCode = 404;
    answer.end();
  }
});
await once(server.listen(0), 'listening');
const { port } = server.address();

// ---- the run -------------------------------------------------------------------------------------------------------------------

const profile = fs.mkdtempSync(path.join(os.tmpdir(), 'stoker-browser-'));
const stoker = spawn(process.env.STOKER || 'stoker', ['serve', '--port', '0', '--ctx', '8192', '--memory', '1G', '--cors', `http://localhost:${port}`], { stdio: ['ignore', 'pipe', 'ignore'] });
const base = await new Promise(ready => {
  let said = '';
  stoker.stdout.on('data', d => { said += d; const m = said.match(/listening on (\S+)/); if (m) ready(m[1]); });
});
for (let tries = 0; tries < 600 && (await fetch(base + '/health').catch(() => null))?.status !== 200; tries++) await new Promise(r => setTimeout(r, 100));

const visit = async url => {
  const results = new Promise(r => { told = r; });
  const browser = spawn(chromium, ['--headless=new', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run', '--disable-background-networking', `--user-data-dir=${profile}`, url], { stdio: 'ignore', detached: true });
  let timer;
  const late = new Promise(r => { timer = setTimeout(() => r([{ name: url, error: 'the page tells nothing' }]), PATIENCE_MS); });
  const got = await Promise.race([results, late, once(browser, 'error').then(([e]) => [{ name: chromium, error: e.message }])]);
  clearTimeout(timer);
  if (browser.pid) { const gone = once(browser, 'exit'); process.kill(-browser.pid); await gone; }
  return got;
};
const query = `base=${encodeURIComponent(base)}`;
const results = [...await visit(`http://localhost:${port}/page?${query}`), ...await visit(`http://127.0.0.1:${port}/page?${query}&denied=1`)];
stoker.kill();
server.close();
server.closeAllConnections();
fs.rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
for (const r of results) console.log(r.error ? `FAIL browser: ${r.name}: ${r.error}` : `ok   browser: ${r.name}`);
const failed = results.filter(r => r.error).length;
console.log(`${results.length - failed} passed, ${failed} failed`);
process.exitCode = failed ? 1 : 0;

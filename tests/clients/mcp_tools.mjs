// Every tool of the MCP servers of ../shared/library/mcp, as a client of `stoker mcp` calls it: server.mjs (the official SDK, revisions before
// 2026) over stdio and over HTTP with streams and with JSON, modern-server.mjs (2026-07-28) over stdio and over HTTP.
// Prints a line a check; exit 1 when one fails.
//   node mcp_tools.mjs FOLDER -- COMMAND ARGS...     FOLDER: of the two; COMMAND gets `--mcp CONFIG` behind ARGS: stoker mcp
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';

const folder = resolve(process.argv[2]), [command, ...args] = process.argv.slice(process.argv.indexOf('--') + 1);
const P = 'io.modelcontextprotocol/', meta = { [P + 'protocolVersion']: '2026-07-28', [P + 'clientCapabilities']: {} };
const SECONDS = 60;
let bad = 0;
const ok = (name, v, note) => { console.log((v ? 'ok   ' : 'FAIL ') + name + (v ? '' : ': ' + JSON.stringify(note).slice(0, 600))); bad += !v; };

// ---- servers ----
const script = name => join(folder, name), started = [];
const byCommand = name => ({ command: process.execPath, args: [script(name)], defer: false });
const byUrl = (name, ...flags) => new Promise((done, failed) => {
  const child = spawn(process.execPath, [script(name), '--http', '0', ...flags], { stdio: ['ignore', 'ignore', 'pipe'] });
  started.push(child);
  child.on('exit', status => failed(new Error(`${name} ended with ${status}`)));
  createInterface({ input: child.stderr }).on('line', l => { const m = /^listening on (http.*)$/.exec(l); if (m) done({ url: m[1], defer: false }); });
});
const servers = {
  old: byCommand('server.mjs'),
  streams: await byUrl('server.mjs'),
  json: await byUrl('server.mjs', '--json'),
  modern: byCommand('modern-server.mjs'),
  web: await byUrl('modern-server.mjs'),
};
const place = mkdtempSync(join(tmpdir(), 'mcp-tools-')), config = join(place, 'servers.json');
writeFileSync(config, JSON.stringify({ mcpServers: servers }));

// ---- the client ----
const stoker = spawn(command, [...args, '--mcp', config], { stdio: ['pipe', 'pipe', 'inherit'] }), waiting = new Map();
let n = 0, told = 0;
stoker.on('exit', status => { waiting.forEach(f => f({ error: { message: `stoker ended with ${status}` } })); waiting.clear(); });
createInterface({ input: stoker.stdout }).on('line', l => {
  const m = JSON.parse(l);
  told += m.method === 'notifications/progress';
  waiting.get(m.id)?.(m);
  waiting.delete(m.id);
});
const ask = (method, params) => new Promise(done => {
  const id = ++n;
  waiting.set(id, done);
  stoker.stdin.write(JSON.stringify({ jsonrpc: '2.0', id, method, params: { ...params, _meta: { ...meta, progressToken: id } } }) + '\n');
  setTimeout(() => { if (waiting.delete(id)) done({ error: { message: `no answer in ${SECONDS} s` } }); }, SECONDS * 1000).unref();
});
const call = async (name, a = {}) => {
  told = 0;
  const r = await ask('tools/call', { name, arguments: a }), content = r.result?.content ?? [];
  return { ...r, error: r.error, content, told, isError: r.result?.isError === true, text: content.filter(c => c.type === 'text').map(c => c.text).join('') };
};

// ---- the checks ----
const SDK = ['add', 'echo', 'fail', 'throw', 'slow', 'big', 'image', 'die'], MODERN = ['sum', 'route', 'broken', 'ask', 'slow', 'counted'];
const want = [...['old', 'streams', 'json'].flatMap(s => SDK.map(t => `${s}__${t}`)), ...MODERN.map(t => `modern__${t}`),
  ...MODERN.filter(t => t !== 'broken').map(t => `web__${t}`)].sort();
const names = ((await ask('tools/list', {})).result?.tools ?? []).map(t => t.name).sort();
ok('all tools are listed, but the one whose header is not allowed over HTTP', JSON.stringify(names) === JSON.stringify(want), names);

for (const s of ['old', 'streams', 'json']) {
  let r = await call(`${s}__add`, { a: 2, b: 40 });
  ok(`${s}: add`, r.text === '42' && r.result.structuredContent?.sum === 42 && !r.isError, r);
  r = await call(`${s}__echo`, { text: 'sun \u2600 \u{1f309}' });
  ok(`${s}: echo`, r.text === 'sun \u2600 \u{1f309}' && !r.isError, r);
  r = await call(`${s}__fail`);
  ok(`${s}: fail`, r.isError && r.text === 'it failed as asked', r);
  r = await call(`${s}__throw`);
  ok(`${s}: throw`, r.isError && r.text.includes('thrown as asked'), r);
  r = await call(`${s}__slow`, { ms: 300 });
  ok(`${s}: slow`, r.text === 'slept' && !r.isError && (s === 'json' || r.told > 0), r); // one JSON body has no room for progress
  r = await call(`${s}__big`, { n: 300000 });
  ok(`${s}: big`, r.text === 'x'.repeat(300000) && !r.isError, r);
  r = await call(`${s}__image`);
  ok(`${s}: image`, r.content[0]?.type === 'image' && r.content[0].data === 'iVBORw0KGgo=' && !r.isError, r);
  r = await call(`${s}__die`);
  ok(`${s}: die`, r.isError && r.text.length > 0, r);
  r = await call(`${s}__echo`, { text: 'sun' });
  ok(`${s}: a call behind its end`, r.isError && r.text.length > 0, r);
}
for (const s of ['modern', 'web']) {
  let r = await call(`${s}__sum`, { a: 2, b: 40 });
  ok(`${s}: sum`, r.text === '42' && r.result.structuredContent === 42 && !r.isError, r);
  r = await call(`${s}__route`, { region: 'n\u00f6rth' });
  ok(`${s}: route`, r.text === 'by n\u00f6rth' && !r.isError, r);
  r = await call(`${s}__ask`);
  ok(`${s}: ask`, r.isError && r.text.length > 0, r);
  r = await call(`${s}__slow`, { ms: 300 });
  ok(`${s}: slow`, r.text === 'slept' && !r.isError && r.told > 0, r);
  r = await call(`${s}__counted`);
  ok(`${s}: counted`, /^[0-9]+$/.test(r.text) && !r.isError, r);
}
let r = await call('modern__broken');
ok('modern: broken', r.isError && r.text.includes('Unknown tool'), r); // the server lists it and does not know it
r = await call('web__broken');
ok('web: broken', r.error?.code === -32602, r);

stoker.stdin.end();
await new Promise(done => stoker.exitCode === null ? stoker.on('exit', done) : done());
ok('stoker ends with its input', stoker.exitCode === 0, stoker.exitCode);
for (const child of started) { child.removeAllListeners('exit'); child.kill(); }
rmSync(place, { recursive: true });
process.exit(bad ? 1 : 0);

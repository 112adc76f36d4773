// A small archive (docs/spec/library.md 9): entries as they are given, in one plain cluster. node zim.mjs FILE makes the one of the page's tests, whose
// pages try what an archive must not do.
import crypto from 'node:crypto';
import fs from 'node:fs';

const u16 = n => { const b = Buffer.alloc(2); b.writeUInt16LE(n); return b; };
const u32 = n => { const b = Buffer.alloc(4); b.writeUInt32LE(n); return b; };
const u64 = n => { const b = Buffer.alloc(8); b.writeBigUInt64LE(BigInt(n)); return b; };
const text = s => Buffer.from(s + '\0');

// entries: {ns, path, title, mime, bytes}
function zim(entries) {
  const byPath = (a, b) => Buffer.compare(Buffer.from(a.ns + a.path), Buffer.from(b.ns + b.path));
  const all = entries.map(e => ({ title: '', ...e, bytes: Buffer.from(e.bytes) })).sort(byPath), mimes = [...new Set(all.map(e => e.mime))], parts = [];
  let at = 80;
  const add = b => { const here = at; parts.push(b); at += b.length; return here; };
  add(Buffer.concat([...mimes.map(text), text('')]));
  const places = all.map((e, i) => add(Buffer.concat([u16(mimes.indexOf(e.mime)), Buffer.from([0, e.ns.charCodeAt(0)]), u32(0), u32(0), u32(i), text(e.path), text(e.title)])));
  const offsets = [4 * (all.length + 1)];
  for (const e of all) offsets.push(offsets.at(-1) + e.bytes.length);
  const cluster = add(Buffer.concat([Buffer.from([1]), ...offsets.map(u32), ...all.map(e => e.bytes)]));
  const paths = add(Buffer.concat(places.map(u64))), titles = add(Buffer.concat(all.map((_, i) => u32(i)))), clusters = add(u64(cluster)), main = all.findIndex(e => e.ns === 'C' && e.path === 'index');
  const head = Buffer.concat([u32(0x044d495a), u16(6), u16(1), crypto.createHash('md5').update(cluster + String(at)).digest(), u32(all.length), u32(1), u64(paths), u64(titles), u64(clusters), u64(80), u32(main), u32(0xffffffff), u64(at)]);
  const body = Buffer.concat([head, ...parts]);
  return Buffer.concat([body, crypto.createHash('md5').update(body).digest()]);
}

const PICTURE = 'iVBORw0KGgoAAAANSUhEUgAAAHgAAAA8CAIAAAAiz+n/AAAAaklEQVR42u3QQQ0AAAgEoEtnHOOY1xbOBxsJyHRxIApEi0a0aNEWRItGtGjRFkSLRrRo0YgWjWjRohEtGtGiRSNaNKJFi0a0aESLFo1o0YgWLRrRohEtWjSiRSNatGhEi0a0aNGIFo3oXxZkKUNdZURsiwAAAABJRU5ErkJggg=='; // 120 x 60 pixels, brown

const page = (title, body) => `<!doctype html><html><head><meta charset="utf-8"><title>${title}</title><link rel="stylesheet" href="style.css"></head><body>${body}</body></html>`;
const RUNS = "document.documentElement.setAttribute('data-ran', '1'); try { parent.ran = 1; } catch {} try { top.location = 'http://outside.invalid/'; } catch {}";
const LONG = Array.from({ length: 60 }, (_, i) => `<p>Course ${i + 1} of the masonry lies in mortar, and it is as wide as those below.</p>`).join('');

const bridge = page('Stone bridge', `<script>${RUNS}</script><script src="script.js"></script><script src="http://outside.invalid/a.js"></script>
<meta http-equiv="refresh" content="0; url=http://outside.invalid/refreshed">
<h1>Stone bridge</h1><p>A stone bridge stands on arches of dressed stone.</p><p><img id="picture" src="picture.png" alt="An arch" onload="${RUNS}"><img id="outside" src="http://outside.invalid/a.png" alt="" onerror="${RUNS}"></p>
<iframe src="http://outside.invalid/frame"></iframe><form action="http://outside.invalid/form"><button id="send">Send</button></form>
<p><a id="on" href="Ford">The ford</a> <a id="away" href="http://outside.invalid/away">Elsewhere</a> <a id="top" href="http://outside.invalid/top" target="_top">On top</a></p>
<h2 id="build">Building</h2>${LONG}<h2 id="care">Care</h2><p>Weeds are pulled every spring, before their roots part the stones of the bridge.</p>${LONG}`);
const ford = page('&lt;i&gt;Ford&lt;/i&gt; &amp; stones', '<h1>&lt;i&gt;Ford&lt;/i&gt; &amp; stones</h1><p>A ford is where a river is shallow, so that nobody needs a bridge.</p><p>Do not write &lt;script&gt;alert(1)&lt;/script&gt; on its stones.</p>');

const meta = (path, bytes) => ({ ns: 'M', path, mime: 'text/plain', bytes });
const entries = [
  { ns: 'C', path: 'index', title: 'Crossings', mime: 'text/html', bytes: page('Crossings', '<h1>Crossings</h1><p>How rivers are crossed: <a href="Stone_bridge">bridges</a>, <a href="Ford">fords</a>.</p>') },
  { ns: 'C', path: 'Stone_bridge', title: 'Stone bridge', mime: 'text/html', bytes: bridge },
  { ns: 'C', path: 'Ford', title: '<i>Ford</i> & stones', mime: 'text/html', bytes: ford },
  { ns: 'C', path: 'script.js', mime: 'text/javascript', bytes: RUNS },
  { ns: 'C', path: 'style.css', mime: 'text/css', bytes: 'body { font: 16px/1.5 serif; margin: 16px; border-left: 7px solid rgb(10, 120, 60); padding-left: 12px }' },
  { ns: 'C', path: 'picture.png', mime: 'image/png', bytes: Buffer.from(PICTURE, 'base64') },
  meta('Title', 'River crossings'), meta('Name', 'crossings'), meta('Language', 'eng'), meta('Date', '2026-05-01'), meta('License', 'CC0'),
];

fs.writeFileSync(process.argv[2], zim(entries));

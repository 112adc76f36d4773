// Talking to the server: the key, errors in words, server-sent events.

const $ = id => document.getElementById(id);

let apiKey = ''; // in memory only
let askForKey = () => {};

class Problem extends Error {
  constructor(message, status) { super(message); this.status = status; }
}

const sentence = text => text + (/[.!?]$/.test(text) ? '' : '.');

async function inWords(response) {
  let said = '';
  try { const j = await response.json(); said = typeof j.error === 'string' ? j.error : j.error?.message; } catch { /* not ours: a proxy's page */ }
  const wait = parseInt(response.headers.get('retry-after'), 10);
  said = sentence(said || `The server answered with status ${response.status}`);
  return said + (response.status === 429 || response.status === 503 ? ` Try again${wait > 0 ? ` in ${wait} s` : ' in a moment'}.` : '');
}

// The response, once its status says that all is well; else a Problem. Paths are relative, so that a proxy may serve us below its root.
async function call(path, { body, signal } = {}) {
  const headers = body === undefined ? {} : { 'content-type': 'application/json' };
  if (apiKey) headers.authorization = 'Bearer ' + apiKey;
  let r;
  try {
    r = await fetch(path, { method: body === undefined ? 'GET' : 'POST', headers, signal, body: body === undefined ? undefined : JSON.stringify(body), cache: 'no-store' });
  } catch (e) {
    if (e.name === 'AbortError') throw e;
    throw new Problem('The server cannot be reached. Is it still running?', 0);
  }
  if (r.ok) return r;
  const text = await inWords(r);
  if (r.status === 401) askForKey(apiKey ? 'The server does not know this key.' : '');
  throw new Problem(text, r.status);
}

const getJson = async path => (await call(path)).json();

// The data of each event of a stream.
async function* events(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '', data = [];
  for (;;) {
    let part;
    try { part = await reader.read(); } catch (e) {
      if (e.name === 'AbortError') throw e;
      throw new Problem('The connection broke off in the middle of the answer.', 0);
    }
    if (part.done) return;
    const lines = (rest + part.value).split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop();
    for (const l of lines) {
      if (l.startsWith('data:')) data.push(l.slice(l[5] === ' ' ? 6 : 5));
      else if (l === '' && data.length) { yield data.join('\n'); data = []; }
    }
  }
}

const bytesText = n => {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let u = 0;
  while (n >= 1023.95 && u < 4) { n /= 1024; u++; }
  return `${u === 0 || n >= 99.95 ? Math.round(n) : n.toFixed(n >= 9.995 ? 1 : 2)} ${units[u]}`;
};
const numberText = n => n >= 1000 ? Math.round(n).toLocaleString('en') : n >= 99.95 ? String(Math.round(n)) : n.toFixed(1);

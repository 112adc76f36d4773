#!/usr/bin/env node
// A memory that keeps what the model could not have guessed. Node 18 or newer, no packages.
//
//   node examples/memory.mjs NOTES.jsonl [--server http://127.0.0.1:8080] [--key KEY] [--k 1] < conversation.txt
//   node examples/memory.mjs --selftest        no model: a stand-in for the server, which predicts by what it has read
//
// Each line of stdin is a message. A sentence's surprise is the sum of -log2 p over the tokens that begin in it, where the model has read the
// notes and the last messages before; it is kept where its bits a character are k deviations above the mean so far. What is kept is read from
// then on, so its repetition surprises no more and is not kept again. A message costs the reading of its own tokens: the prompt grows at its
// end alone, and the server has the rest of it cached; every fifth message begins another prompt, with the newest notes and messages. The
// model is never asked to write anything.
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const BEFORE = 3;   // sentences that are only measured, before there is a mean to compare with
const NOTES = 40;   // of the newest, in the prompt
const MESSAGES = 4; // of the newest that a prompt begins with; it grows to twice as many

const codePoints = text => [...text].length; // what the server counts offsets in

// Where each sentence begins and ends, in code points. Blanks before it are its own: many vocabularies have words with the blank in front.
export const sentencesOf = text => [...text.matchAll(/\s*[^\s.!?][^.!?]*[.!?]*/g)].map(found => {
  const begin = codePoints(text.slice(0, found.index));
  return { text: found[0].trim(), begin, end: begin + codePoints(found[0]) };
});

// The tokens of a prompt from character `from` on: where each begins, and its bits. `echo` with `max_tokens` 0 scores a prompt and writes nothing.
async function bitsOf(server, key, prompt, from) {
  const response = await fetch(new URL('/v1/completions', server), {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(key && { authorization: `Bearer ${key}` }) },
    body: JSON.stringify({ prompt, echo: true, max_tokens: 0, logprobs: 0, logprobs_from: from }),
  });
  if (!response.ok) throw new Error(`${response.status}: ${await response.text()}`);
  const { token_logprobs, text_offset } = (await response.json()).choices[0].logprobs;
  return text_offset
    .map((at, i) => ({ at, bits: token_logprobs[i] === null ? 0 : -token_logprobs[i] / Math.LN2 })) // a first token has no score
    .filter(token => token.at >= from);
}

// Mean and deviation of what came so far (Welford 1962).
class Running {
  n = 0; mean = 0; squares = 0;
  add(x) {
    const before = x - this.mean;
    this.mean += before / ++this.n;
    this.squares += before * (x - this.mean);
  }
  get deviation() { return this.n > 1 ? Math.sqrt(this.squares / (this.n - 1)) : 0; }
}

export class Memory {
  constructor({ server, key, file, k = 1 }) {
    Object.assign(this, { server, key, file, k, notes: [], usual: new Running() });
    if (file && existsSync(file))
      this.notes = readFileSync(file, 'utf8').split('\n').filter(Boolean).map(line => JSON.parse(line).text);
    this.begin([]);
  }

  // Another prompt. Notes come first, and those that are kept later stand in the messages anyway.
  begin(messages) {
    this.messages = messages;
    this.known = `Known:\n${this.notes.slice(-NOTES).map(note => `- ${note}\n`).join('')}Conversation:\n`;
  }

  // What the model has read before a message.
  prompt() {
    return this.known + this.messages.map(m => `${m}\n`).join('');
  }

  keep(text, bits) {
    this.notes.push(text);
    if (this.file) appendFileSync(this.file, JSON.stringify({ text, bits, when: new Date().toISOString() }) + '\n');
  }

  // Each sentence of a message with its bits, and whether it was kept.
  async read(message) {
    const before = this.prompt();
    const tokens = await bitsOf(this.server, this.key, before + message, codePoints(before));
    const told = [], offset = codePoints(before);
    for (const { text, begin, end } of sentencesOf(message)) {
      const bits = tokens.filter(t => t.at >= offset + begin && t.at < offset + end).reduce((sum, t) => sum + t.bits, 0);
      const rate = bits / (end - begin);
      const kept = this.usual.n >= BEFORE && rate > this.usual.mean + this.k * this.usual.deviation;
      this.usual.add(rate);
      if (kept) this.keep(text, bits);
      told.push({ text, bits: Math.round(bits * 100) / 100, a_character: Math.round(rate * 1000) / 1000, kept });
    }
    this.messages.push(message);
    if (this.messages.length > 2 * MESSAGES) this.begin(this.messages.slice(-MESSAGES));
    return told;
  }
}

// ---- the selftest ------------------------------------------------------------------------------------------------------------

// Log-probabilities of characters by what followed the same characters before: the longest context that was seen, of 4 at most.
function predict(characters) {
  const followed = new Map(), scores = [];
  characters.forEach((c, i) => {
    let p = 1 / 64; // of what was never seen
    for (let order = 4; order >= 1; order--) {
      const seen = followed.get(characters.slice(Math.max(0, i - order), i).join('') + '|' + order);
      if (!seen || i < order) continue;
      const all = [...seen.values()].reduce((a, b) => a + b, 0);
      p = 0.95 * (seen.get(c) ?? 0) / all + 0.05 / 64;
      break;
    }
    scores.push(i ? Math.log(p) : null);
    for (let order = 1; order <= 4 && order <= i; order++) {
      const context = characters.slice(i - order, i).join('') + '|' + order, seen = followed.get(context) ?? new Map();
      followed.set(context, seen.set(c, (seen.get(c) ?? 0) + 1));
    }
  });
  return scores;
}

// Answers as stoker does: a character is a token; `logprobs_from` leaves out what is before it. Keeps what it was asked.
const standIn = asked => createServer(async (request, response) => {
  let body = '';
  for await (const piece of request) body += piece;
  const wish = JSON.parse(body), characters = [...wish.prompt];
  asked.push(wish);
  const rows = predict(characters).map((score, at) => ({ score, at, token: characters[at] })).slice(wish.logprobs_from);
  response.setHeader('content-type', 'application/json');
  response.end(JSON.stringify({ choices: [{ text: wish.prompt, logprobs: { tokens: rows.map(r => r.token), token_logprobs: rows.map(r => r.score), text_offset: rows.map(r => r.at), top_logprobs: null } }] }));
});

async function selftest() {
  const asked = [], server = standIn(asked);
  await new Promise(done => server.listen(0, '127.0.0.1', done));
  let failed = 0, passed = 0;
  const check = (what, holds, why) => {
    console.log(holds ? `ok   ${what}` : `FAIL ${what}: ${JSON.stringify(why)}`);
    holds ? passed++ : failed++;
  };
  const memory = new Memory({ server: `http://127.0.0.1:${server.address().port}` });
  const usual = 'The boat leaves at nine. The boat is on time.', news = 'Zora hid the brass key below the quince.';
  for (let i = 0; i < 6; i++) await memory.read(usual);
  const [first, second] = await memory.read(`The boat leaves at nine. ${news}`);
  check('the usual is not kept', !first.kept, first);
  check('news is kept', second.kept && memory.notes.at(-1) === news, second);
  memory.begin([]); // the note alone tells of it
  const [again] = await memory.read(news);
  check('what was kept is not kept again', !again.kept, again);
  check('it surprises less than half as much', again.bits < second.bits / 2, [second.bits, again.bits]);
  const prompts = asked.map(wish => wish.prompt);
  const grows = prompts => prompts.slice(1).filter((prompt, i) => prompt.startsWith(prompts[i] + '\n')).length;
  check('the prompt grows at its end', grows(prompts.slice(0, 7)) === 6, prompts.slice(0, 7));
  const begun = asked.length;
  for (let i = 0; i < 24; i++) await memory.read(`Message ${i}.`);
  const later = asked.slice(begun).map(wish => wish.prompt);
  check('another prompt begins with every fifth message', grows(later) === 18 || grows(later) === 19, grows(later));
  check('a prompt has some messages', later.every(prompt => prompt.split('\n').length < 2 * MESSAGES + 8), later.at(-1));
  const begins = sentencesOf('...and then? Zora hid it.');
  check('where sentences begin', JSON.stringify(begins) === JSON.stringify([{ text: 'and then?', begin: 3, end: 12 }, { text: 'Zora hid it.', begin: 12, end: 25 }]), begins);
  check('nothing is to be written', asked.every(wish => wish.max_tokens === 0 && wish.echo), asked.at(-1));
  const odd = await memory.read('Caf\u00e9 \u{1f525} is open. \u706f\u5854');
  const offset = asked.at(-1).logprobs_from;
  check('characters are counted, not bytes', odd.length === 2 && [...asked.at(-1).prompt].slice(offset).join('') === 'Caf\u00e9 \u{1f525} is open. \u706f\u5854', odd);
  check('an empty message has no sentence', (await memory.read(' ')).length === 0);
  server.close();
  console.log(`${passed} passed, ${failed} failed`);
  return failed ? 1 : 0;
}

// ---- the command -------------------------------------------------------------------------------------------------------------

async function main() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { selftest: { type: 'boolean' }, server: { type: 'string', default: 'http://127.0.0.1:8080' }, key: { type: 'string' }, k: { type: 'string', default: '1' } },
  });
  if (values.selftest) return selftest();
  if (positionals.length !== 1) {
    console.error('memory.mjs: name the file of notes: node examples/memory.mjs NOTES.jsonl < conversation.txt');
    return 2;
  }
  const memory = new Memory({ server: values.server, key: values.key, file: positionals[0], k: Number(values.k) });
  for await (const line of createInterface({ input: process.stdin }))
    for (const sentence of line.trim() ? await memory.read(line) : []) console.log(JSON.stringify(sentence));
  return 0;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.exitCode = await main();

// The page's part of the library in a real browser, with answers of the server: sources, a search, articles in a frame of which nothing runs, the
// switch, what an answer looked up, its citations. Registered by web.mjs; where the server has no library, that nothing of it is shown.
//
// The library is that of tests/clients.sh: the archive of zim.mjs, and a folder "notes" with a file of Markdown.
import fs from 'node:fs';
import path from 'node:path';
import { test, ok, eq, skip, sleep, BASE, KEY, str } from './lib.mjs';

const BOUND = +process.env.PATIENCE || 1; // factor on bounds of time, for sanitizers and busy machines
const PATIENT = { timeout: 15000 * BOUND };
const assistant = '[data-testid=message][data-role=assistant]';
const HINDERED = /^(Blocked script execution|Refused to|Loading the|Framing|Executing inline|Applying inline|Unsafe attempt|Connecting to|Loading a|Sending form)|violates the following|sandboxed/; // what a browser says of a page that may nothing

const ask = async (at, body) => {
  const r = await fetch(BASE + at, { method: body ? 'POST' : 'GET', headers: { 'content-type': 'application/json', ...(KEY && { authorization: 'Bearer ' + KEY }) }, ...(body && { body: JSON.stringify(body) }) });
  if (!r.ok) throw new Error(`${at}: ${r.status} ${await r.text()}`);
  return r.json();
};

// In the page: while window.pieces is there, answers come from it, chunk by chunk, by push() and end().
function madeUp() {
  const real = window.fetch, encoder = new TextEncoder();
  window.fetch = async (url, options) => {
    if (!window.pieces || !String(url).endsWith('v1/chat/completions')) return real(url, options);
    let stream;
    const body = new ReadableStream({ start(c) { stream = c; } });
    const send = data => stream.enqueue(encoder.encode(`data: ${data}\n\n`));
    window.push = o => send(JSON.stringify(o));
    window.end = annotations => { window.push({ choices: [{ delta: { content: '', annotations }, finish_reason: 'stop' }] }); send('[DONE]'); stream.close(); };
    return new Response(body, { status: 200, headers: { 'content-type': 'text/event-stream' } });
  };
}

export function registerLibraryTests({ browser, outside, reached, errors, OUT }) {
  let p, sent = []; // bodies of chats

  const enter = async q => {
    if (KEY) { await q.getByTestId('api-key').fill(KEY); await q.getByTestId('api-key').press('Enter'); }
    await q.getByTestId('chat-input').waitFor(PATIENT);
    return q;
  };
  const fresh = async ({ width = 1280, height = 860, ...rest } = {}) => {
    const context = await browser.newContext({ viewport: { width, height }, ...rest }), q = await context.newPage();
    await context.addInitScript(madeUp);
    q.on('request', r => {
      // What the archive's pages want of http://outside.invalid/ is told here though the browser refuses it: whether it goes out, `reached` says.
      if (!r.url().startsWith(BASE) && !/^(data|blob|about|http:\/\/outside\.invalid\/)/.test(r.url())) outside.push(r.url());
      if (r.url().endsWith('v1/chat/completions')) sent.push(JSON.parse(r.postData()));
    });
    q.on('console', m => { if (m.type() === 'error' && !HINDERED.test(m.text())) errors.push(m.text()); });
    q.on('pageerror', e => errors.push(String(e)));
    await q.goto(BASE + '/', { waitUntil: 'domcontentloaded' });
    return enter(q);
  };
  const reload = async q => { await sleep(250); await q.reload({ waitUntil: 'domcontentloaded' }); await enter(q); };
  const settled = async (get, want, what) => {
    let got;
    for (let i = 0; i < 200 * BOUND; i++, await sleep(30)) { got = await get(); if (str(got) === str(want)) return; }
    eq(got, want, what);
  };
  const show = async q => { if (!await q.getByTestId('library').isVisible()) await q.getByTestId('open-library').click(); };
  const find = async (q, words) => {
    await show(q);
    if (await q.getByTestId('library-back').isVisible()) await q.getByTestId('library-back').click();
    await show(q); // from an article of an answer the way back leads out of it
    await q.getByTestId('library-query').fill(words);
    await q.getByTestId('library-query').press('Enter');
    await q.waitForFunction(() => /passage|Nothing/.test(document.querySelector('[data-testid=library-hint]').textContent), null, PATIENT);
  };
  const results = q => q.getByTestId('library-result').locator('h3').allTextContents();
  // The frame's document, once it is there.
  const inFrame = async (q, has = 'body') => {
    const f = await (await q.getByTestId('library-frame').elementHandle(PATIENT)).contentFrame();
    await f.locator(has).first().waitFor({ state: 'attached', ...PATIENT });
    return f;
  };
  const asks = async (q, question) => {
    const n = await q.locator(assistant).count();
    await q.getByTestId('chat-input').fill(question);
    await q.getByTestId('send').click();
    await q.waitForFunction(([s, k]) => document.querySelectorAll(s)[k]?.dataset.state === 'done' && document.querySelector('[data-testid=send]').offsetParent, [assistant, n], { timeout: 60000 * BOUND });
    return q.locator(assistant).nth(n);
  };
  // An answer whose text only this one can be, at the model's temperature of 0.
  const saying = (q, text) => q.evaluate(s => localStorage.setItem('stoker.settings', s), JSON.stringify({ temperature: '0', seed: '1', format: 'json_schema', schema: JSON.stringify({ const: text }) }));
  // An answer of a conversation that comes from a file; what is no lookup and no source is left out.
  const fromFile = async q => {
    const lookups = [{ type: 'search', subject: 'weeds', found: 1 }, { type: 'search', subject: 'cut off' }, { type: 'search' }, null], kept = [{ n: 1, title: 'Stone bridge > Care', url: '/library/crossings/Stone_bridge#care' }, { n: '2', title: 'x', url: 'y' }, { n: 3 }, null];
    const conversation = { id: 'from-a-file', title: 'From a file', turns: [{ id: 'u', parent: null, role: 'user', text: 'How?' }, { id: 'm', parent: 'u', role: 'assistant', text: 'By hand [1], not [2].', lookups, sources: kept }] };
    if (!await q.getByTestId('chats').isVisible()) await q.getByRole('button', { name: 'Conversations' }).click();
    await q.getByTestId('import-file').setInputFiles({ name: 'kept.json', mimeType: 'application/json', buffer: Buffer.from(JSON.stringify({ format: 'stoker-conversations', version: 1, conversations: [conversation] })) });
    await q.getByTestId('conversation').getByText('From a file').click(PATIENT);
    const m = q.locator(assistant).last();
    await m.getByTestId('source').waitFor(PATIENT);
    eq(await m.getByTestId('lookup').allTextContents(), ['Searched for “weeds”: 1 passage', 'Searched for “cut off”: stopped'], 'lookups');
    eq(await m.getByTestId('source').allTextContents(), ['[1]Stone bridge > Care crossings'], 'sources');
    return m;
  };
  const library = (name, run, options) => test(`library: ${name}`, async () => {
    if (p === undefined) {
      const has = (await ask('/props')).library;
      p = await fresh();
      if (!has) {
        eq([await p.getByTestId('open-library').isVisible(), await p.getByTestId('library-switch').count()], [false, 0], 'shown without a library');
        await p.keyboard.press('Alt+KeyL');
        eq(await p.getByTestId('library').isVisible(), false, 'Alt-L');
        eq(await (await fromFile(p)).locator('a').count(), 0, 'links that lead nowhere');
        await p.context().close();
        p = null;
        return;
      }
    }
    if (!p) skip('the server has no library');
    await run();
  }, options);

  library('its sources', async () => {
    await p.getByTestId('open-library').click();
    await settled(() => p.getByTestId('library-source').locator('h3').allTextContents(), ['River crossings', 'notes']);
    const text = await p.getByTestId('library-source').allTextContents();
    ok(/crossings · 3 articles · 2026-05-01 · eng · CC0/.test(text[0]) && /1 article(?!s)/.test(text[1]), str(text));
    eq(await p.getByTestId('panel').isVisible(), false, 'the engine beside it');
    await p.getByTestId('library-source').first().getByRole('link').click();
    eq(await (await inFrame(p, 'h1')).locator('h1').textContent(), 'Crossings', 'the main page');
    await p.getByTestId('library-back').click();
    ok(await p.getByTestId('library-source').first().getByRole('link').evaluate(e => e === document.activeElement), 'where one was');
  });
  library('a search: title, passage, source', async () => {
    await find(p, 'weeds spring');
    const first = p.getByTestId('library-result').first();
    eq(await first.locator('h3').textContent(), 'Stone bridge > Care');
    ok((await first.locator('.passage').textContent()).startsWith('Weeds are pulled every spring'), 'passage');
    eq((await first.locator('mark').allTextContents()).slice(0, 2), ['Weeds', 'spring'], 'marked');
    ok((await first.textContent()).includes('crossings · 2026-05-01'), 'source');
    await find(p, 'nosuchword');
    eq([await results(p), await p.getByTestId('library-hint').textContent()], [[], 'Nothing was found']);
    await find(p, 'ford <img src=x onerror=alert(1)> ( * "');
    eq((await results(p))[0], '<i>Ford</i> & stones', 'markup is text');
    eq(await p.getByTestId('library').locator('i, img, script').count(), 0, 'markup of titles, passages and queries');
    await p.getByTestId('library-query').fill('');
    await p.getByTestId('library-query').press('Enter');
    await settled(() => p.getByTestId('library-source').count(), 2);
  });
  library('an article: at its section, its images and styles, and no script', async () => {
    await find(p, 'weeds spring');
    const asked = [];
    p.on('request', r => asked.push(new URL(r.url()).pathname));
    await p.getByTestId('library-result').first().getByRole('link').click();
    const f = await inFrame(p, '#care');
    eq(await p.getByTestId('library-frame').getAttribute('sandbox'), '', 'rights of the frame');
    await settled(() => f.locator('#picture').evaluate(e => [e.complete, e.naturalWidth, e.naturalHeight]), [true, 120, 60], 'the image');
    eq(await f.evaluate(() => getComputedStyle(document.body).borderLeftColor), 'rgb(10, 120, 60)', 'the style');
    await settled(async () => { const y = await f.locator('#care').evaluate(e => e.getBoundingClientRect().top); return y > -2 && y < 500 && await f.evaluate(() => scrollY > 1000); }, true, 'the section');
    await sleep(500);
    eq(await f.evaluate(() => document.documentElement.hasAttribute('data-ran')), false, 'a script of the archive ran');
    eq(await p.evaluate(() => [window.ran, location.host]), [undefined, new URL(BASE).host], 'this page');
    eq(asked.filter(a => a.endsWith('script.js')), [], 'its script was asked for');
    ok(asked.some(a => a.endsWith('picture.png')) && asked.every(a => !/library/.test(a) || /^\/(v1\/)?library\//.test(a)), str(asked));
    eq(asked.some(a => a.includes('~')), KEY !== '', 'a ticket, where there is a key');
    await f.locator('#away').click({ ...PATIENT, noWaitAfter: true });
    await sleep(200);
    eq(await p.evaluate(() => location.host), new URL(BASE).host, 'where a link leads this page');
    ok(await p.getByTestId('library-back').isVisible(), 'the way back');
    await p.getByTestId('library-back').click();
    ok(await p.getByTestId('library-result').first().getByRole('link').evaluate(e => e === document.activeElement), 'where one was');
    eq(await p.getByTestId('library-frame').count(), 0, 'the frame stays');
  });
  library('links of an article lead on within it', async () => {
    await p.getByTestId('library-result').first().getByRole('link').click();
    await (await inFrame(p, '#on')).locator('#on').click(PATIENT);
    await settled(async () => (await inFrame(p)).locator('h1').textContent(), '<i>Ford</i> & stones');
    await settled(() => p.getByTestId('library-frame').getAttribute('title'), 'Article from crossings', 'its name');
    for (const id of ['#top', '#send']) {
      await p.getByTestId('library-back').click();
      await p.getByTestId('library-result').first().getByRole('link').click();
      await (await inFrame(p, id)).locator(id).click({ ...PATIENT, noWaitAfter: true });
      await sleep(200);
      eq([await p.evaluate(() => location.host), await (await inFrame(p, 'h1')).locator('h1').textContent()], [new URL(BASE).host, 'Stone bridge'], id);
    }
    await find(p, 'rope greased');
    await p.getByTestId('library-result').first().getByRole('link').click();
    ok((await (await inFrame(p, '#care')).locator('#care').textContent()).includes('greased every month'), 'a file of Markdown');
    await p.keyboard.press('Escape');
    ok(await p.getByTestId('library-query').isVisible(), 'Escape goes back');
  });
  library('tickets that hold no more are renewed', async () => {
    if (!KEY) skip('no key is asked for');
    await find(p, 'weeds spring');
    for (let i = 0; i < 64; i++) await ask('/v1/library/ticket', {});
    const refused = errors.length;
    await p.getByTestId('library-result').first().getByRole('link').click();
    await inFrame(p, '#care');
    eq(errors.splice(refused).filter(e => !/401/.test(e)), [], 'errors beside the refusal');
  });
  library('the switch: off at first, remembered; chats then have the field', async () => {
    eq(await p.getByTestId('library-switch').isChecked(), false, 'at first');
    await saying(p, 'Yes.');
    await reload(p);
    sent = [];
    await asks(p, 'Find bridge');
    await p.getByTestId('library-switch').check();
    await reload(p);
    eq(await p.getByTestId('library-switch').isChecked(), true, 'after a reload');
    await asks(p, 'Find bridge');
    await p.getByTestId('library-switch').uncheck();
    await asks(p, 'Find bridge');
    eq(sent.map(r => r.library), [undefined, true, undefined], 'fields');
  }, { timeout: 120 });
  library('an answer: its searches, citations that open the article at its section, sources', async () => {
    await saying(p, '🌉 See [1], [99] and `[1]`. [1]');
    await reload(p);
    await p.getByTestId('new-chat').click();
    await p.getByTestId('library-switch').check();
    sent = [];
    const m = await asks(p, 'Find weeds');
    ok(sent[0].library === true && (await m.getByTestId('lookup').count()) > 0, 'no search');
    ok(/^Searched for “.*”: \d+ passages?$/.test(await m.getByTestId('lookup').first().textContent()), await m.getByTestId('lookup').first().textContent());
    eq(await m.getByTestId('citation').allTextContents(), ['[1]', '[1]'], 'links');
    ok((await m.getByTestId('message-text').textContent()).includes('[99] and [1]'), 'a number without a source');
    eq(await m.locator('code a').count(), 0, 'in code');
    eq(await m.getByTestId('source').count(), 1, 'sources');
    const title = (await m.getByTestId('source').getByRole('link').textContent());
    ok((await m.getByTestId('citation').first().getAttribute('aria-label')) === `Source 1: ${title}` && title.length > 3, title);
    eq(await m.getByTestId('open-inside').count(), 0, 'an answer that cannot be asked again');
    const hash = await m.getByTestId('citation').first().evaluate(e => new URL(e.href).hash);
    const right = async () => [await p.getByTestId('library').isVisible(), await p.getByTestId('panel').isVisible()];
    for (const link of [m.getByTestId('citation').first(), m.getByTestId('source').getByRole('link')]) {
      const before = await right();
      await link.click();
      const f = await inFrame(p, 'h1');
      await settled(async () => new URL(f.url()).hash, hash, 'where it opens');
      ok(await p.getByTestId('library-back').evaluate(e => e === document.activeElement), 'focus');
      eq([before[0], await p.getByTestId('library-back').textContent()], [false, '‹ Conversation'], 'the way back');
      await p.getByTestId('library-back').click();
      eq([await link.evaluate(e => e === document.activeElement), ...await right()], [true, ...before], 'where one was, and what stood beside it');
    }
    await show(p);
    await m.getByTestId('citation').first().click();
    await inFrame(p, 'h1');
    await p.keyboard.press('Escape');
    eq([await m.getByTestId('citation').first().evaluate(e => e === document.activeElement), (await right())[0]], [true, true], 'a library that was open stays open');
    await reload(p);
    await settled(() => p.getByTestId('citation').allTextContents(), ['[1]', '[1]'], 'after a reload');
    eq([await p.getByTestId('source').count(), await p.getByTestId('lookup').count() > 0], [1, true], 'after a reload');
    await p.evaluate(() => localStorage.removeItem('stoker.settings'));
    await reload(p);
  }, { timeout: 180 });
  const event = (q, status, more) => q.evaluate(e => window.push({ choices: [], library_event: e }), { type: 'search', status, ...more });
  const say = (q, content) => q.evaluate(c => window.push({ choices: [{ delta: { content: c } }] }), content);
  const sources = [['Stone bridge > Care', '/library/crossings/Stone_bridge#care'], ['Rope ferry > Care', '/library/notes/ferry.md#care'], ['Out', 'https://outside.invalid/'], ['Script', 'javascript:alert(1)'], ['Up', '/library/../v1/models'], ['Gone', '/library/crossings/Nowhere']].map(([title, url], i) => ({ n: i + 1, title, url }));
  // The numbers of sources that a text names, each at its first place.
  const ends = (q, text, cited) => q.evaluate(list => window.end(list), cited.map(n => ({ type: 'url_citation', url_citation: { title: sources[n - 1].title, url: sources[n - 1].url, start_index: text.indexOf(`[${n}]`), end_index: text.indexOf(`[${n}]`) + 3 } })));
  const begins = async (q, question) => {
    await q.evaluate(() => { window.pieces = true; window.push = null; });
    await q.getByTestId('chat-input').fill(question);
    await q.getByTestId('send').click();
    await q.waitForFunction(() => window.push, null, PATIENT);
  };
  library('while an answer is made: what is searched for, links as they come', async () => {
    await p.getByTestId('new-chat').click();
    await begins(p, 'How are weeds <b>pulled</b>?');
    await event(p, 'in_progress', { query: 'weeds <b>bridge</b>' });
    const m = p.locator(assistant).last(), lookups = () => m.getByTestId('lookup').allTextContents();
    await settled(lookups, ['Searching for “weeds <b>bridge</b>”']);
    eq([await m.locator('.waiting').count(), await p.locator('#said').textContent()], [1, 'Searching for “weeds <b>bridge</b>”'], 'told');
    await event(p, 'completed', { query: 'weeds <b>bridge</b>', results: sources });
    await settled(lookups, ['Searched for “weeds <b>bridge</b>”: 6 passages']);
    await event(p, 'in_progress', { type: 'open', id: '2' });
    await settled(async () => (await lookups())[1], 'Opening Rope ferry > Care');
    await event(p, 'completed', { type: 'open', id: '2', results: [] });
    const said = 'By hand [1], as [Weeds](https://outside.invalid/) say [2], [7], [3], [4], [5], [6].\n\n- **list** [2]\n\n```\na[1]\n```\n', half = said.indexOf('2]');
    await say(p, said.slice(0, half));
    await settled(() => m.getByTestId('citation').allTextContents(), ['[1]']);
    await say(p, said.slice(half));
    await settled(() => m.getByTestId('citation').count(), 7);
    eq(await m.getByTestId('source').count(), 0, 'sources before the end');
    await ends(p, said, [1, 2, 3, 4, 5, 6]);
    await settled(() => m.getByTestId('source').count(), 6);
    eq(await m.locator('pre a').count(), 0, 'in code');
    eq(await m.getByTestId('citation').count(), 7, 'links at the end');
  });
  library('addresses that lead out of the library are refused', async () => {
    const m = p.locator(assistant).last(), before = errors.length;
    for (const n of [3, 4, 5]) {
      eq(await m.getByTestId('source').nth(n - 1).getByRole('link').getAttribute('href'), '#', `source ${n}`);
      await m.getByTestId('source').nth(n - 1).getByRole('link').click();
      await settled(() => p.getByTestId('library-problem').textContent(), 'This source has no address in the library.');
      eq(await p.getByTestId('library-frame').count(), 0, 'a frame');
    }
    eq(errors.length, before, 'errors');
    await m.getByTestId('source').nth(5).getByRole('link').click();
    await settled(() => p.getByTestId('library-problem').textContent(), 'The library has no page of this address.'.replace(/^T/, 't'));
    eq(errors.splice(before).filter(e => !/404/.test(e)), [], 'errors beside that of the status');
    await p.getByTestId('library-back').click();
  });
  library('an answer that comes from a file', async () => {
    const q = await fresh(), m = await fromFile(q);
    eq(await m.locator('a').allTextContents(), ['[1]', 'Stone bridge > Care'], 'links');
    await m.getByTestId('citation').click();
    await inFrame(q, '#care');
    await q.getByRole('button', { name: 'More for From a file' }).click({ force: true });
    const [file] = await Promise.all([q.waitForEvent('download'), q.getByTestId('chat-menu').getByText('Export as Markdown', { exact: true }).click()]);
    eq(fs.readFileSync(await file.path(), 'utf8'), `# From a file\n\n## You\n\nHow?\n\n## Model\n\nBy hand [1], not [2].\n\nSources:\n\n- [1] [Stone bridge > Care](<${new URL(BASE).origin}/library/crossings/Stone_bridge#care>)\n`, 'as Markdown');
    await q.context().close();
  });
  library('keyboard and readers reach all of it', async () => {
    await find(p, 'bridge');
    const reached = new Set(), wanted = await p.getByTestId('library').locator('button:visible, input:visible, a[href]:visible').count();
    await p.getByTestId('open-library').focus();
    for (let i = 0; i < wanted + 60; i++) {
      await p.keyboard.press('Tab');
      const at = await p.evaluate(() => [...document.querySelectorAll('#library button, #library input, #library a')].filter(e => e.offsetParent).indexOf(document.activeElement));
      if (at >= 0) reached.add(at);
    }
    eq(reached.size, wanted, 'reached by Tab');
    await p.getByTestId('library-result').first().getByRole('link').focus();
    await p.keyboard.press('Enter');
    await inFrame(p, 'h1');
    await p.keyboard.press('Tab');
    await settled(() => p.getByTestId('library-frame').evaluate(e => e === document.activeElement), true, 'the frame'); // another process, which takes the focus in its own time
    await p.getByTestId('library-back').press('Enter');
    await p.getByTestId('library-switch').focus();
    const was = await p.getByTestId('library-switch').isChecked();
    await p.keyboard.press('Space');
    eq(await p.getByTestId('library-switch').isChecked(), !was, 'the switch');
    const nameless = await p.evaluate(() => [...document.querySelectorAll('#library input, #library button, #library a, .from-library input, .sources a, .cite')].filter(e => !(e.ariaLabel || e.labels?.length || e.textContent.trim())).length);
    eq(nameless, 0, 'without a name');
    await p.keyboard.press('Alt+KeyL');
    eq(await p.getByTestId('library').isVisible(), false, 'Alt-L');
    await p.context().close();
  });
  library('pictures: light and dark, 390, 768, 1280 px; nothing sticks out', async () => {
    for (const colorScheme of ['light', 'dark']) for (const width of [390, 768, 1280]) {
      const q = await fresh({ width, height: 900, colorScheme }), name = what => path.join(OUT, `library-${what}-${colorScheme}-${width}.png`);
      const fits = async what => { ok(await q.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `${width} px, ${what}: the page is wider than the window`); await q.screenshot({ path: name(what) }); };
      await show(q);
      await q.getByTestId('library-source').first().waitFor(PATIENT);
      await fits('sources');
      await find(q, 'stone bridge weeds');
      await fits('results');
      await q.getByTestId('library-result').first().getByRole('link').click();
      await inFrame(q, '#care');
      await sleep(300);
      await fits('article');
      await find(q, 'rope');
      await q.getByTestId('library-result').first().getByRole('link').click();
      await inFrame(q, '#care');
      await sleep(300);
      await fits('kept');
      if (width < 990) await q.getByRole('button', { name: 'Close' }).click();
      await q.getByTestId('library-switch').check();
      await begins(q, 'How is a bridge kept?');
      await event(q, 'in_progress', { query: 'care of stone bridges' });
      await q.getByTestId('lookup').waitFor(PATIENT);
      await fits('searching');
      await event(q, 'completed', { query: 'care of stone bridges', results: sources.slice(0, 2) });
      const said = 'Weeds are pulled **every spring**, before their roots part the stones [1]. A rope is greased every month [2], and more often where it is wet [2][9].';
      await say(q, said);
      await ends(q, said, [1, 2]);
      await q.getByTestId('source').nth(1).waitFor(PATIENT);
      await fits('answer');
      await q.getByTestId('citation').first().click();
      await inFrame(q, '#care');
      await q.getByTestId('library-back').click();
      eq([await q.getByTestId('library').isVisible(), await q.getByTestId('citation').first().evaluate(e => e === document.activeElement)], [width >= 990, true], `${width} px: back from an article of an answer`);
      await q.context().close();
    }
  }, { timeout: 180 });
  library('nothing of an archive goes elsewhere', async () => {
    eq(reached, [], 'outside');
    const context = await browser.newContext(), q = await context.newPage();
    await q.goto('http://outside.invalid/heard');
    eq(reached[0], '/heard', 'who would have heard of it');
    await context.close();
  });
}

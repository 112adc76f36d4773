#!/usr/bin/env node
// An agent that uses a web page by its accessibility tree. Node 18 or newer, a Chromium, no packages.
//
//   node examples/browser-agent.mjs URL 'TASK' [--server http://127.0.0.1:8080] [--key KEY] [--chromium PATH] [--steps 12]
//   node examples/browser-agent.mjs --selftest        no model; what needs a browser is left out where there is none
//
// The tree names every control, so a text model needs no picture and no coordinates: what can be used is marked [e1], [e2], .. An answer is one
// action as JSON, held to a schema whose refs are exactly those of the page that allow that action: what is not there cannot be clicked,
// whatever the model. Rules and task come first and stay, the page comes last, so that each step computes what has changed.
// Exit status: 0 the model says that it is done, 3 the steps are used up.
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const SETTLE_MS = 150; // behind an action, until the page is looked at
const LOAD_MS = 30000;

// ---- the browser: Chromium's own protocol over a pipe, so that no port is open -----------------------------------------------------

class Browser {
  #child; #folder; #session; #next = 0; #rest = Buffer.alloc(0);
  #answers = new Map(); #events = new Map();
  #dialog = null; #dialogOpens = () => {};

  static async open(path) {
    const b = new Browser();
    b.#folder = mkdtempSync(join(tmpdir(), 'browser-agent-'));
    b.#child = spawn(path, ['--headless=new', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--no-first-run',
      '--disable-background-networking', `--user-data-dir=${b.#folder}`, '--remote-debugging-pipe', 'about:blank'],
    { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'] });
    b.#child.on('error', error => b.#fail(error));
    b.#child.on('exit', () => b.#fail(new Error('the browser has ended')));
    b.#child.stdio[3].on('error', () => {}); // that it has ended is told once
    b.#child.stdio[4].on('data', piece => b.#read(piece));
    try {
      const { targetId } = await b.send('Target.createTarget', { url: 'about:blank' });
      b.#session = (await b.send('Target.attachToTarget', { targetId, flatten: true })).sessionId;
      b.#events.set('Page.javascriptDialogOpening', dialog => { b.#dialog = dialog; b.#dialogOpens(); });
      b.#events.set('Page.javascriptDialogClosed', () => { b.#dialog = null; });
      for (const domain of ['Page', 'DOM', 'Accessibility', 'Runtime']) await b.send(`${domain}.enable`);
    } catch (error) {
      await b.close();
      throw error;
    }
    return b;
  }

  #read(piece) { // each message ends in a zero byte
    this.#rest = Buffer.concat([this.#rest, piece]);
    for (let end; (end = this.#rest.indexOf(0)) >= 0; this.#rest = this.#rest.subarray(end + 1)) {
      const message = JSON.parse(this.#rest.subarray(0, end));
      const waiting = this.#answers.get(message.id);
      this.#answers.delete(message.id);
      if (!waiting) this.#events.get(message.method)?.(message.params);
      else if (message.error) waiting.reject(new Error(message.error.message));
      else waiting.resolve(message.result);
    }
  }

  #fail(error) {
    for (const { reject } of this.#answers.values()) reject(error);
    this.#answers.clear();
    this.#child = null;
  }

  send(method, params = {}) {
    return new Promise((resolve, reject) => {
      if (!this.#child) return reject(new Error('the browser has ended'));
      const id = ++this.#next;
      this.#answers.set(id, { resolve, reject });
      this.#child.stdio[3].write(JSON.stringify({ id, method, params, sessionId: this.#session }) + '\0');
    });
  }

  async goto(url) {
    let timer;
    const late = new Promise((_, reject) => { timer = setTimeout(() => reject(new Error(`${url} does not load`)), LOAD_MS); });
    const loaded = new Promise(resolve => this.#events.set('Page.loadEventFired', resolve));
    const { errorText } = await this.send('Page.navigate', { url });
    if (errorText) throw new Error(`${url}: ${errorText}`);
    await Promise.race([loaded, late, this.#untilDialog()]).finally(() => clearTimeout(timer));
  }

  // alert(), confirm(), prompt(): while one is open the page answers nothing, so that whoever waits for the page waits for this too.
  #untilDialog() { return this.#dialog ? Promise.resolve() : new Promise(resolve => { this.#dialogOpens = resolve; }); }

  async tree() {
    const tree = await Promise.race([this.send('Accessibility.getFullAXTree'), this.#untilDialog()]);
    return this.#dialog || !tree ? treeOfDialog(this.#dialog) : tree.nodes;
  }

  // What the action did, in a few words where it did nothing, or may have: a timer of the page may have opened a dialog meanwhile.
  async perform(refs, action) {
    const { node } = refs.get(action.ref);
    if (typeof node === 'string') return this.#answer(node, action.text);
    if (this.#dialog) return 'a dialog opened first, nothing was done';
    return await Promise.race([this.#act(node, action), this.#untilDialog()]) ?? 'a dialog opened'; // what it holds up goes on behind it
  }

  async #answer(how, text) {
    const opened = this.#dialog;
    this.#dialog = null;
    await this.send('Page.handleJavaScriptDialog', { accept: how !== 'cancel', promptText: how === 'answer' ? text : opened?.defaultPrompt })
      .catch(() => {}); // the page may have gone with it
    await this.#settle();
    return 'done';
  }

  async #settle() { await new Promise(resolve => setTimeout(resolve, SETTLE_MS)); }

  async #act(node, { action, text }) {
    const { object } = await this.send('DOM.resolveNode', { backendNodeId: node });
    const call = async (code, ...values) => (await this.send('Runtime.callFunctionOn', {
      objectId: object.objectId, functionDeclaration: code, arguments: values.map(value => ({ value })), returnByValue: true, userGesture: true })).result.value;
    let said = 'done';
    if (action === 'click') await call('function () { this.scrollIntoView({ block: "center" }); this.click(); }');
    if (action === 'type') {
      await call('function () { this.focus(); if (this.select) this.select(); }');
      await this.send('Input.insertText', { text });
    }
    if (action === 'select')
      said = await call(`function (text) {
        const option = [...this.options ?? this.querySelectorAll('[role=option]')].find(o => (o.text ?? o.textContent).trim() === text.trim());
        if (!option) return 'there is no such option';
        if (!this.options) { option.click(); return 'done'; }
        this.value = option.value;
        this.dispatchEvent(new Event('change', { bubbles: true }));
        return 'done';
      }`, text);
    await this.#settle();
    return said;
  }

  async close() {
    const child = this.#child, ended = child && new Promise(resolve => child.on('exit', resolve));
    if (child?.pid) {
      this.send('Browser.close').catch(() => {});
      const timer = setTimeout(() => child.kill('SIGKILL'), 5000);
      await ended;
      clearTimeout(timer);
    }
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

// ---- the page as text --------------------------------------------------------------------------------------------------------------

const FIELDS = new Set(['textbox', 'searchbox', 'spinbutton']);
const CLICKED = new Set(['button', 'link', 'checkbox', 'radio', 'switch', 'tab', 'menuitem', 'slider']);
const STRUCTURE = new Set(['', 'none', 'generic', 'paragraph', 'InlineTextBox', 'LineBreak', 'LabelText', 'ListMarker', 'MenuListPopup']);

// A combobox is a select, whose list is part of it; a field with a list, which takes text; or what opens a list.
const actionOfCombobox = (isEditable, children) => (isEditable ? 'type' : children.some(n => n?.role?.value === 'MenuListPopup') ? 'select' : 'click');
const actionOf = role => (FIELDS.has(role) ? 'type' : role === 'listbox' ? 'select' : CLICKED.has(role) ? 'click' : null);

// A dialog of the page as a page of its own, whose nodes say how it is answered.
export function treeOfDialog(dialog) {
  const { type = 'alert', message = '', defaultPrompt = '' } = dialog ?? {};
  const nodes = [{ nodeId: '0', role: { value: `${type} dialog` }, name: { value: message }, childIds: [] }];
  const add = (role, name, backendDOMNodeId, value = '') => {
    nodes[0].childIds.push(String(nodes.length));
    nodes.push({ nodeId: String(nodes.length), role: { value: role }, name: { value: name }, value: { value }, backendDOMNodeId });
  };
  if (type === 'prompt') add('textbox', 'Answer', 'answer', defaultPrompt);
  add('button', 'OK', 'accept');
  if (type !== 'alert') add('button', 'Cancel', 'cancel');
  return nodes;
}

// { text, refs }: a line a node, deeper ones indented; refs: "e1" -> { node, action }, in the order of the page.
export function describe(nodes) {
  const byId = new Map(nodes.map(n => [n.nodeId, n])), refs = new Map(), lines = [];
  const walk = (n, depth, named) => {
    if (!n) return;
    const role = n.role?.value ?? '', name = (n.name?.value ?? '').replace(/\s+/g, ' ').trim();
    const property = key => n.properties?.find(p => p.name === key)?.value?.value;
    const repeats = role === 'StaticText' && (!name || name === named); // of what it is the name of
    if (!n.ignored && !STRUCTURE.has(role) && !repeats) {
      const words = [role === 'StaticText' ? 'text' : role === 'RootWebArea' ? 'page' : role];
      if (name) words.push(JSON.stringify(name));
      if (role === 'heading') words.push(`level=${property('level')}`);
      if (n.value?.value) words.push(`value=${JSON.stringify(String(n.value.value))}`);
      if (property('checked')) words.push(`checked=${property('checked')}`);
      const action = role === 'combobox' ? actionOfCombobox(property('editable'), (n.childIds ?? []).map(id => byId.get(id))) : actionOf(role);
      if (action && property('disabled')) words.push('disabled');
      else if (action && n.backendDOMNodeId) {
        const ref = `e${refs.size + 1}`;
        refs.set(ref, { node: n.backendDOMNodeId, action });
        words.push(`[${ref}]`);
      }
      lines.push('  '.repeat(depth) + words.join(' '));
      depth++;
      named = name || named;
    }
    for (const id of n.childIds ?? []) walk(byId.get(id), depth, named);
  };
  walk(nodes[0], 0, '');
  return { text: lines.join('\n'), refs };
}

// What may be answered to a page: one action, with a ref that allows it.
export function schemaOf(refs) {
  const of = action => [...refs].filter(([, r]) => r.action === action).map(([ref]) => ref);
  const branch = (action, more) => ({
    type: 'object',
    properties: { why: { type: 'string', maxLength: 200 }, action: { const: action }, ...more },
    required: ['why', 'action', ...Object.keys(more)],
    additionalProperties: false,
  });
  const text = { type: 'string', maxLength: 400 }, anyOf = [branch('done', { answer: text })];
  for (const action of ['click', 'type', 'select'])
    if (of(action).length) anyOf.push(branch(action, { ref: { enum: of(action) }, ...(action !== 'click' && { text }) }));
  return { anyOf };
}

// ---- the agent ---------------------------------------------------------------------------------------------------------------------

const RULES = `You use a web page. Each turn you are shown it as a tree: [e1], [e2], .. mark what can be used. Answer with one action as JSON:
{"why", "action": "click", "ref"}, {"why", "action": "type" or "select", "ref", "text"}, or {"why", "action": "done", "answer"}.`;

async function ask({ server, key }, messages, schema) {
  const response = await fetch(new URL('/v1/chat/completions', server), {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(key && { authorization: `Bearer ${key}` }) },
    body: JSON.stringify({ messages, temperature: 0, max_tokens: 400, response_format: { type: 'json_schema', json_schema: { name: 'action', strict: true, schema } } }),
  });
  if (!response.ok) throw new Error(`${response.status}: ${await response.text()}`);
  return JSON.parse((await response.json()).choices[0].message.content);
}

// 0: the model says that it is done; 3: the steps are used up. tell gets each action.
export async function run(browser, task, { steps, tell, ...server }) {
  const system = { role: 'system', content: `${RULES}\nTask: ${task}` };
  let done = '';
  for (let step = 0; step < steps; step++) {
    const page = describe(await browser.tree());
    const action = await ask(server, [system, { role: 'user', content: `${done && `Done so far:\n${done}\n`}Page:\n${page.text}` }], schemaOf(page.refs));
    tell(action);
    if (action.action === 'done') return 0;
    if (page.refs.get(action.ref)?.action !== action.action) throw new Error(`nothing on the page is ${action.ref} for ${action.action}`);
    const said = await browser.perform(page.refs, action);
    done += `${JSON.stringify(action)}${said === 'done' ? '' : `: ${said}`}\n`;
  }
  return 3;
}

// ---- the selftest ------------------------------------------------------------------------------------------------------------------

const PAGE = `<!DOCTYPE html><html lang=en><title>Lamp works</title><nav><a href="#prices">Prices</a> <a href="#care">Care</a></nav>
<h1>Order a lamp</h1><form id=order><label>Name <input id=who></label>
<label>Glass <select id=glass><option>Clear</option><option>Amber</option></select></label>
<label><input type=checkbox id=oil> With oil</label> <button>Order</button> <button type=button disabled>Pay</button></form>
<p role=status id=said></p><div hidden><button>Secret</button></div>
<script>order.onsubmit = e => { e.preventDefault(); said.textContent = 'Ordered: ' + who.value + ', ' + glass.value + (oil.checked ? ', oil' : ''); };</script>`;

const PAGE_OF_DIALOGS = `<!DOCTYPE html><html lang=en><title>Questions</title><script>alert('Welcome')</script>
<button onclick="said.textContent = confirm('Really?') + ', ' + prompt('Who?', 'Eve')">Ask</button> <p role=status id=said></p>
<label>Town <input list=towns></label><datalist id=towns><option>Oslo<option>Bergen</datalist>
<div role=combobox tabindex=0 aria-label=Shade aria-expanded=false onclick="shades.hidden = false">None</div>
<div role=listbox id=shades aria-label=Shades hidden onclick="said.textContent = event.target.textContent"><div role=option>Red</div><div role=option>Blue</div></div>`;

// A tree as Chromium gives it: [role, name, more, children ..].
function recorded(root) {
  const nodes = [];
  const add = ([role, name, more = {}, ...children]) => {
    const node = { nodeId: String(nodes.length + 1), ignored: false, role: { value: role }, name: { value: name }, backendDOMNodeId: nodes.length + 100, ...more };
    nodes.push(node);
    node.childIds = children.map(add);
    return node.nodeId;
  };
  add(root);
  return nodes;
}
const has = (name, value) => ({ properties: [{ name, value: { value } }] });
const TREE = ['RootWebArea', 'Lamp  works', {},
  ['navigation', '', {}, ['link', 'Prices', {}, ['StaticText', 'Prices']]],
  ['generic', '', {}, ['heading', 'Order a lamp', has('level', 1), ['StaticText', 'Order a lamp']]],
  ['textbox', 'Name', { value: { value: 'Ada' } }], ['combobox', 'Glass', { value: { value: 'Clear' } }, ['MenuListPopup', '', {}, ['option', 'Clear'], ['option', 'Amber']]],
  ['combobox', 'Town', has('editable', 'plaintext')], ['combobox', 'Shade', { value: { value: 'None' } }, ['StaticText', 'None']],
  ['checkbox', 'With oil', has('checked', 'true')], ['button', 'Pay', has('disabled', true)], ['button', 'Secret', { ignored: true }],
  ['StaticText', 'Open on  Mondays']];
const TEXT = `page "Lamp works"
  navigation
    link "Prices" [e1]
  heading "Order a lamp" level=1
  textbox "Name" value="Ada" [e2]
  combobox "Glass" value="Clear" [e3]
    option "Clear"
    option "Amber"
  combobox "Town" [e4]
  combobox "Shade" value="None" [e5]
    text "None"
  checkbox "With oil" checked=true [e6]
  button "Pay" disabled
  text "Open on Mondays"`;

// A server that answers with the first object that each schema allows, of the branches in turn, done last; keeps what it was asked.
const standIn = asked => createServer(async (request, response) => {
  let body = '';
  for await (const piece of request) body += piece;
  const wish = JSON.parse(body), { anyOf } = wish.response_format.json_schema.schema;
  const branch = anyOf[(asked.push(wish)) % anyOf.length];
  const value = Object.fromEntries(Object.entries(branch.properties).map(([name, of]) => [name, of.const ?? of.enum?.[0] ?? 'Amber']));
  response.end(JSON.stringify({ choices: [{ message: { content: JSON.stringify(value) } }] }));
});

// The page begins so, within that time.
async function comes(browser, start, most) {
  for (const until = Date.now() + most; Date.now() < until;)
    if (describe(await browser.tree()).text.startsWith(start)) return true;
  return false;
}

async function checkWithoutBrowser(check) {
  const { text, refs } = describe(recorded(TREE));
  check('a page as text', text === TEXT, text);
  check('refs say what they are for', JSON.stringify([...refs.values()].map(r => r.action)) === '["click","type","select","type","click","click"]', [...refs]);
  const enums = Object.fromEntries(schemaOf(refs).anyOf.map(b => [b.properties.action.const, b.properties.ref?.enum]));
  check('a schema has exactly the refs', JSON.stringify(enums) === '{"click":["e1","e5","e6"],"type":["e2","e4"],"select":["e3"]}', enums);
  const dialog = describe(treeOfDialog({ type: 'prompt', message: 'Which\ntown?', defaultPrompt: 'Oslo' }));
  check('a dialog as a page', dialog.text === 'prompt dialog "Which town?"\n  textbox "Answer" value="Oslo" [e1]\n  button "OK" [e2]\n  button "Cancel" [e3]', dialog.text);
  check('an alert can be closed alone', describe(treeOfDialog({ type: 'alert', message: 'No' })).refs.size === 1);
  check('an empty page allows the end alone', schemaOf(describe([]).refs).anyOf.length === 1);

  const asked = [], performed = [], server = standIn(asked);
  await new Promise(done => server.listen(0, '127.0.0.1', done));
  const fake = { tree: async () => recorded(TREE), perform: async (_, action) => { performed.push(action); return 'done'; } };
  const status = await run(fake, 'Order a lamp.', { server: `http://127.0.0.1:${server.address().port}`, steps: 12, tell: () => {} });
  check('the agent goes on until the model is done', status === 0 && performed.map(a => a.action).join() === 'click,type,select', performed);
  check('rules and task stay in front', asked.every(w => JSON.stringify(w.messages[0]) === JSON.stringify(asked[0].messages[0])) && asked.every(w => w.messages[1].content.endsWith(TEXT)));
  check('what was done is told', asked.at(-1).messages[1].content.startsWith('Done so far:\n{"why":"Amber","action":"click","ref":"e1"}\n'), asked.at(-1).messages[1]);
  check('what does not come is not waited for', !await comes(fake, 'alert', 50));
  check('steps end', await run(fake, '', { server: `http://127.0.0.1:${server.address().port}`, steps: 2, tell: () => {} }) === 3);
  server.close();
}

async function checkWithBrowser(path, check) {
  const browser = await Browser.open(path);
  try {
    await browser.goto('data:text/html;charset=utf-8,' + encodeURIComponent(PAGE));
    let page = describe(await browser.tree());
    const refOf = start => /\[(e\d+)\]$/.exec(page.text.split('\n').find(l => l.trim().startsWith(start)) ?? '')?.[1];
    check('controls have refs', ['link "Prices"', 'textbox "Name"', 'combobox "Glass"', 'checkbox "With oil"', 'button "Order"'].every(refOf), page.text);
    check('what is hidden is not there, what is disabled has no ref', !page.text.includes('Secret') && /button "Pay" disabled$/m.test(page.text), page.text);
    await browser.perform(page.refs, { action: 'type', ref: refOf('textbox "Name"'), text: 'Ada' });
    check('an option that is not there', await browser.perform(page.refs, { action: 'select', ref: refOf('combobox "Glass"'), text: 'Blue' }) === 'there is no such option');
    await browser.perform(page.refs, { action: 'select', ref: refOf('combobox "Glass"'), text: 'Amber' });
    await browser.perform(page.refs, { action: 'click', ref: refOf('checkbox "With oil"') });
    page = describe(await browser.tree());
    check('the page shows what was done', /textbox "Name" value="Ada"/.test(page.text) && /combobox "Glass" value="Amber"/.test(page.text) && /checkbox "With oil" checked=true/.test(page.text), page.text);
    await browser.perform(page.refs, { action: 'click', ref: refOf('button "Order"') });
    page = describe(await browser.tree());
    check('the form was sent', page.text.includes('Ordered: Ada, Amber, oil'), page.text);

    const use = async (action, start, text) => {
      page = describe(await browser.tree());
      return browser.perform(page.refs, { action, ref: refOf(start), text });
    };
    const shows = async (what, text) => {
      page = describe(await browser.tree());
      check(what, page.text.includes(text), page.text);
    };
    await browser.goto('data:text/html;charset=utf-8,' + encodeURIComponent(PAGE_OF_DIALOGS));
    await shows('an alert while the page loads', 'alert dialog "Welcome"\n  button "OK" [e1]');
    await use('click', 'button "OK"');
    check('an action that opens a dialog', await use('click', 'button "Ask"') === 'a dialog opened');
    await shows('a confirm', 'confirm dialog "Really?"');
    await use('click', 'button "Cancel"');
    await shows('a prompt behind it', 'prompt dialog "Who?"\n  textbox "Answer" value="Eve" [e1]');
    await use('type', 'textbox "Answer"', 'Ada');
    await shows('what was answered', 'text "false, Ada"');
    await use('click', 'button "Ask"');
    await use('click', 'button "OK"');
    await use('click', 'button "Cancel"');
    await shows('what was refused', 'text "true, null"');
    await use('type', 'combobox "Town"', 'Bergen');
    await shows('a field with a list takes text', 'combobox "Town" value="Bergen"');
    await use('click', 'combobox "Shade"');
    check('an option of a list of the page\'s own', await use('select', 'listbox "Shades"', 'Blue') === 'done');
    await shows('the option was taken', 'text "Blue"');
    await browser.send('Runtime.evaluate', { expression: 'setTimeout(() => alert("Closing soon"))' }); // of a page that the model has seen
    check('a dialog of a timer', await comes(browser, 'alert', LOAD_MS));
    check('a dialog before the action', await browser.perform(page.refs, { action: 'type', ref: refOf('combobox "Town"'), text: 'Oslo' }) === 'a dialog opened first, nothing was done');
    await use('click', 'button "OK"');
    await shows('nothing was done behind it', 'combobox "Town" value="Bergen"');
  } finally {
    await browser.close();
  }
}

async function selftest(chromium) {
  let passed = 0, failed = 0, skipped = 0;
  const check = (what, holds, why) => {
    console.log(holds ? `ok   ${what}` : `FAIL ${what}: ${typeof why === 'string' ? why : JSON.stringify(why)}`);
    holds ? passed++ : failed++;
  };
  await checkWithoutBrowser(check);
  if (existsSync(chromium)) {
    await checkWithBrowser(chromium, check);
  } else {
    console.log(`skip what needs a browser: ${chromium} is absent (apt-get install chromium)`);
    skipped++;
  }
  console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`);
  return failed ? 1 : 0;
}

// ---- the command -------------------------------------------------------------------------------------------------------------------

async function main() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      selftest: { type: 'boolean' }, server: { type: 'string', default: 'http://127.0.0.1:8080' }, key: { type: 'string' },
      chromium: { type: 'string', default: process.env.CHROMIUM || '/usr/bin/chromium' }, steps: { type: 'string', default: '12' },
    },
  });
  if (values.selftest) return selftest(values.chromium);
  if (positionals.length !== 2) {
    console.error("browser-agent.mjs: name a page and a task: node examples/browser-agent.mjs URL 'TASK'");
    return 2;
  }
  const browser = await Browser.open(values.chromium);
  try {
    await browser.goto(positionals[0]);
    return await run(browser, positionals[1], { server: values.server, key: values.key, steps: Number(values.steps), tell: action => console.log(JSON.stringify(action)) });
  } finally {
    await browser.close();
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.exitCode = await main();

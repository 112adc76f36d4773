// Markdown to HTML, for text that nobody vouches for: every character goes through escape() before it becomes markup, links lead
// to http and https only, and nothing else of the text becomes an attribute. Every prefix of a document gives a result, in time
// linear in its length, since answers are shown while they grow.
//
// Blocks: headings, paragraphs, fences, lists (nested, tasks), tables, quotes, rules, formulas. Inline: code, strong, emphasis, strike, links,
// formulas. A formula becomes its own source in an element of the class "math": maths.js sets it.

const DEEPEST = 12; // lists and quotes within each other
const ENTITY = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
const escape = text => text.replace(/[&<>"']/g, c => ENTITY[c]);

// None begins again at each place of a run: what would match from there has matched from the first one.
const FENCE = /^ {0,3}(`{3,}(?!`)|~{3,}(?!~))([^`]*)$/;
const HEADING = /^ {0,3}(#{1,6})(?: +(.*))?$/s;
const RULE = /^ {0,3}(?:(?:\* *){3,}|(?:- *){3,}|(?:_ *){3,})$/;
const QUOTE = /^ {0,3}> ?/;
const FORMULA = /^ {0,3}(\$\$|\\\[)/;
const ITEM = /^( {0,3})([-*+]|\d{1,9}[.)])(?:( +)(.*))?$/s;

/* ---- inline ---- */

const WORD = /[\p{L}\p{N}]/u;
const SPACE = /\s/;
const LINK = /!?\[((?:[^[\]\\]|\\.){0,1000})\]\(\s{0,99}(https?:\/\/(?:[^\s()<>"]|\([^\s()<>"]{0,500}\)){1,2000})(?:\s{1,99}"[^"]{0,300}")?\s{0,99}\)/iy;
const BARE = /https?:\/\/[^\s<>"'`*]{1,2000}/iy;
const TAGS = { 1: 'em', 2: 'strong' };

// A formula that begins at i: $..$ (no space inside its signs, no word against them: prices are none), $$..$$, \(..\), \[..\]; '' if
// there is none. next: where the closing signs that were looked for stand.
function formulaAt(s, i, next) {
  const two = s.slice(i, i + 2), close = { $$: '$$', '\\(': '\\)', '\\[': '\\]' }[two] || (s[i] === '$' ? '$' : '');
  if (!close) return '';
  const from = i + (close === '$' ? 1 : 2), to = next.get(close) >= from ? next.get(close) : (s.indexOf(close, from) + 1 || Infinity) - 1;
  next.set(close, to);
  if (to <= from || to - from > 5000) return '';
  if (close === '$' && (SPACE.test(s[from]) || SPACE.test(s[to - 1]) || s[to - 1] === '\\' || WORD.test(s[i - 1] || '') || WORD.test(s[to + 1] || ''))) return '';
  return s.slice(i, to + close.length);
}

const link = (url, html) => `<a href="${escape(url)}" target="_blank" rel="noopener noreferrer nofollow">${html}</a>`;

// Emphasis as CommonMark has it, in one pass: a run of * or _ or ~~ that may close looks for the nearest that it can close.
class Emphasis {
  constructor() { this.out = []; this.open = []; this.waiting = { '*': 0, _: 0, '~': 0 }; }
  text(html) { this.out.push({ text: html, after: '' }); }
  run(mark, n, before, next) {
    const left = next && !SPACE.test(next), right = before && !SPACE.test(before);
    const inside = mark === '_' && before && next && WORD.test(before) && WORD.test(next);
    const node = { mark, n, after: '', closed: '' };
    this.out.push(node);
    if (mark === '~' && n !== 2) return;
    if (right && !inside) this.close(node);
    if (node.n && left && !inside) { this.open.push(node); this.waiting[mark]++; }
  }
  close(node) {
    while (node.n && this.waiting[node.mark]) {
      let o;
      while ((o = this.open[this.open.length - 1]).mark !== node.mark) { this.open.pop(); this.waiting[o.mark]--; }
      const k = node.mark === '~' || (o.n > 1 && node.n > 1) ? 2 : 1, tag = node.mark === '~' ? 'del' : TAGS[k];
      o.n -= k; node.n -= k;
      o.after = `<${tag}>` + o.after; node.closed += `</${tag}>`;
      if (!o.n) { this.open.pop(); this.waiting[o.mark]--; }
    }
  }
  html() { return this.out.map(o => o.mark ? (o.closed || '') + o.mark.repeat(o.n) + o.after : o.text).join(''); }
}

function inline(s, links = true) {
  const e = new Emphasis(), closers = new Map();
  let plain = 0, i = 0;
  const flush = () => { if (i > plain) e.text(escape(s.slice(plain, i))); };
  const put = (html, n) => { flush(); e.text(html); i += n; plain = i; };
  while (i < s.length) {
    const c = s[i];
    const formula = c === '$' || c === '\\' ? formulaAt(s, i, closers) : '';
    if (formula) put(`<span class="math">${escape(formula)}</span>`, formula.length);
    else if (c === '\\' && /[\\`*_~#|<>!&{}$+.-]/.test(s[i + 1] || '')) put(escape(s[i + 1]), 2);
    else if (c === '\\' && s[i + 1] === '\n') put('<br>', 2);
    else if (c === '\n') put('<br>', 1);
    else if (c === '`') {
      const n = /^`+/.exec(s.slice(i, i + 64))[0].length, to = closing(s, i + n, n, closers);
      if (to < 0) i += n;
      else { let code = s.slice(i + n, to).replace(/\n/g, ' '); if (code[0] === ' ' && code.endsWith(' ') && /[^ ]/.test(code)) code = code.slice(1, -1); put(`<code>${escape(code)}</code>`, to + n - i); }
    } else if (c === '*' || c === '_' || c === '~') {
      let n = 1; while (s[i + n] === c) n++;
      flush(); e.run(c, n, s[i - 1], s[i + n]); i += n; plain = i;
    } else if (links && ((c === '[' && (i === plain || s[i - 1] !== '\\')) || (c === '!' && s[i + 1] === '['))) {
      LINK.lastIndex = i; const m = LINK.exec(s);
      if (m) put(link(m[2], m[1].trim() ? inline(m[1], false) : escape(m[2])), m[0].length); else i++;
    } else if (links && (c === 'h' || c === 'H') && !WORD.test(s[i - 1] || '')) {
      BARE.lastIndex = i; const m = BARE.exec(s), url = m && m[0].replace(/(?<![.,;:!?)\]}])[.,;:!?)\]}]+$/, t => /\(/.test(m[0]) && t[0] === ')' ? ')' : '');
      if (url && url.length > 8) put(link(url, escape(url)), url.length); else i++;
    } else if (c === '<' && /^<br ?\/?>/i.test(s.slice(i, i + 6))) put('<br>', s.indexOf('>', i) + 1 - i);
    else i++;
  }
  flush();
  return e.html();
}

// Where a code span that opened with n backticks closes, or -1. Remembers what it has not found.
function closing(s, from, n, missing) {
  if (missing.has(n)) return -1;
  for (let at = s.indexOf('`', from); at >= 0; at = s.indexOf('`', at)) {
    let k = 1; while (s[at + k] === '`') k++;
    if (k === n) return at;
    at += k;
  }
  missing.set(n, true);
  return -1;
}

/* ---- blocks ---- */

const indentOf = l => /^ */.exec(l)[0].length;
const startsBlock = l => FENCE.test(l) || HEADING.test(l) || RULE.test(l) || QUOTE.test(l) || ITEM.test(l) || FORMULA.test(l);

function fence(lines, i, out) {
  const m = FENCE.exec(lines[i]), indent = indentOf(lines[i]), body = [], end = new RegExp(`^ {0,3}${m[1][0] === '`' ? '`' : '~'}{${m[1].length},} *$`);
  for (i++; i < lines.length && !end.test(lines[i]); i++) body.push(indentOf(lines[i]) >= indent ? lines[i].slice(indent) : lines[i].trimStart());
  const language = /^[\w+#.-]{1,24}/.exec(m[2].trimStart());
  out.push(`<div class="code"><div class="code-head"><span>${language ? escape(language[0]) : ''}</span><button type="button" class="copy" data-copy="code">Copy</button></div><pre tabindex="0"><code>${escape(body.join('\n'))}\n</code></pre></div>`);
  return i + 1;
}

function quote(lines, i, out, depth) {
  const body = [];
  for (; i < lines.length && (QUOTE.test(lines[i]) || (lines[i].trim() && !startsBlock(lines[i]))); i++) body.push(lines[i].replace(QUOTE, ''));
  out.push(`<blockquote>${blocks(body, depth + 1).join('')}</blockquote>`);
  return i;
}

function list(lines, i, out, depth) {
  const first = ITEM.exec(lines[i]), kind = m => /\d/.test(m[2]) ? m[2].slice(-1) : m[2], items = [];
  let loose = false;
  for (let m; i < lines.length && (m = ITEM.exec(lines[i])) && kind(m) === kind(first) && !RULE.test(lines[i]);) {
    const width = m[1].length + m[2].length + Math.min((m[3] || ' ').length, 4), body = [m[4] || ''];
    for (i++; i < lines.length; i++) {
      const l = lines[i];
      if (!l.trim()) { let k = i; while (k < lines.length && !lines[k].trim()) k++; if (k === lines.length || (indentOf(lines[k]) < width && !ITEM.test(lines[k]))) break; if (indentOf(lines[k]) < width) { const next = ITEM.exec(lines[k]); loose = loose || kind(next) === kind(first); i = k; break; } for (; i < k; i++) body.push(''); i--; }
      else if (indentOf(l) >= Math.min(width, 2) && indentOf(l) > m[1].length) body.push(l.slice(Math.min(width, indentOf(l))));
      else if (!startsBlock(l) && body[body.length - 1].trim()) body.push(l.trim());
      else break;
    }
    const task = /^\[([ xX])\][ \t]+/.exec(body[0]);
    if (task) body[0] = body[0].slice(task[0].length);
    const inner = blocks(body, depth + 1);
    if (body.some((l, k) => !l.trim() && k && k < body.length - 1) && inner.length > 1) loose = loose || inner.filter(h => h.startsWith('<p>')).length > 1;
    items.push({ inner, task });
  }
  const tag = /\d/.test(first[2]) ? 'ol' : 'ul', start = tag === 'ol' && parseInt(first[2], 10) !== 1 ? ` start="${parseInt(first[2], 10)}"` : '';
  const tight = h => h.startsWith('<p>') ? h.slice(3, -4) : h;
  out.push(`<${tag}${start}>${items.map(({ inner, task }) => `<li${task ? ' class="task"' : ''}>${task ? `<span role="img" aria-label="${task[1] === ' ' ? 'open' : 'done'}">${task[1] === ' ' ? '☐' : '☑'}</span> ` : ''}${(loose ? inner : inner.map(tight)).join('')}</li>`).join('')}</${tag}>`);
  return i;
}

function cellsOf(line) {
  const cells = [];
  let cell = '', code = false;
  for (let i = 0; i < line.length; i++) {
    if (line[i] === '\\' && line[i + 1] === '|') { cell += '|'; i++; } else if (line[i] === '|' && !code) { cells.push(cell.trim()); cell = ''; } else { if (line[i] === '`') code = !code; cell += line[i]; }
  }
  cells.push(cell.trim());
  if (cells[0] === '') cells.shift();
  if (cells.length && cells[cells.length - 1] === '') cells.pop();
  return cells;
}

const isDivider = line => line !== undefined && line.includes('-') && /^[|:\- ]+$/.test(line) && cellsOf(line).length > 0 && cellsOf(line).every(c => /^:?-+:?$/.test(c));

function table(lines, i, out) {
  const head = cellsOf(lines[i]), align = cellsOf(lines[i + 1]).map(c => c.endsWith(':') ? c.startsWith(':') ? 'center' : 'right' : '');
  // What a row lacks is one cell, since many short rows below a long head would be more than their text.
  const row = (cells, tag) => `<tr>${cells.slice(0, head.length).map((c, k) => `<${tag}${align[k] ? ` class="${align[k]}"` : ''}>${inline(c)}</${tag}>`).join('')}${cells.length < head.length ? `<td colspan="${head.length - cells.length}"></td>` : ''}</tr>`;
  const body = [];
  for (i += 2; i < lines.length && lines[i].includes('|') && lines[i].trim(); i++) body.push(row(cellsOf(lines[i]), 'td'));
  out.push(`<div class="table" tabindex="0"><table><thead>${row(head, 'th')}</thead><tbody>${body.join('')}</tbody></table></div>`);
  return i;
}

// $$..$$ or \[..\] that has its lines for itself; 0: it has not, and is a paragraph. next: the lines where those end that were looked at.
function formula(lines, i, out, next) {
  const open = FORMULA.exec(lines[i])[1], close = open === '$$' ? '$$' : '\\]', MOST = 200, first = lines[i].trim();
  let k = i;
  if (first.indexOf(close, 2) < 0) {
    for (k = Math.max(i + 1, next[close] || 0); k < lines.length && lines[k].trim() && !lines[k].includes(close);) k++;
    next[close] = k;
  }
  const last = k < i + MOST && lines[k]?.trim();
  if (!last || last.indexOf(close, k === i ? 2 : 0) !== last.length - 2 || (k === i && last.length < 5)) return 0;
  out.push(`<div class="math">${escape(lines.slice(i, k + 1).map(l => l.trim()).join('\n'))}</div>`);
  return k + 1;
}

function paragraph(lines, i, out) {
  const body = [];
  for (; i < lines.length && lines[i].trim() && !(body.length && (startsBlock(lines[i]) || (lines[i].includes('|') && isDivider(lines[i + 1])))); i++) body.push(lines[i].trim());
  out.push(`<p>${inline(body.join('\n'))}</p>`);
  return i;
}

// One string a block, each with one root element.
function blocks(lines, depth) {
  const out = [], next = {};
  for (let i = 0, m; i < lines.length;) {
    const l = lines[i];
    if (!l.trim()) i++;
    else if (depth > DEEPEST) i = paragraph(lines, i, out);
    else if (FENCE.test(l)) i = fence(lines, i, out);
    else if (FORMULA.test(l)) i = formula(lines, i, out, next) || paragraph(lines, i, out);
    else if ((m = HEADING.exec(l))) { out.push(`<h${m[1].length}>${inline((m[2] || '').replace(/(?<! ) +#+ *$/, ''))}</h${m[1].length}>`); i++; }
    else if (RULE.test(l)) { out.push('<hr>'); i++; }
    else if (QUOTE.test(l)) i = quote(lines, i, out, depth);
    else if (ITEM.test(l)) i = list(lines, i, out, depth);
    else if (l.includes('|') && isDivider(lines[i + 1])) i = table(lines, i, out);
    else i = paragraph(lines, i, out);
  }
  return out;
}

const markdownBlocks = text => blocks(text.replace(/\r\n?/g, '\n').replace(/\t/g, '    ').split('\n'), 0);
const renderMarkdown = text => markdownBlocks(String(text)).join('');

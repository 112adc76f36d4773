// Text that comes along with a message: files that are dropped, pasted or chosen, and long pastes. Each is {name, text}; the model gets them
// before the message, in fences.

const attachments = (() => {
  const LARGEST = 4 << 20, PASTED_LINES = 10, PASTED_LENGTH = 2000;
  const shortName = name => [...name.replace(/[\p{C}\p{Z}]+/gu, ' ').trim()].slice(0, 120).join('') || 'file';

  // Throws a Problem that names the file.
  async function read(file) {
    const name = shortName(file.name);
    if (file.size > LARGEST) throw new Problem(`${name} has ${bytesText(file.size)}; up to ${bytesText(LARGEST)} can be attached.`);
    let bytes;
    try { bytes = new Uint8Array(await file.arrayBuffer()); } catch { throw new Problem(`${name} cannot be read.`); }
    const code = bytes[0] === 0xff && bytes[1] === 0xfe ? 'utf-16le' : bytes[0] === 0xfe && bytes[1] === 0xff ? 'utf-16be' : 'utf-8';
    try {
      const text = new TextDecoder(code, { fatal: true }).decode(bytes).replace(/\r\n?/g, '\n');
      if (text.includes('\0')) throw new Error('binary');
      return { name, text };
    } catch { throw new Problem(`${name} is not text; only text can be attached.`); }
  }

  // A fence that nothing in the text closes.
  function fenced({ name, text }) {
    let longest = 2;
    for (const [f] of text.matchAll(/^ {0,3}`{3,}/gm)) longest = Math.max(longest, f.trim().length);
    const fence = '`'.repeat(longest + 1), language = /\.([\w+-]{1,12})$/.exec(name)?.[1] || '';
    return `${name}:\n${fence}${language}\n${text}${text.endsWith('\n') ? '' : '\n'}${fence}`;
  }

  return {
    read,
    isLong: text => text.length >= PASTED_LENGTH || text.split('\n', PASTED_LINES).length >= PASTED_LINES,
    // The message as the model gets it.
    content: turn => [...(turn.files || []).map(fenced), turn.text].filter(Boolean).join('\n\n'),

    // What a message shows of its files: their names, which open.
    view: files => files.map(f => {
      const details = document.createElement('details'), summary = document.createElement('summary'), pre = document.createElement('pre');
      details.className = 'file';
      details.dataset.testid = 'attachment';
      summary.textContent = `${f.name} · ${bytesText(new Blob([f.text]).size)}`;
      pre.tabIndex = 0;
      pre.textContent = f.text;
      details.append(summary, pre);
      return details;
    }),
  };
})();

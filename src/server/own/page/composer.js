// Where messages are written: the text, its attachments, which earlier message is edited, and what was begun before, which waits aside until
// that is done; and the draft of all that, which a reload keeps.

const composer = (() => {
  const input = $('chat-input'), list = $('files');
  let files = [], editing = null, aside = null, id = '', loaded = false, onSend = () => {}, timer = 0, writing = 0;

  const fit = () => { input.style.height = 'auto'; input.style.height = input.scrollHeight + 'px'; };

  /* ---- drafts ---- */

  const draft = () => ({ id, text: input.value, files, editing: editing?.id || null, aside });
  function saveNow() {
    clearTimeout(timer);
    timer = 0;
    writing++;
    store.setDraft(draft()).finally(() => writing--);
  }
  const save = () => { timer ||= setTimeout(saveNow, 150); };
  document.addEventListener('visibilitychange', () => { if (document.hidden && timer) saveNow(); });

  // A page that goes writes no database any more, and ends no writing: its last keys wait in the tab's own storage.
  const LAST = 'stoker.draft';
  addEventListener('pagehide', () => {
    if ((timer || writing) && store.keeps()) try { sessionStorage.setItem(LAST, JSON.stringify(draft())); } catch { /* too large: as it was 150 ms before */ }
  });
  function last(conversation) {
    try {
      const kept = JSON.parse(sessionStorage.getItem(LAST));
      if (kept?.id !== conversation) return null;
      sessionStorage.removeItem(LAST);
      return kept;
    } catch { return null; }
  }

  // Shows what was being written in a conversation; find gives the turn of an id.
  async function load(conversation, find) {
    if (timer) saveNow();
    id = conversation;
    if (loaded) { show('', []); aside = null; } // who types while the page begins goes on
    loaded = true;
    const kept = last(conversation) || await store.draft(conversation);
    if (!kept || id !== conversation || input.value || files.length) return;
    aside = kept.aside;
    show(kept.text, kept.files, kept.editing && find(kept.editing));
    save();
  }

  /* ---- attachments ---- */

  function showFiles() {
    list.replaceChildren(...files.map(f => {
      const li = element('li', { data: { testid: 'file' } }, element('span', { textContent: f.name }), element('span', { className: 'hint', textContent: bytesText(new Blob([f.text]).size) }));
      if (f.pasted) li.append(button('As text', () => { remove(f); insert(f.text); }, { ariaLabel: `Put ${f.name} into the message` }));
      li.append(button('×', () => { remove(f); input.focus(); }, { ariaLabel: `Remove ${f.name}` }));
      return li;
    }));
    list.hidden = files.length === 0;
  }
  const remove = f => { files = files.filter(g => g !== f); showFiles(); save(); };
  const add = f => { files = [...files, f]; showFiles(); save(); say(`${f.name} attached`); };

  async function attach(all) {
    for (const file of all) {
      try { add(await attachments.read(file)); } catch (e) { notice(e.message); }
    }
    input.focus();
  }

  // As if it were typed, so that it can be undone.
  function insert(text) {
    input.focus();
    if (!document.execCommand('insertText', false, text)) { input.setRangeText(text, input.selectionStart, input.selectionEnd, 'end'); fit(); save(); }
  }

  input.addEventListener('paste', e => {
    const pastedFiles = [...e.clipboardData.files], text = e.clipboardData.getData('text/plain');
    if (text ? !attachments.isLong(text) : !pastedFiles.length) return;
    e.preventDefault();
    if (!text) { attach(pastedFiles); return; }
    const n = files.filter(f => f.pasted).length + 1;
    add({ name: `pasted ${n}`, text: text.replace(/\r\n?/g, '\n'), pasted: true });
  });
  $('attach').addEventListener('click', () => $('attach-file').click());
  $('attach-file').addEventListener('change', e => { attach([...e.target.files]); e.target.value = ''; });
  const over = on => e => {
    if (!e.dataTransfer?.types.includes('Files')) return;
    e.preventDefault();
    document.body.classList.toggle('drop', on);
  };
  addEventListener('dragover', over(true));
  addEventListener('dragleave', e => { if (!e.relatedTarget) over(false)(e); });
  addEventListener('drop', e => {
    over(false)(e);
    if (!e.dataTransfer?.files.length || $('composer').hidden || document.querySelector('dialog[open]')) return;
    if ($('chats').contains(e.target)) { const dropped = [...e.dataTransfer.files]; conversations.use(c => c.take(dropped)); } else attach([...e.dataTransfer.files]);
  });

  /* ---- the message ---- */

  function show(text, all, turn = null) {
    input.value = text;
    files = all;
    editing = turn;
    $('editing').hidden = !turn;
    showFiles();
    fit();
  }
  function edit(turn) {
    if (!editing) aside = { text: input.value, files };
    show(turn.text, (turn.files || []).map(f => ({ ...f })), turn);
    save();
    input.focus();
  }
  // The message is sent, or not edited any more: what waited comes back.
  function leave() {
    const { text, files: all } = aside || { text: '', files: [] };
    aside = null;
    show(text, all);
    saveNow();
  }
  function send() {
    const text = input.value, message = { text, files: files.map(({ name, text: t }) => ({ name, text: t })) }, of = editing;
    if ((!text.trim() && !files.length) || chat.running()) return;
    leave();
    onSend(message, of);
  }
  function cancel() {
    leave();
    input.focus();
  }

  input.addEventListener('input', () => { fit(); save(); });
  input.addEventListener('keydown', e => {
    if (e.key === 'Enter' && !e.shiftKey && !e.isComposing) { e.preventDefault(); send(); }
    if (e.key === 'ArrowUp' && input.value === '' && !files.length && !chat.running() && chat.lastQuestion()) { e.preventDefault(); edit(chat.lastQuestion()); }
  });
  $('composer').addEventListener('submit', e => { e.preventDefault(); send(); });
  $('stop-editing').addEventListener('click', cancel);

  return { load, edit, cancel, setId(now) { id = now; }, editing: () => editing !== null, focus: () => input.focus(), onSend(does) { onSend = does; } };
})();

// Keys of the whole page. Those of the composer and of the list stand there.

document.addEventListener('keydown', e => {
  const typing = /^(INPUT|TEXTAREA|SELECT)$/.test(e.target.tagName), dialog = $('settings').open, alone = !e.ctrlKey && !e.metaKey && !e.altKey;
  if (dialog || $('composer').hidden) return;
  if ((e.ctrlKey || e.metaKey) && !e.altKey && !e.shiftKey && e.key.toLowerCase() === 'k') {
    e.preventDefault();
    sheets.show('chats');
    conversations.use(c => c.find());
  } else if (e.key === 'Escape' && !$('chat-menu').matches(':popover-open')) {
    if (sheets.over()) sheets.close(); else if (chat.running()) chat.stop(); else if (composer.editing()) composer.cancel();
  } else if (e.key === '/' && !typing && alone) {
    e.preventDefault();
    composer.focus();
  } else if (e.altKey && !e.ctrlKey && !e.metaKey) {
    const does = { KeyN: () => chat.begin(), KeyS: () => settings.open(), KeyE: () => sheets.toggle('panel'), KeyT: () => sheets.toggle('steering'), KeyL: () => $('open-library').hidden || sheets.toggle('library'), KeyC: () => sheets.toggle('chats') }[e.code];
    if (does) { e.preventDefault(); does(); }
  }
});

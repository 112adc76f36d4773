// Which model answers: its name in the header, or a choice as soon as the server has several.

const models = (() => {
  const name = document.querySelector('[data-testid=model-name]'), select = $('model-choice');
  const nameOf = m => m.display_name || m.id;
  let list = [], chosen = null;

  function choose(m) {
    chosen = m;
    name.textContent = nameOf(m);
    document.title = `${nameOf(m)} · stoker`;
  }
  select.addEventListener('change', () => {
    choose(list[select.selectedIndex]);
    try { localStorage.setItem('stoker.model', chosen.id); } catch { /* for this visit then */ }
  });

  return {
    id: () => chosen?.id,
    show(all) {
      let last = null;
      try { last = localStorage.getItem('stoker.model'); } catch { /* the first then */ }
      list = all;
      choose(list.find(m => m.id === last) || list[0]);
      select.hidden = list.length < 2;
      name.classList.toggle('unseen', list.length > 1);
      select.replaceChildren(...list.map(m => new Option(nameOf(m), m.id, false, m === chosen)));
    },
  };
})();

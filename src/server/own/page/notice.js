// One sentence at the foot of the page, for a while; with a button where something can be undone.

const notice = (() => {
  const place = $('notice');
  let timer = 0;
  const hide = () => { place.hidden = true; place.replaceChildren(); };
  const later = () => { clearTimeout(timer); timer = setTimeout(hide, 8000); };
  for (const e of ['focusin', 'pointerenter']) place.addEventListener(e, () => clearTimeout(timer));
  for (const e of ['focusout', 'pointerleave']) place.addEventListener(e, later);
  return (text, undo) => {
    const words = document.createElement('span');
    words.textContent = text;
    place.replaceChildren(words);
    if (undo) {
      const b = document.createElement('button');
      b.type = 'button';
      b.textContent = 'Undo';
      b.addEventListener('click', () => { hide(); undo(); });
      place.append(b);
    }
    place.hidden = false;
    later();
  };
})();

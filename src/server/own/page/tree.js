// A conversation as a tree of turns: an edited question and another try at an answer stand beside what they replace. What the screen shows
// and the model gets is the path from the root to the leaf.
//
//   turn   {id, parent, role: 'user', text, files: [{name, text}]}
//          {id, parent, role: 'assistant', state: streaming|done|error, text, reasoning, calls: [{id, name, args, result}], meta, error, asked, beside, lookups, sources, cut}
//
// asked: the fields of the request, so that it can be asked again; beside: the id of the answer, without steering, that it is compared with;
// lookups: [{type: search|open, subject, found}] in the library, found: passages; sources: [{n, title, url}] that it cites;
// cut: it was still streaming when this tab read it, so that another one may be writing it: never kept.
// parent is the id of a turn that stands before it in the list, or null.

const newId = () => [...crypto.getRandomValues(new Uint8Array(9))].map(b => b.toString(16).padStart(2, '0')).join('');

class Tree {
  constructor(turns = [], leaf = null) {
    this.turns = turns;
    this.leaf = this.find(leaf) || turns[turns.length - 1] || null;
    this.chosen = new Map(); // id of a parent: the child that was last shown
  }

  // The same turns, each behind its parent; without those that have none.
  static inOrder(turns) {
    const out = [], placed = new Set([null]), waiting = new Map();
    const place = first => {
      for (const stack = [first]; stack.length;) {
        const t = stack.pop();
        if (placed.has(t.id)) continue;
        out.push(t);
        placed.add(t.id);
        stack.push(...(waiting.get(t.id) || []).reverse());
        waiting.delete(t.id);
      }
    };
    for (const t of turns) {
      if (placed.has(t.parent)) place(t); else waiting.set(t.parent, [...(waiting.get(t.parent) || []), t]);
    }
    return out;
  }

  find(id) { return this.turns.find(t => t.id === id); }
  children(id) { return this.turns.filter(t => t.parent === id); }
  // Without those that stand beside another one, where they are seen already.
  siblings(turn) {
    const all = this.children(turn.parent);
    return all.filter(t => t === turn || !all.some(o => o.beside === t.id));
  }

  path(leaf = this.leaf) {
    const byId = new Map(this.turns.map(t => [t.id, t])), out = [];
    for (let t = leaf; t; t = byId.get(t.parent)) out.push(t);
    return out.reverse();
  }

  add(turn, parent) {
    Object.assign(turn, { id: newId(), parent: parent ? parent.id : null });
    this.turns.push(turn);
    this.chosen.set(turn.parent, turn);
    this.leaf = turn;
    return turn;
  }

  // Shows this turn, and below it what was shown there last, or came last.
  choose(turn) {
    for (const t of this.path()) this.chosen.set(t.parent, t);
    this.chosen.set(turn.parent, turn);
    for (let next = turn; next; next = this.chosen.get(next.id) || this.children(next.id).pop()) this.leaf = next;
  }

  // What is kept of it: the fields of turns, without their elements.
  plain() {
    const FIELDS = ['id', 'parent', 'role', 'text', 'files', 'state', 'reasoning', 'thoughtFor', 'calls', 'meta', 'error', 'stopped', 'asked', 'beside', 'lookups', 'sources', 'cut'];
    return { turns: this.turns.map(t => Object.fromEntries(FIELDS.filter(f => t[f] !== undefined).map(f => [f, t[f]]))), leaf: this.leaf?.id || null };
  }

  title() {
    const first = this.turns.find(t => t.role === 'user'), line = first?.text.split('\n').map(l => l.trim()).find(Boolean);
    return (line || first?.files?.[0]?.name || 'New chat').slice(0, 100);
  }
}

// What is said while no word of an answer is there: what the model does, how much of the prompt it has read, and how long that will take.

class Progress {
  constructor(turn) {
    this.words = document.createElement('span');
    this.element = document.createElement('div');
    this.element.className = 'waiting';
    this.element.dataset.testid = 'progress';
    this.element.append(this.words);
    turn.append(this.element);
  }

  say(text) {
    this.text = text;
    this.ready = 0;
    this.draw();
  }

  // p: {total, cache, processed, time_ms}, of tokens.
  prompt(p) {
    const computed = p.processed - (p.cache || 0), count = n => n.toLocaleString('en');
    this.text = `Reading the prompt: ${count(p.processed)} of ${count(p.total)} tokens`;
    this.ready = computed > 0 && p.time_ms > 0 ? performance.now() + (p.total - p.processed) * p.time_ms / computed : 0;
    if (!this.bar) {
      this.bar = Object.assign(document.createElement('progress'), { ariaLabel: 'Prompt read' });
      this.element.append(this.bar);
    }
    Object.assign(this.bar, { max: p.total, value: p.processed });
    this.timer ||= setInterval(() => this.draw(), 1000); // the next part may take long: time left goes on
    this.draw();
  }

  draw() {
    const left = this.ready ? Math.max(0, this.ready - performance.now()) / 1000 : 0;
    const time = left < 1 ? '' : left < 90 ? ` · ${Math.round(left)} s left` : ` · ${Math.round(left / 60)} min left`;
    this.words.textContent = this.text + time;
  }

  remove() {
    clearInterval(this.timer);
    this.element.remove();
  }
}

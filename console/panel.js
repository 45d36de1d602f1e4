// One transport's panel: shows a reader and cuts or resumes it. All text goes in by textContent.
// Deliberately absent: any knowledge of connections.

/** Messages, gaps and interruptions that the list keeps. */
const ROWS = 30;

const STATES = {
  connecting: 'Connecting',
  open: 'Open',
  cut: 'Cut: messages pile up in the log',
  resuming: 'Resuming from the position',
  waiting: 'Lost, will resume',
  ended: 'The channel has ended',
  refused: 'Refused',
};

const REASONS = {
  expired: 'no longer retained',
  epoch_changed: 'the log was lost, a new epoch began',
  forgotten: 'the idle channel was forgotten',
  unknown_cursor: 'the position is unknown',
  too_slow: 'the reader was too slow',
  broker_loss: 'lost on the way to this node',
};

const MARKS = {
  history: 'history',
  'caught-up': 'caught up',
  repeated: 'twice',
  late: 'out of order',
  jump: 'after a hole',
  ephemeral: 'ephemeral',
};

export class Panel {
  #fields = {};
  #waiting = [];
  #frame = null;
  #reader = null;
  #ticker = null;

  /** Adds a panel for `transport` to `parent`; `toggled` is called when its button is pressed. */
  constructor(parent, transport, toggled) {
    const section = document.getElementById('panel').content.cloneNode(true).firstElementChild;
    section.dataset.transport = transport.id;
    for (const node of section.querySelectorAll('[data-field]')) this.#fields[node.dataset.field] = node;
    const { title, rows, toggle, state } = this.#fields;
    title.textContent = transport.title;
    title.id = `${transport.id}-title`;
    section.setAttribute('aria-labelledby', title.id);
    state.setAttribute('aria-label', `${transport.title}: state`);
    rows.setAttribute('aria-label', `${transport.title}: newest messages`);
    toggle.addEventListener('click', () => toggled());
    this.section = section;
    parent.append(section);
  }

  /** Shows another reading, with nothing of the one before. */
  show(reader, requestLine) {
    this.#reader = reader;
    this.#waiting = [];
    this.#fields.rows.replaceChildren();
    this.#fields.request.textContent = requestLine;
    this.changed();
  }

  /** Adds an entry at the top of the list. */
  add(entry) {
    this.#waiting.push(entry);
    if (this.#waiting.length > ROWS) this.#waiting.shift();
    this.changed();
  }

  /** Shows an entry that has changed. */
  amend(entry) {
    if (entry.row) fillRow(entry.row, entry);
  }

  /** Figures or state have changed: drawn once per frame. */
  changed() {
    this.#frame ??= requestAnimationFrame(() => this.#draw());
  }

  #draw() {
    this.#frame = null;
    this.#drawRows();
    this.#drawState();
    this.#drawFigures();
  }

  #drawRows() {
    const { rows } = this.#fields;
    rows.prepend(...this.#waiting.map(rowOf).reverse());
    this.#waiting = [];
    while (rows.children.length > ROWS) rows.lastElementChild.remove();
  }

  #drawState() {
    const { state, notice } = this.#reader;
    const { toggle } = this.#fields;
    this.section.dataset.state = state;
    setText(this.#fields.state, [STATES[state], notice].filter(Boolean).join(' – '));
    const cuttable = ['connecting', 'open', 'resuming'].includes(state);
    setText(toggle, cuttable ? 'Cut' : 'Resume');
    toggle.setAttribute('aria-label', `${toggle.textContent} ${this.#fields.title.textContent}`);
    toggle.disabled = state === 'ended';
    this.#drawCountdown();
  }

  #drawCountdown() {
    const { retryAt } = this.#reader;
    const seconds = retryAt && Math.max(0, Math.ceil((retryAt - Date.now()) / 1000));
    setText(this.#fields.countdown, retryAt ? ` in ${seconds} s` : '');
    clearTimeout(this.#ticker);
    if (retryAt) this.#ticker = setTimeout(() => this.#drawCountdown(), 250);
  }

  #drawFigures() {
    const reader = this.#reader;
    const { check } = this.#fields;
    setText(this.#fields.messages, (reader.ledger.messages + reader.ledger.ephemeral).toLocaleString('en'));
    setText(this.#fields.requests, reader.requests.toLocaleString('en'));
    setText(this.#fields.bytes, formatBytes(reader.bytes));
    setText(this.#fields.latency, formatMs(reader.latencies.at(-1)));
    setText(this.#fields.median, formatMs(median(reader.latencies)));
    setText(this.#fields.position, reader.position ?? '–');
    const { grade, text } = reader.ledger.verdict();
    check.dataset.grade = grade;
    setText(check, text);
  }
}

function setText(node, text) {
  // An unchanged text set again would be read out again.
  if (node.textContent !== text) node.textContent = text;
}

function rowOf(entry) {
  const row = document.createElement('li');
  entry.row = row;
  fillRow(row, entry);
  return row;
}

function fillRow(row, entry) {
  row.dataset.kind = entry.kind;
  if (entry.kind === 'message') {
    row.dataset.mark = entry.mark;
    row.dataset.offset = entry.offset ?? '';
    row.replaceChildren(...messageParts(entry));
  } else {
    row.replaceChildren(part('told', NOTES[entry.kind](entry)));
  }
}

function messageParts({ offset, event, text, mark, latency }) {
  const parts = [part('offset', offset ?? '–')];
  if (event) parts.push(part('name', event));
  parts.push(part('payload', text), part('mark', MARKS[mark] ?? formatMs(latency)));
  return parts;
}

const NOTES = {
  interruption: ({ why, position, open, lasted, caughtUp }) =>
    open
      ? `${why} at ${position}`
      : `${why} at ${position} for ${(lasted / 1000).toFixed(1)} s · ${caughtUp} caught up`,
  gap: ({ old, epoch, from, to, reason }) =>
    `Gap: ${REASONS[reason] ?? reason} (${reason}) · lost: ${lostRange(old, epoch, from, to)}`,
  skip: ({ from, to }) => `Skipped ${from} to ${to}: not for this reader`,
  closed: ({ epoch, offset }) => `The channel ended at ${epoch}-${offset}`,
};

function lostRange(old, epoch, from, to) {
  if (from !== null && from !== undefined) return `${from} to ${to} of ${epoch}`;
  const behind = old ? `what followed ${old.epoch}-${old.offset}` : 'an unknown number';
  return `${behind}; goes on after ${epoch}-${to}`;
}

function part(name, text) {
  const node = document.createElement('span');
  node.className = name;
  node.textContent = text;
  return node;
}

function formatBytes(bytes) {
  if (bytes < 1000) return `${bytes} B`;
  if (bytes < 1e6) return `${(bytes / 1000).toFixed(1)} kB`;
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

function formatMs(ms) {
  if (ms === undefined || ms === null) return '–';
  if (Math.abs(ms) < 1) return '< 1 ms';
  return `${Math.round(ms).toLocaleString('en')} ms`;
}

function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor((sorted.length - 1) / 2)];
}

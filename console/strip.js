// The picture of the log: its newest offsets as cells, and each reader's position as a line that
// ends where the reader stands. Offsets only; it knows no message.

import { formatPosition, parsePosition } from './protocol.js';

const CELL_PX = 30;
const DIGIT_PX = 7.5;

export class Strip {
  /** The newest place in the log that anybody here heard of. */
  #end = null;
  #cells;
  #lanes;
  #frame = null;
  #readers = [];
  #drawn = '';

  /** Draws into `parent`, with one lane for each of `transports`. */
  constructor(parent, transports) {
    this.#cells = element('div', 'cells');
    this.#cells.setAttribute('aria-hidden', 'true');
    this.#lanes = transports.map((transport) => new Lane(transport));
    parent.append(this.#cells, ...this.#lanes.map(({ node }) => node));
    new ResizeObserver(() => this.changed()).observe(this.#cells);
  }

  /** Follows other readers, of another channel. */
  show(readers) {
    this.#readers = readers;
    this.#end = null;
    this.changed();
  }

  /** Notes a place in the log. */
  reached(place) {
    const newer = this.#end?.epoch !== place.epoch || place.offset > this.#end.offset;
    if (newer) this.#end = { epoch: place.epoch, offset: place.offset };
    this.changed();
  }

  /** The end of the log as far as it is known, or null. */
  get end() {
    return this.#end && formatPosition(this.#end);
  }

  /** A position has changed: drawn once per frame. */
  changed() {
    this.#frame ??= requestAnimationFrame(() => this.#draw());
  }

  #draw() {
    this.#frame = null;
    const end = this.#end?.offset ?? 0;
    const width = Math.max(CELL_PX, String(end).length * DIGIT_PX + 10);
    const count = Math.max(5, Math.floor(this.#cells.clientWidth / width));
    const first = Math.max(1, end - count + 2);
    this.#drawCells(first, count, end);
    this.#lanes.forEach((lane, index) => lane.draw(this.#readers[index], this.#end, first, count));
  }

  #drawCells(first, count, end) {
    const wanted = `${first} ${count} ${end} ${this.#end?.epoch}`;
    if (wanted === this.#drawn) return;
    this.#drawn = wanted;
    const offsets = Array.from({ length: count }, (_, index) => first + index);
    this.#cells.replaceChildren(...offsets.map((offset) => {
      const cell = element('span', 'cell');
      cell.classList.toggle('written', offset <= end);
      cell.classList.toggle('newest', offset === end);
      if (offset <= end) cell.textContent = offset;
      return cell;
    }));
  }
}

/** One reader's line. */
class Lane {
  #track = element('div', 'track');
  #line = element('div', 'line');
  #place = element('span', 'lane-place');

  constructor(transport) {
    const name = element('span', 'lane-name');
    name.textContent = transport.title;
    this.#track.append(this.#line);
    this.node = element('div', 'lane');
    this.node.dataset.transport = transport.id;
    this.node.append(name, this.#track, this.#place);
  }

  draw(reader, end, first, count) {
    const here = reader?.position ? parsePosition(reader.position) : null;
    const current = here && end && here.epoch === end.epoch;
    const read = current ? Math.min(count, Math.max(0, here.offset - first + 1)) : 0;
    const written = end ? Math.min(count, end.offset - first + 1) : 0;
    // Set from here, not in the markup: the page's policy allows no style attributes.
    this.#track.style.setProperty('--read', read / count);
    this.#track.style.setProperty('--written', written / count);
    this.#track.dataset.state = reader?.state ?? 'connecting';
    this.#track.dataset.behind = written > read;
    this.#place.textContent = this.#words(here, current, end, reader);
  }

  #words(here, current, end, reader) {
    if (!here) return '';
    if (!current) return `${formatPosition(here)}, old epoch`;
    const behind = end.offset - here.offset;
    const where = behind > 0 ? `${behind} behind` : 'at the end';
    return reader.state === 'open' ? where : `${reader.state}, ${where}`;
  }
}

function element(tag, className) {
  const node = document.createElement(tag);
  node.className = className;
  return node;
}

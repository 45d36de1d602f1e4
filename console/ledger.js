// Judges what a reader got by its offsets alone: every offset once and in order, or told as lost.
// It believes no counter of the server and repairs nothing.

export class Ledger {
  /** Messages with an offset. */
  messages = 0;
  /** Messages without a place in the log. */
  ephemeral = 0;
  /** Gaps that were told. */
  gaps = 0;
  /** Offsets told as lost; a gap may not know how many. */
  lost = 0;
  /** Whether a gap could not say how much it lost. */
  lostUnknown = false;
  /** Offsets that came more than once. */
  repeated = 0;
  /** Messages that came after one that stands behind them. */
  disorder = 0;
  /** Changes of epoch that no gap told. */
  epochJumps = 0;
  #place = null;
  /** Ranges passed over without a word. */
  #missing = [];

  /** The place after which the reading starts; known once. */
  begin(place) {
    this.#place ??= { epoch: place.epoch, offset: place.offset };
  }

  /** Offsets that neither came nor were told as lost. */
  get missing() {
    return this.#missing.reduce((sum, [from, to]) => sum + to - from + 1, 0);
  }

  /** Whether `place` follows on what came before. */
  isNext({ epoch, offset }) {
    return !this.#place || (epoch === this.#place.epoch && offset <= this.#place.offset + 1);
  }

  /** Enters a message: `next`, `repeated`, `late`, `jump` or `ephemeral`. */
  message({ epoch, offset }) {
    if (offset === undefined) {
      this.ephemeral += 1;
      return 'ephemeral';
    }
    this.messages += 1;
    this.begin({ epoch, offset: offset - 1 });
    if (epoch === this.#place.epoch && offset <= this.#place.offset) return this.#old(offset);
    return this.#advance(epoch, offset, offset) ? 'next' : 'jump';
  }

  /** Enters a gap. */
  gap({ epoch, from, to }) {
    this.gaps += 1;
    if (from === null || from === undefined) {
      this.lostUnknown = true;
    } else {
      this.lost += to - from + 1;
      if (this.#place?.epoch === epoch) this.#pass(from - 1);
    }
    this.#place = { epoch, offset: to };
  }

  /** Enters offsets that are not for this reader. */
  skip({ epoch, from, to }) {
    this.#advance(epoch, from, to);
  }

  /** Enters the end of the channel, which has an offset of its own. */
  closed({ epoch, offset }) {
    if (offset > (this.#place?.offset ?? 0)) this.#advance(epoch, offset, offset);
  }

  #advance(epoch, from, to) {
    const sameEpoch = !this.#place || this.#place.epoch === epoch;
    if (!sameEpoch) this.epochJumps += 1;
    const next = sameEpoch && (!this.#place || from === this.#place.offset + 1);
    if (sameEpoch && this.#place) this.#pass(from - 1);
    this.#place = { epoch, offset: to };
    return next;
  }

  /** Notes everything up to `to` that did not come. */
  #pass(to) {
    const from = this.#place.offset + 1;
    if (from <= to) this.#missing.push([from, to]);
  }

  #old(offset) {
    const at = this.#missing.findIndex(([from, to]) => from <= offset && offset <= to);
    if (at < 0) {
      this.repeated += 1;
      return 'repeated';
    }
    const [from, to] = this.#missing[at];
    const rest = [[from, offset - 1], [offset + 1, to]].filter(([a, b]) => a <= b);
    this.#missing.splice(at, 1, ...rest);
    this.disorder += 1;
    return 'late';
  }

  /** The judgement in one line, and whether it is `good`, `told` (losses, each of them told) or `bad`. */
  verdict() {
    const untold = this.missing + this.epochJumps;
    const bad = untold + this.disorder + this.repeated > 0;
    const parts = [
      count(this.messages, 'message'),
      this.disorder ? `${this.disorder} out of order` : 'in order',
      untold ? `${untold} missing, untold` : this.#lossText(),
      this.repeated ? `${this.repeated} twice` : 'none twice',
    ];
    return { grade: bad ? 'bad' : this.gaps ? 'told' : 'good', text: parts.join(' · ') };
  }

  #lossText() {
    if (this.gaps === 0) return 'none lost';
    if (this.lostUnknown) return `${count(this.gaps, 'gap')}, told`;
    return `${this.lost} lost, told`;
  }
}

function count(number, noun) {
  return `${number.toLocaleString('en')} ${noun}${number === 1 ? '' : 's'}`;
}

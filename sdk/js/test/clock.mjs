// Time that passes when a test says so. Timers of the code under test are counted; those of the test's own fakes are not.

import { setImmediate } from 'node:timers';

const real = { setTimeout, clearTimeout, setInterval, clearInterval, now: Date.now };

export class Clock {
  now = 1_700_000_000_000;
  #timers = new Map();
  #next = 1;

  constructor() {
    globalThis.setTimeout = (act, ms = 0, ...given) => this.#add(() => act(...given), ms, true);
    globalThis.setInterval = (act, ms = 0) => this.#add(act, ms, true, Math.max(1, ms));
    globalThis.clearTimeout = globalThis.clearInterval = (id) => void this.#timers.delete(id);
    Date.now = () => this.now;
  }

  restore() {
    const { now, ...timers } = real;
    Object.assign(globalThis, timers);
    Date.now = now;
  }

  /** How many timers the code under test waits for. */
  get pending() {
    return [...this.#timers.values()].filter(({ counted }) => counted).length;
  }

  /** A timer of a fake. */
  later(act, ms) {
    return this.#add(act, ms, false);
  }

  /** Lets time pass, with everything that falls due in its order, and all promises in between. */
  async advance(ms) {
    const until = this.now + ms;
    await this.settle();
    for (;;) {
      let due;
      for (const timer of this.#timers.values()) if (timer.at <= until && (!due || timer.at < due.at || (timer.at === due.at && timer.id < due.id))) due = timer;
      if (!due) break;
      this.now = Math.max(this.now, due.at);
      if (due.every) due.at += due.every;
      else this.#timers.delete(due.id);
      due.act();
      await this.settle();
    }
    this.now = until;
  }

  /** The machine slept: timers fire late. */
  async sleep(ms) {
    this.now += ms;
    await this.advance(0);
  }

  /** Lets promises settle. */
  settle() {
    return new Promise((resolve) => setImmediate(resolve));
  }

  #add(act, ms, counted, every) {
    const id = this.#next++;
    this.#timers.set(id, { id, act, at: this.now + Math.max(0, ms), counted, every });
    return id;
  }
}

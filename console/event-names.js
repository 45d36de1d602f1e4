// The event names that were used on the channel, as far as this page heard: a native EventSource
// hands over only the names it was told of.

export class EventNames {
  #names = new Set();
  #listeners = new Set();

  /** Adds a name and tells who follows; `place` is where it was heard, if it was. */
  learn(name, place = null) {
    if (!name || this.#names.has(name)) return;
    this.#names.add(name);
    for (const listener of this.#listeners) listener(name, place);
  }

  /** Calls `listener` with every name, now and later, until the returned function is called. */
  follow(listener) {
    for (const name of this.#names) listener(name, null);
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}

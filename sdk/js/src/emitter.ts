// Listeners by name.

import { whenAborted } from "./signals.ts";

export type Listener<Value> = (value: Value) => void;

/** Takes listeners, and calls those of a name in their order. One that throws does not keep the others from hearing. */
export class Emitter {
  #listeners = new Map<string, Set<Listener<never>>>();
  #count = 0;

  get count(): number {
    return this.#count;
  }

  add(name: string, listener: Listener<never>, signal?: AbortSignal): () => void {
    if (signal?.aborted) return () => {};
    let set = this.#listeners.get(name);
    if (!set) this.#listeners.set(name, (set = new Set()));
    // The same function twice is two listeners.
    const own: Listener<never> = (value) => listener(value);
    set.add(own);
    this.#count++;
    const remove = (): void => {
      if (!set.delete(own)) return;
      if (!set.size) this.#listeners.delete(name);
      this.#count--;
      forget();
      this.emptied?.();
    };
    const forget = whenAborted(remove, signal);
    return remove;
  }

  /** Called after a listener was removed. */
  emptied?: () => void;

  clear(): void {
    for (const set of this.#listeners.values()) set.clear();
    this.#listeners.clear();
    this.#count = 0;
  }

  emit(name: string, value: unknown): boolean {
    const set = this.#listeners.get(name);
    if (!set) return false;
    for (const listener of [...set]) {
      try {
        listener(value as never);
      } catch (error) {
        // It is the application's, and shown where its other errors are.
        queueMicrotask(() => {
          throw error;
        });
      }
    }
    return true;
  }
}

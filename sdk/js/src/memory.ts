// Which rung worked, kept for a short time and for one kind of network, so that a reload does not go down the ladder again.

import type { Memory } from "./link.ts";

interface Kept {
  name: string;
  network: string;
  until: number;
}

const network = (): string => String((globalThis.navigator as { connection?: { type?: string } } | undefined)?.connection?.type);

/** Nothing where there is no `sessionStorage`, or it is forbidden. */
export function rungMemory(url: string, remember: number): Memory | undefined {
  const key = `tidings.rung ${url}`;
  const tried = <Value>(act: (storage: Storage) => Value): Value | undefined => {
    try {
      return act(sessionStorage);
    } catch {
      return undefined;
    }
  };
  return {
    get: () =>
      tried((storage) => {
        const kept = JSON.parse(storage.getItem(key) ?? "null") as Kept | null;
        return kept && kept.until > Date.now() && kept.network === network() ? kept.name : undefined;
      }),
    set: (name) =>
      tried((storage) =>
        name === undefined ? storage.removeItem(key) : storage.setItem(key, JSON.stringify({ name, network: network(), until: Date.now() + remember } satisfies Kept)),
      ),
  };
}

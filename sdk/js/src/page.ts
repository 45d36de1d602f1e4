// What a browser tells of its network and of the page: when it is worth trying now, and when nothing should be done at all.

import type { Extension } from "./engine.ts";

/** A page that was hidden for longer may have lost its connection without a word. */
const HIDDEN = 25_000;

type Target = EventTarget | undefined;

/** Where there is no page it watches what there is. */
export const page: Extension = ({ link, places }, signal) => {
  const global = globalThis as { document?: Document & EventTarget; addEventListener?: unknown; navigator?: { connection?: EventTarget } };
  const { document } = global;
  const scope = (typeof global.addEventListener === "function" ? globalThis : undefined) as Target;
  let hidden = 0;
  const listen = (target: Target, names: string, act: (event: Event) => void): void => {
    for (const name of names.split(" ")) target?.addEventListener(name, (event) => places.size && act(event), { signal });
  };
  const resume = (): void => {
    link.start();
    link.refresh();
  };
  listen(scope, "online", () => link.networkChanged());
  listen(global.navigator?.connection, "change", () => link.networkChanged());
  listen(document, "visibilitychange", () => {
    const since = hidden;
    hidden = document?.visibilityState === "hidden" ? Date.now() : 0;
    if (hidden) return;
    if (since && Date.now() - since > HIDDEN) link.refresh();
    else link.climb();
  });
  // A frozen page hears nothing, and a connection of it would look alive to the server.
  listen(document, "freeze", () => link.suspend());
  listen(document, "resume", resume);
  listen(scope, "pagehide", (event) => (event as PageTransitionEvent).persisted && link.suspend());
  listen(scope, "pageshow", (event) => (event as PageTransitionEvent).persisted && resume());
};

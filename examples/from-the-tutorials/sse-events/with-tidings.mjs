// The EventSource stays, with another address; the server sends ids, heartbeats and what was missed.
import { EventSource } from "eventsource";

export const send = (url, data) =>
  fetch(`${url}/channels/news?event=update`, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(data) });

export function follow(url, connected, show) {
  const source = new EventSource(`${url}/channels/news`);
  source.addEventListener("$hello", connected);
  source.addEventListener("update", (event) => show(JSON.parse(event.data).data));
  return () => source.close();
}

// The client with the transports and extensions that it is given, for bundles that count bytes: `new Tidings(url, { transports: [websocket] })`.
// Over a WebSocket alone it publishes while it reads; with `extensions: [posting]` also without that, and what is large. The other
// transports bring it with them.

export { Tidings, type CoreOptions } from "./client.ts";
export { Channel } from "./channel.ts";
export { TidingsError } from "./errors.ts";
export { page } from "./page.ts";
export { posting } from "./posting.ts";
export { websocket } from "./transports/websocket.ts";
export { sse, ssePost } from "./transports/stream.ts";
export { longPoll, poll } from "./transports/polling.ts";
export type { Engine, Extension } from "./engine.ts";
export type { Connection, Transport } from "./transport.ts";
export type * from "./types.ts";

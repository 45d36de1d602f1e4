// The client with the transports and extensions that it is given, for bundles that count bytes: `new Tidings(url, { transports: [websocket] })`.

export { Tidings, type CoreOptions } from "./client.ts";
export { Channel } from "./channel.ts";
export { TidingsError } from "./errors.ts";
export { page } from "./page.ts";
export { websocket } from "./transports/websocket.ts";
export { sse, ssePost } from "./transports/stream.ts";
export { longPoll, poll } from "./transports/polling.ts";
export type { Engine, Extension } from "./engine.ts";
export type { Connection, Transport } from "./transport.ts";
export type * from "./types.ts";

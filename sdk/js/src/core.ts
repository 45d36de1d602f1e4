// The client with the transports that it is given, for bundles that count bytes: `new Tidings(url, { transports: [websocket] })`.

export { Tidings, type CoreOptions, type MemberList } from "./client.ts";
export { Channel } from "./channel.ts";
export { TidingsError } from "./errors.ts";
export { Peer, type RequestOptions } from "./inbox.ts";
export { websocket } from "./transports/websocket.ts";
export { sse, ssePost } from "./transports/stream.ts";
export { longPoll, poll } from "./transports/polling.ts";
export type { Connection, Transport } from "./transport.ts";
export type * from "./types.ts";

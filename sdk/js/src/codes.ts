/**
 * The codes of the server's refusals, made from its table by
 * `BLESS=1 cargo test -p conformance --test codes`: the HTTP status, the close code of a WebSocket,
 * and whether the same request may work later.
 */
export const codes = {
  /** The request cannot be understood. */
  bad_request: { status: 400, close: 4000, temporary: false },
  /** The channel's name is not valid. */
  invalid_name: { status: 400, close: 4001, temporary: false },
  /** A parameter has a value that it cannot have. */
  invalid_parameter: { status: 400, close: 4002, temporary: false },
  /** A query parameter is not known. */
  unknown_parameter: { status: 400, close: 4002, temporary: false },
  /** The payload is not what it says it is. */
  invalid_payload: { status: 400, close: 4004, temporary: false },
  /** The event name is not valid. */
  invalid_event: { status: 400, close: 4005, temporary: false },
  /** The idempotency key is not valid. */
  invalid_key: { status: 400, close: 4006, temporary: false },
  /** The command is not known, or not whole. */
  invalid_command: { status: 400, close: 4007, temporary: false },
  /** More channels than one connection may read. */
  too_many_channels: { status: 400, close: 4008, temporary: false },
  /** More messages than one batch may hold. */
  batch_too_large: { status: 400, close: 4009, temporary: false },
  /** The connection reads the channel already. */
  already_subscribed: { status: 400, close: 4010, temporary: false },
  /** The connection does not read the channel. */
  not_subscribed: { status: 400, close: 4011, temporary: false },
  /** The WebSocket handshake is not valid. */
  bad_handshake: { status: 400, close: 4012, temporary: false },
  /** More pings and pongs, or more that inflates, than a connection is worth. */
  too_many_frames: { status: 400, close: 1008, temporary: false },
  /** Who asks is not known: no token or key came, or none that is good. */
  unauthorized: { status: 401, close: 4021, temporary: false },
  /** The token has ended; another one is needed. */
  token_expired: { status: 401, close: 4022, temporary: false },
  /** The token, the user or the client was revoked. */
  revoked: { status: 401, close: 4023, temporary: false },
  /** The channel may not be read or written. */
  forbidden: { status: 403, close: 4003, temporary: false },
  /** The request comes from a page of a site that is not allowed. */
  origin_not_allowed: { status: 403, close: 4013, temporary: false },
  /** The server does not answer under this name. */
  host_not_allowed: { status: 403, close: 4014, temporary: false },
  /** There is nothing here. */
  not_found: { status: 404, close: 4015, temporary: false },
  /** The method does not fit here. */
  method_not_allowed: { status: 405, close: 4016, temporary: false },
  /** The request took too long to arrive. */
  request_timeout: { status: 408, close: 4101, temporary: true },
  /** The channel has ended. */
  channel_closed: { status: 409, close: 4017, temporary: false },
  /** The message is too large. */
  message_too_large: { status: 413, close: 1009, temporary: false },
  /** The request's body is too large. */
  body_too_large: { status: 413, close: 1009, temporary: false },
  /** The idempotency key was used for another message. */
  key_reused: { status: 422, close: 4018, temporary: false },
  /** The answer needs a WebSocket handshake. */
  upgrade_required: { status: 426, close: 4019, temporary: false },
  /** Too much in too little time; later is right. */
  too_many_requests: { status: 429, close: 4100, temporary: true },
  /** The request's head is too large. */
  head_too_large: { status: 431, close: 4020, temporary: false },
  /** Something broke in the server. */
  internal: { status: 500, close: 1011, temporary: true },
  /** The server is full. */
  server_full: { status: 503, close: 4102, temporary: true },
  /** The broker does not answer. */
  broker_unavailable: { status: 503, close: 1013, temporary: true },
  /** The application that decides who may does not answer. */
  authorizer_unavailable: { status: 503, close: 4103, temporary: true },
  /** The server is going away. */
  stopping: { status: 503, close: 1001, temporary: true },
  /** Nothing was heard of the client for too long. */
  no_heartbeat: { status: 408, close: 4201, temporary: true },
  /** The reader fell too far behind, and its channel ends such readings. */
  too_slow: { status: 409, close: 4203, temporary: true },
  /** The operator ended the connection; it may come back. */
  disconnected: { status: 409, close: 4104, temporary: true },
  /** Messages were lost and the raw format cannot say so. */
  raw_gap: { status: 409, close: 4202, temporary: true },
} as const;

/** A code of the table. */
export type Code = keyof typeof codes;

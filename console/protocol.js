// The words of the wire contract that every part of the page needs: URLs, positions, payloads.
// Deliberately absent: connections and anything that is shown.

/** Whether a name can stand in a path, as one segment. */
export function fitsPath(channel) {
  return !channel.includes('/') && channel !== '.' && channel !== '..';
}

/** The URL of a channel, relative to the page; names that cannot stand in a path go by `name=`. */
export function channelUrl(channel, query = {}) {
  const inPath = fitsPath(channel);
  const parameters = new URLSearchParams(inPath ? {} : { name: channel });
  for (const [key, value] of Object.entries(query)) parameters.set(key, value);
  const path = inPath ? `channels/${pathSegment(channel)}` : 'channels';
  const search = String(parameters);
  return new URL(search ? `${path}?${search}` : path, document.baseURI);
}

// RFC 3986 section 3.3 lets these stand; escaping them would only hide the name. A quote would end
// the argument of a shell.
function pathSegment(channel) {
  return encodeURIComponent(channel).replaceAll('%3A', ':').replaceAll('%40', '@').replaceAll("'", '%27');
}

/** How many messages a panel begins with when it has no position yet. */
const FIRST_MESSAGES = 12;

/** Where a reading starts: after its position, or with the newest few. */
export function start(position) {
  return position ? { after: position } : { last: FIRST_MESSAGES };
}

/** `EPOCH-OFFSET` as its two parts. */
export function parsePosition(text) {
  const dash = text.lastIndexOf('-');
  return { epoch: text.slice(0, dash), offset: Number(text.slice(dash + 1)) };
}

/** The two parts as `EPOCH-OFFSET`. */
export function formatPosition({ epoch, offset }) {
  return `${epoch}-${offset}`;
}

const encoder = new TextEncoder();

/** Bytes of a text in UTF-8. */
export function byteLength(text) {
  return encoder.encode(text).length;
}

/** A payload for a line of a list. */
export function payloadText(envelope) {
  const { data, encoding } = envelope;
  if (data instanceof Uint8Array) return `${data.length} bytes`;
  if (encoding === 'base64') return `${atob(data).length} bytes`;
  return typeof data === 'string' ? data : JSON.stringify(data);
}

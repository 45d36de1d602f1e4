// What the pages of the tests run: an EventSource and a WebSocket whose every word is kept in `window`.

/** Gives a page `follow(url)` and `talk(url, protocols)`; what came is in `window.seen[name]`. */
export function install(page) {
  return page.addInitScript(() => {
    const NOTICES = ['$hello', '$error', '$gap', '$skip', '$unsubscribed', '$expiring', '$reconnect'];
    window.seen = {};
    window.follow = (name, url, options) => {
      const seen = (window.seen[name] = { events: [], opened: 0, state: EventSource.CONNECTING });
      const source = (window[name] = new EventSource(url, options));
      const keep = ({ data }) => seen.events.push(JSON.parse(data));
      source.onmessage = keep;
      NOTICES.forEach((notice) => source.addEventListener(notice, keep));
      source.onopen = () => ((seen.opened += 1), (seen.state = source.readyState));
      source.onerror = () => (seen.state = source.readyState);
    };
    window.talk = (name, url, protocols) => {
      const seen = (window.seen[name] = { events: [], opened: 0 });
      const socket = (window[name] = new WebSocket(url, protocols));
      socket.onmessage = ({ data }) => seen.events.push(JSON.parse(data));
      socket.onopen = () => ((seen.opened += 1), (seen.protocol = socket.protocol));
      socket.onclose = ({ code }) => (seen.code = code);
    };
    window.ask = async (url, options) => {
      try {
        const answer = await fetch(url, options);
        return { status: answer.status, body: await answer.json() };
      } catch (error) {
        return { hidden: error.name };
      }
    };
  });
}

/** What a reader of the page has seen so far. */
export const seenBy = (page, name) => () => page.evaluate((name) => window.seen[name], name);

export const ofType = (seen, type) => seen.events.filter((event) => event.type === type);
export const offsets = (seen) => ofType(seen, 'message').map(({ offset }) => offset);

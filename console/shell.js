// The line for a shell, and its copy button.

import { channelUrl, fitsPath } from './protocol.js';

const GREETING = 'Hello, 세계 👋';

/** Shows the line that publishes to `channel`. */
export function showShellLine(channel) {
  document.getElementById('curl').textContent = fitsPath(channel) ? one(channel) : batch(channel);
}

function one(channel) {
  const url = channelUrl(channel).href;
  const plain = /^[\w:/.@%~-]+$/.test(url);
  return `curl -d '${GREETING}' ${plain ? url : `'${url}'`}`;
}

function batch(channel) {
  const body = JSON.stringify({ messages: [{ channel, data: GREETING }] });
  // A quote would end the argument.
  return `curl -d '${body.replaceAll("'", '\\u0027')}' ${new URL('publish', document.baseURI)}`;
}

/** Makes the copy button work; without a clipboard (a page that is not secure) it selects the line. */
export function enableCopy() {
  const button = document.getElementById('copy');
  const line = document.getElementById('curl');
  button.addEventListener('click', async () => {
    try {
      await navigator.clipboard.writeText(line.textContent);
      button.textContent = 'Copied';
    } catch {
      getSelection().selectAllChildren(line);
      button.textContent = 'Selected';
    }
    setTimeout(() => (button.textContent = 'Copy'), 2000);
  });
}

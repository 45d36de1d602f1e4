// The publish box: sends what is typed, as JSON where it is JSON, else as text.

import { formatPosition } from './protocol.js';

const BURST = 20;

/** What a text is sent as. */
function kindOf(text) {
  try {
    JSON.parse(text);
    return { name: 'JSON', data: { json: text } };
  } catch {
    return { name: 'text', data: { text } };
  }
}

/** A message of a batch. JSON goes as it was typed: parsed and written again, large numbers would change. */
function messageJson(head, { json, text }) {
  if (json === undefined) return JSON.stringify({ ...head, data: text, encoding: 'text' });
  return `${JSON.stringify(head).slice(0, -1)},"data":${json}}`;
}

export class Publisher {
  #form;
  #outcome = document.getElementById('outcome');
  #report;

  /** `report` has `sending(event)`, before a message goes out, and `published(receipt)`, once it stands in the log. */
  constructor(form, report) {
    this.#form = form;
    this.#report = report;
    form.addEventListener('submit', (submitted) => {
      submitted.preventDefault();
      this.#run(() => this.#one());
    });
    document.getElementById('burst').addEventListener('click', () => {
      if (form.reportValidity()) this.#run(() => this.#many());
    });
    form.elements.text.addEventListener('input', () => this.#hint());
  }

  #hint() {
    const { value } = this.#form.elements.text;
    document.getElementById('kind').textContent = value ? `sent as ${kindOf(value).name}` : '';
  }

  async #one() {
    const { text } = this.#form.elements;
    const { value } = text;
    const { name, data } = kindOf(value);
    const [receipt] = await this.#publish([data]);
    if (text.value === value) text.value = '';
    this.#hint();
    return `Published as ${name} at ${formatPosition(receipt)}`;
  }

  async #many() {
    const what = this.#form.elements.text.value || 'Message';
    const numbered = Array.from({ length: BURST }, (_, index) => `${what} ${index + 1} of ${BURST}`);
    const receipts = await this.#publish(numbered.map((line) => ({ text: line })));
    return `Published ${BURST} messages, up to ${formatPosition(receipts.at(-1))}`;
  }

  /** Publishes payloads in one request; gives their receipts, or fails with the first refusal. */
  async #publish(payloads) {
    const { channel, event } = this.#form.elements;
    this.#report.sending(event.value);
    const head = { channel: channel.value, event: event.value || undefined };
    const body = `{"messages":[${payloads.map((payload) => messageJson(head, payload))}]}`;
    const { results } = await post(new URL('publish', document.baseURI), body);
    const refused = results.find(({ offset }) => offset === undefined);
    results.filter((result) => result !== refused).forEach((receipt) => this.#report.published(receipt));
    if (refused) throw new Error(refused.detail);
    return results;
  }

  async #run(publish) {
    try {
      this.#say(await publish(), false);
    } catch (error) {
      this.#say(error.message, true);
    }
  }

  #say(text, failed) {
    this.#outcome.textContent = text;
    this.#outcome.classList.toggle('failed', failed);
  }
}

async function post(url, body) {
  const headers = { 'Content-Type': 'application/json' };
  const answer = await fetch(url, { method: 'POST', headers, body });
  const json = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(json.detail ?? `The server answered ${answer.status}.`);
  return json;
}

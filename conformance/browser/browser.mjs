// Starts Chromium and opens pages that must stay free of errors.

import { chromium } from 'playwright-core';

const SWITCHES = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync',
];

/**
 * A browser without its walls around this machine: it is the server that is asked and refuses. They also keep a page
 * that a test answers in the server's place, whose address they do not know, from WebSockets.
 */
export const WITHOUT_WALLS = '--disable-features=LocalNetworkAccessChecks,BlockInsecurePrivateNetworkRequests';

export function launch(...more) {
  const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium';
  return chromium.launch({ executablePath, headless: true, args: [...SWITCHES, ...more] });
}

/** Answers in the server's place for what it does not have: `/blank` is a page of its origin that runs nothing of its own. */
export async function prepare(context) {
  await context.route('**/blank', (route) => route.fulfill({ contentType: 'text/html', body: '<!doctype html>' }));
  // A browser asks for an icon where a page names none; that is not what is tested.
  await context.route('**/favicon.ico', (route) => route.fulfill({ status: 204 }));
}

/** Opens a URL; `complaints` gathers what the page logs as an error, and every request to a foreign origin. */
export async function open(browser, url, options = {}) {
  const { origin } = new URL(url);
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
  await prepare(context);
  const page = await context.newPage();
  const complaints = [];
  page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('request', (request) => {
    if (new URL(request.url()).origin !== origin) complaints.push(`foreign request: ${request.url()}`);
  });
  await page.goto(url);
  return { page, complaints, close: () => context.close() };
}

/** Probes until `test` holds for what `probe` gives; fails with the last of it. */
export async function until(what, probe, test, timeoutMs = 15_000) {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const value = await probe();
    if (test(value)) return value;
    if (Date.now() > deadline) throw new Error(`not within ${timeoutMs} ms: ${what}; last seen: ${JSON.stringify(value, null, 1)}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

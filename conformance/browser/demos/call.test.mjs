// Video calls between browsers with a camera that shows a clock.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { launch, until } from '../browser.mjs';
import { Server } from '../server.mjs';
import { CAMERA, HOSTILE, anotherTab, enter, textOf } from './people.mjs';

describe('the video call', { timeout: 180_000 }, () => {
  let browser;
  let server;

  before(async () => {
    server = await Server.start();
    browser = await launch(...CAMERA);
  });
  after(async () => {
    await browser?.close();
    await server?.kill();
  });

  const here = (...names) => Promise.all(names.map((name) => enter(browser, server, 'call', name)));
  const leave = async (...people) => {
    for (const { complaints, close } of people) {
      assert.deepEqual(complaints, []);
      await close();
    }
  };
  const said = ({ page }, expected) => until(`said: ${expected}`, () => textOf(page, 'status'), (text) => text === expected);
  const call = async (one, other) => one.page.getByRole('button', { name: `Call ${other}`, exact: true }).click();
  const press = ({ page }, name) => page.getByRole('button', { name, exact: true }).click();
  const meet = async (one, other, names) => {
    await call(one, names[1]);
    await said(other, `${names[0]} calls`);
    await press(other, 'Accept');
    await said(one, `In a call with ${names[1]}.`);
    await said(other, `In a call with ${names[0]}.`);
  };
  /** Waits until pictures of the other side are drawn. */
  const pictures = ({ page }) => page.evaluate(() => new Promise((resolve) => {
    const video = document.getElementById('remote');
    let frames = 0;
    const count = () => ((frames += 1) === 5 ? resolve([video.videoWidth > 0, video.videoHeight > 0]) : video.requestVideoFrameCallback(count));
    video.requestVideoFrameCallback(count);
  }));
  const cameras = ({ page }) => page.evaluate(() => [document.getElementById('local').srcObject, document.getElementById('remote').srcObject]);

  test('rings, is accepted, shows pictures and carries text, and ends for both', async () => {
    const [alice, bob] = await here('alice', 'bob');
    await meet(alice, bob, ['alice', 'bob']);
    assert.deepEqual(await Promise.all([pictures(alice), pictures(bob)]), [[true, true], [true, true]]);
    for (const [one, other, text] of [[alice, bob, 'hello'], [bob, alice, HOSTILE]]) {
      await one.page.locator('#say input:enabled').fill(text);
      await one.page.keyboard.press('Enter');
      await other.page.locator('#lines li', { hasText: text }).waitFor();
    }
    assert.deepEqual(await alice.page.locator('#lines li').allInnerTexts(), ['alice hello', `bob ${HOSTILE}`]);
    assert.equal(await alice.page.locator('#lines img').count(), 0);
    await press(alice, 'Hang up');
    await said(alice, 'You have ended the call.');
    await said(bob, 'alice has ended the call.');
    for (const each of [alice, bob]) assert.deepEqual(await cameras(each), [null, null], 'the camera is free');
    await meet(bob, alice, ['bob', 'alice']);
    assert.deepEqual(await pictures(alice), [true, true]);
    await bob.page.reload();
    await said(alice, 'bob has ended the call.');
    await leave(alice, bob);
  });

  test('candidates that come before what they belong to are kept', async () => {
    const [alice, bob] = await here('alice', 'bob');
    // Descriptions are sent once all candidates are known, which have been sent before them.
    for (const each of [alice, bob]) {
      await each.page.evaluate(() => {
        const { setLocalDescription, addIceCandidate } = RTCPeerConnection.prototype;
        globalThis.taken = 0;
        RTCPeerConnection.prototype.setLocalDescription = async function (...description) {
          await setLocalDescription.apply(this, description);
          await new Promise((resolve) => {
            const look = () => this.iceGatheringState === 'complete' && resolve();
            this.addEventListener('icegatheringstatechange', look);
            look();
          });
        };
        RTCPeerConnection.prototype.addIceCandidate = async function (candidate) {
          await addIceCandidate.call(this, candidate);
          globalThis.taken += 1;
        };
      });
    }
    await meet(alice, bob, ['alice', 'bob']);
    for (const each of [alice, bob]) assert.ok((await each.page.evaluate(() => globalThis.taken)) > 0);
    await leave(alice, bob);
  });

  test('who talks is busy, who declines says so, who calls may give up', async () => {
    const [alice, bob, carol] = await here('alice', 'bob', 'carol');
    await meet(alice, bob, ['alice', 'bob']);
    await call(carol, 'bob');
    await said(carol, 'bob is busy.');
    await press(bob, 'Hang up');
    await said(alice, 'bob has ended the call.');
    await call(carol, 'bob');
    await said(bob, 'carol calls');
    await press(bob, 'Decline');
    await said(carol, 'bob declines.');
    await call(carol, 'bob');
    await said(bob, 'carol calls');
    await press(carol, 'Hang up');
    await said(bob, 'carol has ended the call.');
    await until('no ringing', () => bob.page.locator('#ring').isVisible(), (visible) => !visible);
    await leave(alice, bob, carol);
  });

  test('all tabs of a user ring, and one of them takes the call', async () => {
    const [alice, bob] = await here('alice', 'bob');
    const tab = await anotherTab(bob, 'bob');
    await call(alice, 'bob');
    for (const page of [bob.page, tab]) await page.getByRole('button', { name: 'Accept' }).waitFor();
    await tab.getByRole('button', { name: 'Accept' }).click();
    await said(alice, 'In a call with bob.');
    await said({ page: tab }, 'In a call with alice.');
    await said(bob, 'alice has ended the call.');
    await leave(alice, bob);
  });

  test('without a camera one is told, and still sees the other', async () => {
    const [alice, bob] = await here('alice', 'bob');
    await alice.page.evaluate(() => (navigator.mediaDevices.getUserMedia = async () => {
      throw new DOMException('Requested device not found', 'NotFoundError');
    }));
    await meet(alice, bob, ['alice', 'bob']);
    await alice.page.getByText('you are neither seen nor heard, Requested device not found').waitFor();
    assert.deepEqual(await pictures(alice), [true, true]);
    await leave(alice, bob);
  });
});

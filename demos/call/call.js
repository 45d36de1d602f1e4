// A video call by WebRTC. A user is asked in the inbox that all of the user's tabs read; what follows goes from client to client.

import { $, avatar, el, failed, start, submitted, users } from "../shared.js";

const { tidings, name } = await start({ named: true, tabs: false });
const [mine, ours, lobby] = [tidings.channel("~"), tidings.channel("@"), tidings.channel("demo-call:lobby", { presence: true, join: true })];
/** The one call: {id, user, peer (a client), request (of who is called), media, pc, text, candidates, stop}. */
let call;
const tell = (event, more) => (call.peer ? tidings.peer(call.peer) : tidings.user(call.user)).send({ id: call.id, ...more }, { event }).catch(failed);

async function dial(user) {
  if (call || user === name) return failed(call ? "the present call has to end first" : "this is your own name");
  const own = (call = { id: Math.random().toString(36).slice(2), user, candidates: [], stop: new AbortController() });
  show(`Calling ${user}…`);
  try {
    if (!(await seen(own))) return;
    const answer = await tidings.user(user).request("call", { id: own.id }, { timeout: 30_000, signal: own.stop.signal });
    tell("hang-up", { except: answer.client });
    if (!answer.accepted) return end(`${user} ${answer.busy ? "is busy" : "declines"}.`);
    own.peer = answer.client;
    connect();
    await own.pc.setLocalDescription(await own.pc.createOffer({ offerToReceiveAudio: true, offerToReceiveVideo: true }));
    tell("offer", { description: own.pc.localDescription });
  } catch (error) {
    if (call === own) hangUp(error.code === "timeout" ? `${user} does not answer.` : `The call failed: ${error.message}`);
  }
}

ours.on("call", (request) => {
  if (call || !request.reply) return void request.reply?.({ busy: true, client: tidings.client }).catch(failed);
  call = { id: request.data?.id, user: request.from.user ?? "somebody", peer: request.from.client, request, candidates: [] };
  show(($("ring-title").textContent = `${call.user} calls`));
  $("ring").showModal();
});
$("accept").addEventListener("click", async () => {
  const own = call;
  $("ring").close();
  if (await seen(own)) connect().request.reply({ accepted: true, client: tidings.client }).catch(failed);
});
$("decline").addEventListener("click", () => {
  call.request.reply({ client: tidings.client }).catch(failed);
  end(`You declined ${call.user}'s call.`);
});
$("ring").addEventListener("cancel", () => $("decline").click());

/** Takes camera and microphone, if there are any; false if the call has ended meanwhile. */
async function seen(own) {
  const asked = navigator.mediaDevices?.getUserMedia({ audio: true, video: { width: 640, height: 480 } });
  const without = ({ message }) => void failed(`you are neither seen nor heard, ${message}`);
  own.media = await (asked ?? Promise.reject(new Error("a page has to come over HTTPS"))).catch(without);
  if (call === own) $("local").srcObject = own.media ?? null;
  else release(own);
  return call === own;
}

function connect() {
  const own = call;
  // Browsers of one network find each other so; for others name a TURN server here.
  const pc = (own.pc = new RTCPeerConnection({ iceServers: [] }));
  for (const track of own.media?.getTracks() ?? []) pc.addTrack(track, own.media);
  pc.onicecandidate = ({ candidate }) => candidate && call === own && tell("ice-candidate", { candidate });
  pc.ontrack = ({ streams }) => ($("remote").srcObject = streams[0]);
  const said = { connected: `In a call with ${own.user}.`, disconnected: "The connection is interrupted…" };
  pc.onconnectionstatechange = () => (pc.connectionState === "failed" ? hangUp("The connection broke.") : show(said[pc.connectionState]));
  own.text = pc.createDataChannel("text", { negotiated: true, id: 0 });
  Object.assign(own.text, { onopen: () => show(), onmessage: ({ data }) => line(own.user, data) });
  $("lines").replaceChildren();
  return own;
}

/** What the other side of this call says; nobody else is heard. */
function hear(channel, event, take) {
  channel.on(event, async ({ data, from }) => {
    if (!call || call.id !== data?.id || from?.client !== call.peer) return;
    await take(call, data)?.catch((error) => hangUp(`The call failed: ${error.message}`));
  });
}
for (const event of ["offer", "answer"]) hear(mine, event, described);
hear(mine, "ice-candidate", (own, { candidate }) => (own.pc?.remoteDescription ? own.pc.addIceCandidate(candidate) : void own.candidates.push(candidate)));
for (const inbox of [mine, ours]) hear(inbox, "hang-up", (own, { except }) => void (except === tidings.client || end(`${own.user} has ended the call.`)));

/** Takes the other's description, and the candidates that came before it; answers an offer. */
async function described(own, { description }) {
  await own.pc.setRemoteDescription(description);
  for (const candidate of own.candidates.splice(0)) await own.pc.addIceCandidate(candidate);
  if (description.type !== "offer") return;
  await own.pc.setLocalDescription();
  tell("answer", { description: own.pc.localDescription });
}

const hangUp = (why) => (call && tell("hang-up"), end(why));
const line = (user, text) => $("lines").append(el("li", {}, el("b", {}, user), ` ${text}`));
const release = (own) => own?.media?.getTracks().forEach((track) => track.stop());

function end(why) {
  call?.stop?.abort(new Error(why));
  call?.pc?.close();
  release(call);
  call = undefined;
  $("local").srcObject = $("remote").srcObject = null;
  $("ring").close();
  show(why);
}

function show(words = $("status").textContent) {
  $("status").textContent = words;
  $("hang-up").disabled = !call;
  for (const field of $("say").elements) field.disabled = call?.text?.readyState !== "open";
}

submitted($("dial"), ({ user }) => dial(user.value));
submitted($("say"), ({ text }, form) => {
  call.text.send(text.value);
  line(name, text.value);
  form.reset();
});
$("hang-up").addEventListener("click", () => hangUp("You have ended the call."));
addEventListener("pagehide", () => hangUp("You have left."));
lobby.on("$presence", (members) => {
  const button = (user) => el("button", { type: "button", className: "small", ariaLabel: `Call ${user}`, onclick: () => dial(user) }, "Call");
  const row = (user) => el("li", {}, avatar(user), el("span", {}, user), button(user));
  $("here").replaceChildren(...users(members).filter((user) => user !== name).map(row));
});

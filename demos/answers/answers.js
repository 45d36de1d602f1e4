// Answers of a language model. Each is a channel that ends; the page is a reader of it, from its beginning, as often as one likes.

import { $, failed, gapWords, plural, start, submitted } from "../shared.js";

const NAMESPACE = "demo-answers:";
const ENDS = { done: "Done", stopped: "Stopped", failed: "Failed" };
const HEADERS = { "Content-Type": "application/json" };

const { tidings } = await start();
let answer;

/** Reads the answer that the address names. */
function follow() {
  answer?.close();
  answer = undefined;
  const id = decodeURIComponent(location.hash.slice(1));
  for (const part of ["question", "answer", "readers"]) $(part).textContent = "";
  $("copy").disabled = !id;
  $("stop").disabled = true;
  if (!id) return;
  $("state").textContent = "Waiting for the first word…";
  let words = 0;
  let said;
  answer = tidings.channel(NAMESPACE + id, { after: "earliest", presence: true, join: true });
  answer.on("$message", ({ event, data }) => {
    if (event === "question") $("question").textContent = data?.prompt;
    if (ENDS[event]) said = `${ENDS[event]}${data?.error ? `: ${data.error}` : ""}`;
    if (!data?.content) return;
    write($("answer"), data.content);
    $("stop").disabled = false;
    $("state").textContent = `Answering: ${plural((words += 1), "piece")}`;
  });
  answer.on("$presence", (members) => ($("readers").textContent = `${plural(members.length, "reader")}`));
  answer.on("$gap", (gap) => write($("answer"), `\n[${gapWords(gap)}]\n`));
  answer.on("$closed", ({ error }) => {
    $("stop").disabled = true;
    $("state").textContent = error ? `It cannot be read: ${error.message}` : `${said ?? "Done"}: ${plural(words, "piece")}.`;
  });
}

/** Adds text, and stays at the end if the reader is there. */
function write(node, text) {
  const atEnd = node.scrollHeight - node.scrollTop - node.clientHeight < 40;
  node.append(text);
  if (atEnd) node.scrollTop = node.scrollHeight;
}

async function post(path, body) {
  const response = await fetch(new URL(path, location.href), { method: "POST", headers: HEADERS, body: JSON.stringify(body) });
  if (!response.ok) throw new Error((await response.json()).detail);
  return response;
}

submitted($("ask"), async ({ prompt }) => {
  try {
    const { channel } = await (await post("../answers", { prompt: prompt.value })).json();
    location.hash = channel.slice(NAMESPACE.length);
  } catch (error) {
    failed(error);
  }
});

$("stop").addEventListener("click", () => {
  $("stop").disabled = true;
  answer.publish({}, { event: "stop" }).catch(failed);
});

$("copy").addEventListener("click", async () => {
  await navigator.clipboard.writeText(location.href).then(() => ($("state").textContent = "The link is copied."), failed);
});

// The plain form: the events of a stream, taken apart by hand.
submitted($("plain"), async ({ prompt }) => {
  $("plain-answer").textContent = "";
  $("plain-question").textContent = prompt.value;
  $("plain-state").textContent = "Asking…";
  try {
    const response = await post("../api/chat", { messages: [{ role: "user", content: prompt.value }] });
    const link = $("plain-link");
    link.href = `#${response.headers.get("Tidings-Channel").slice(NAMESPACE.length)}`;
    link.hidden = false;
    $("plain-state").textContent = "Answering…";
    for await (const data of events(response.body)) {
      if (data === "[DONE]") break;
      write($("plain-answer"), JSON.parse(data).content ?? "");
    }
    $("plain-state").textContent = "Done.";
  } catch (error) {
    $("plain-state").textContent = `Interrupted: ${error.message}. The answer goes on in its channel.`;
  }
});

/** The data of events without a name, which end with an empty line each. */
async function* events(body) {
  let text = "";
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    const blocks = (text + part.value).split("\n\n");
    text = blocks.pop();
    for (const block of blocks) {
      const lines = block.split("\n");
      if (lines.some((line) => line.startsWith("event:"))) continue;
      yield lines.filter((line) => line.startsWith("data:")).map((line) => line.slice(6)).join("\n");
    }
  }
}

addEventListener("hashchange", follow);
follow();

// The pieces of a language model's answer, as the answer to the request. Cut is lost.
import { createServer } from "node:http";
import { json } from "node:stream/consumers";

export function serve(model) {
  return createServer(async (request, response) => {
    const { prompt } = await json(request);
    response.writeHead(200, { "Content-Type": "text/event-stream", "Cache-Control": "no-cache" });
    for await (const content of model(prompt)) response.write(`data: ${JSON.stringify({ content })}\n\n`);
    response.end("data: [DONE]\n\n");
  });
}

export async function ask(url, prompt, show) {
  const answer = await fetch(`${url}/api/chat`, { method: "POST", body: JSON.stringify({ prompt }) });
  let rest = "";
  for await (const chunk of answer.body.pipeThrough(new TextDecoderStream())) {
    const blocks = (rest + chunk).split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) {
      const data = block.slice("data: ".length);
      if (data === "[DONE]") return;
      show(JSON.parse(data).content);
    }
  }
}

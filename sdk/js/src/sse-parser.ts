// Reads an event stream (HTML Living Standard, section 9.2.6) as far as this client needs it: the data of each event.

/** Longer is no stream of this server's. */
const LIMIT = 32 << 20;

/** Takes pieces of text, cut anywhere, and gives the data of each whole event. */
export function sseParser(event: (data: string) => void): (text: string) => void {
  let rest = "";
  let data: string[] = [];
  let first = true;
  return (text) => {
    rest += text;
    if (rest.length > LIMIT) throw new Error("a line of the event stream is too long");
    // A BOM at the beginning is none of the first line.
    if (first && rest) {
      first = false;
      if (rest.charCodeAt(0) === 0xfeff) rest = rest.slice(1);
    }
    if (!/[\r\n]/.test(text)) return;
    // A CR at the end may be half of a CRLF.
    const lines = rest.split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop() ?? "";
    for (const line of lines) {
      if (!line) {
        if (data.length) event(data.join("\n"));
        data = [];
      } else if (line.startsWith("data:")) data.push(line.slice(line[5] === " " ? 6 : 5));
    }
  };
}

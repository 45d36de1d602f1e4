// Reads an event stream (HTML Living Standard, section 9.2.6) as far as this client needs it: the data of each event.

/** Longer is no stream of this server's. */
const LIMIT = 32 << 20;

/** Takes pieces of text, cut anywhere, and gives the data of each whole event. */
export function sseParser(event: (data: string) => void): (text: string) => void {
  let rest = "";
  // Of the event that has not ended, each line with its end.
  let data = "";
  let first = true;
  return (text) => {
    rest += text;
    if (data.length + rest.length > LIMIT) throw new Error("an event of the stream is too long");
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
        if (data) event(data.slice(0, -1));
        data = "";
      } else if (line.startsWith("data:")) data += `${line.slice(line[5] === " " ? 6 : 5)}\n`;
    }
  };
}

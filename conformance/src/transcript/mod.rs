//! Golden transcripts: what goes over the wire, byte for byte, as text that people read.
//!
//! A transcript is a file of lines:
//!
//! | line | is |
//! |---|---|
//! | `# …` and empty ones | for the reader |
//! | `server history=4` | a server of its own that retains so many messages of a channel |
//! | `= NAME` | what follows is on this connection, which is opened when it is new |
//! | `close NAME` | the client drops it |
//! | `wait TRANSPORT N` | until the server counts N open streams or waiting polls of `poll`, `long-poll`, `sse`, `websocket` |
//! | `> BYTES` | the client sends these |
//! | `>text …`, `>binary …`, `>close CODE` | the client sends this as a frame (mask 0) |
//! | `< BYTES` | the server sends exactly these |
//! | `<text …`, `<binary …`, `<close CODE REASON` | the server sends exactly this as one frame, its length in the shortest form |
//! | `<end` | the server ends the connection |
//!
//! In bytes `\r`, `\n`, `\t`, `\\` and `\x00` stand for what they say; a line's own end is not sent.
//! A hole such as `${epoch}` is bound on first use and compared from then on; `${date}`, `${retry}`,
//! `${time}` alone are any date, number or time; `${size}` is the size of a chunk, compared with the
//! bytes that follow up to the line `\r\n`, and `${length}` the length of a body, compared likewise.
//!
//! It is recorded over HTTP/1.1 in clear, and holds on every other carrier, with and without
//! compression: what they say in other words is put into these by `carried.rs`, and by nothing else.
//!
//! A transcript proves nothing about timing, and nothing about what a server does when the bytes of
//! one connection come in other portions.

mod bless;
mod carried;
mod holes;
mod replay;
mod text;
mod wire;

pub use carried::Deflated;
pub use replay::{How, replay};

use text::Token;

/// A line that means something.
#[derive(Clone, Debug)]
enum Step {
    /// For the reader.
    Remark,
    /// The history's count.
    Server(usize),
    /// The connection from here on.
    On(String),
    /// The client drops a connection.
    Close(String),
    /// Until so many of a transport are open.
    Wait(String, u64),
    /// The client sends bytes.
    Send(Vec<Token>),
    /// The client sends a frame of this opcode.
    SendFrame(u8, Vec<Token>),
    /// The server sends something; `None` where nobody has looked yet.
    Expect(Option<Expected>),
}

/// What the server sends.
#[derive(Clone, Debug)]
enum Expected {
    /// These bytes.
    Bytes(Vec<Token>),
    /// A frame of this opcode.
    Frame(u8, Vec<Token>),
    /// The end.
    End,
}

const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;

fn step(line: &str) -> Result<Step, String> {
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    let frame = |opcode, rest| Ok::<_, String>(Expected::Frame(opcode, text::tokens(rest)?));
    Ok(match word {
        "" | "#" => Step::Remark,
        "server" => Step::Server(number(rest.strip_prefix("history=").unwrap_or(rest))? as usize),
        "=" => Step::On(rest.to_owned()),
        "close" => Step::Close(rest.to_owned()),
        "wait" => {
            let (transport, count) = rest.split_once(' ').ok_or("wait TRANSPORT N")?;
            Step::Wait(transport.to_owned(), number(count)?)
        }
        ">" => Step::Send(text::tokens(rest)?),
        ">text" => Step::SendFrame(TEXT, text::tokens(rest)?),
        ">binary" => Step::SendFrame(BINARY, text::tokens(rest)?),
        ">close" => Step::SendFrame(CLOSE, close_payload(rest)?),
        "<" if line == "<" => Step::Expect(None),
        "<" => Step::Expect(Some(Expected::Bytes(text::tokens(rest)?))),
        "<text" => Step::Expect(Some(frame(TEXT, rest)?)),
        "<binary" => Step::Expect(Some(frame(BINARY, rest)?)),
        "<close" => Step::Expect(Some(Expected::Frame(CLOSE, close_payload(rest)?))),
        "<end" => Step::Expect(Some(Expected::End)),
        _ => return Err(format!("what is `{word}`?")),
    })
}

fn number(text: &str) -> Result<u64, String> {
    text.parse()
        .map_err(|_| format!("`{text}` is not a number"))
}

fn close_payload(text: &str) -> Result<Vec<Token>, String> {
    let (code, reason) = text.split_once(' ').unwrap_or((text, ""));
    let code = u16::try_from(number(code)?).map_err(|_| "a close code has two bytes")?;
    let mut tokens = vec![Token::Literal(code.to_be_bytes().into())];
    tokens.extend(text::tokens(reason)?);
    Ok(tokens)
}

//! Recording: what the server sends now becomes what is expected.

use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::time::timeout;

use super::holes::Holes;
use super::text::escape;
use super::wire::Wire;
use super::{BINARY, CLOSE, TEXT};

/// How long the server must be silent to have said everything. Only a recording waits so.
const QUIET: Duration = Duration::from_millis(200);

/// The lines for all that comes until the server is silent or ends.
pub async fn record(wire: &mut Wire, holes: &mut Holes) -> Vec<String> {
    let mut bytes = Vec::new();
    let mut ended = false;
    while !ended {
        let mut part = vec![0; 64 << 10];
        match timeout(QUIET, wire.io.read(&mut part)).await {
            Ok(Ok(count)) if count > 0 => bytes.extend_from_slice(&part[..count]),
            Ok(_) => ended = true,
            Err(_) => break,
        }
    }
    let mut rest = bytes.as_slice();
    let mut lines = Vec::new();
    if !wire.frames {
        let upgraded = rest.starts_with(b"HTTP/1.1 101");
        let head = match upgraded {
            true => rest
                .windows(4)
                .position(|four| four == b"\r\n\r\n")
                .map_or(rest.len(), |at| at + 4),
            false => rest.len(),
        };
        lines.extend(raw(&rest[..head], holes));
        rest = &rest[head..];
        wire.frames = upgraded;
    }
    lines.extend(frames(rest, holes));
    if ended {
        lines.push("<end".into());
    }
    lines
}

fn raw(bytes: &[u8], holes: &mut Holes) -> Vec<String> {
    let chunked = bytes
        .windows(26)
        .any(|window| window == b"transfer-encoding: chunked");
    let in_stream = !bytes.starts_with(b"HTTP/");
    let lines = bytes.split_inclusive(|&byte| byte == b'\n');
    let line = |line: &[u8]| {
        let is_size = line.ends_with(b"\r\n")
            && line.len() > 2
            && line[..line.len() - 2].iter().all(u8::is_ascii_hexdigit);
        match (chunked || in_stream) && is_size && line != b"0\r\n" {
            true => "< ${size}\\r\\n".to_owned(),
            false => format!("< {}", holes.dig(&escape(line))),
        }
    };
    let mut lines: Vec<String> = lines.map(line).collect();
    Holes::dig_length(&mut lines);
    lines
}

fn frames(mut bytes: &[u8], holes: &mut Holes) -> Vec<String> {
    let mut lines = Vec::new();
    while bytes.len() >= 2 {
        let (length, head) = match bytes[1] {
            126 => (usize::from(u16::from_be_bytes([bytes[2], bytes[3]])), 4),
            127 => (
                bytes[2..10]
                    .iter()
                    .fold(0, |length, &byte| length << 8 | usize::from(byte)),
                10,
            ),
            short => (short.into(), 2),
        };
        let payload = &bytes[head..head + length];
        lines.push(match bytes[0] & 0x0f {
            TEXT => format!("<text {}", holes.dig(&escape(payload))),
            BINARY => format!("<binary {}", holes.dig(&escape(payload))),
            CLOSE => {
                let code = u16::from_be_bytes([payload[0], payload[1]]);
                let reason = holes.dig(&escape(&payload[2..]));
                format!("<close {code} {reason}").trim_end().to_owned()
            }
            other => panic!("a recording holds no frame of opcode {other}"),
        });
        bytes = &bytes[head + length..];
    }
    lines
}

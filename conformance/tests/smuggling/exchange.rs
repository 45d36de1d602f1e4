//! One row on one connection: what is sent, what is expected, and what came.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// What follows every row. It asks for the end, so that a connection that goes on ends here.
const SECOND: &[u8] =
    b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Second: yes\r\nConnection: close\r\n\r\n";

/// Longer than every limit of time that the server has here.
const PATIENCE: Duration = Duration::from_secs(10);

/// A request, and what must become of it.
pub struct Row {
    pub name: &'static str,
    pub bytes: Vec<u8>,
    pub expected: Expected,
}

/// What must become of a request and of the one behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// This status, then the end: what stands behind it is not read as a request.
    Ends(u16),
    /// This status, and the second request is answered: where the first one ends is beyond doubt.
    GoesOn(u16),
    /// This status, and the connection is HTTP no more: the second request is no request.
    Becomes(u16),
}

impl Expected {
    pub fn is_met_by(self, seen: &Seen) -> bool {
        let statuses = match self {
            Self::Ends(status) | Self::Becomes(status) => vec![status],
            Self::GoesOn(status) => vec![status, 200],
        };
        seen.closed && seen.statuses == statuses
    }
}

/// What came.
pub struct Seen {
    pub statuses: Vec<u16>,
    pub closed: bool,
    pub bytes: Vec<u8>,
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = if self.closed { "the end" } else { "no end" };
        let line = self.bytes.split(|&byte| byte == b'\n').next();
        let line = String::from_utf8_lossy(line.unwrap_or_default());
        write!(f, "{:?}, then {end} ({:?})", self.statuses, line.trim_end())
    }
}

/// Sends `bytes` and the second request, and reads to the end.
pub async fn exchange(addr: SocketAddr, bytes: &[u8]) -> Seen {
    let socket = TcpStream::connect(addr).await.expect("the server listens");
    let (mut reading, mut writing) = socket.into_split();
    let sent = [bytes, SECOND].concat();
    let write = async move {
        // The server may have closed: what it said is read below.
        let _ = writing.write_all(&sent).await;
        writing
    };
    let mut came = Vec::new();
    let read = async {
        // A reset ends it as well as an orderly end, but must not overtake the answer.
        timeout(PATIENCE, reading.read_to_end(&mut came))
            .await
            .is_ok()
    };
    let (closed, _writing) = tokio::join!(read, write);
    Seen {
        statuses: statuses(&came),
        closed,
        bytes: came,
    }
}

/// The statuses of the answers, each of which has a length or is the last.
fn statuses(mut bytes: &[u8]) -> Vec<u16> {
    let mut statuses = Vec::new();
    while let Some(end) = find(bytes, b"\r\n\r\n") {
        let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
        statuses.push(status.unwrap_or(0));
        if status == Some(101) && find(bytes, b"\r\nHTTP/").is_none() {
            return statuses;
        }
        let field = |name| head.lines().find_map(|line| line.strip_prefix(name));
        let length = field("content-length: ").map_or(0, |length| {
            length.trim().parse::<usize>().expect("a length")
        });
        bytes = bytes.get(end + 4 + length..).unwrap_or_default();
    }
    if !bytes.is_empty() {
        // Bytes that are no answer.
        statuses.push(0);
    }
    statuses
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack
        .windows(needle.len())
        .position(|window| window == needle)
}

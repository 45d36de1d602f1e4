//! HTTP/1.1 by hand: what is sent is what the test wrote, what is read is what came.

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};

use crate::carrier::Endpoint;
use crate::wire::{Fate, Wire};

/// A connection.
pub struct Http {
    io: BufReader<Wire>,
    /// What `Host` says.
    authority: String,
    /// Bytes of the chunk that is being read, with the CRLF behind it.
    chunk_left: usize,
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// Names in lower case, in order.
    pub headers: Vec<(String, String)>,
    /// The body, without chunk framing.
    pub body: Vec<u8>,
}

impl Answer {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|h| h.0 == name)
            .map(|h| h.1.as_str())
    }

    /// The body as text.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("a text body")
    }

    /// The body as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|e| panic!("no JSON ({e}): {}", String::from_utf8_lossy(&self.body)))
    }
}

impl Http {
    /// Connects.
    pub async fn connect(to: impl Into<Endpoint>) -> Self {
        Self::cut_after(&to.into(), None)
            .await
            .expect("the server listens")
    }

    /// Connects; the connection is cut after so many bytes from the server.
    pub async fn cut_after(to: &Endpoint, bytes: Option<u64>) -> std::io::Result<Self> {
        Ok(Self {
            io: BufReader::new(Wire::connect(to, bytes).await?),
            authority: to.addr.to_string(),
            chunk_left: 0,
        })
    }

    /// What becomes of the connection.
    pub fn fate(&self) -> &Fate {
        self.io.get_ref().fate()
    }

    /// Sends bytes as they are.
    pub async fn send(&mut self, bytes: &[u8]) {
        self.io
            .write_all(bytes)
            .await
            .expect("the server takes bytes");
    }

    /// Sends a request. `headers` are lines that end with CRLF.
    pub async fn request(&mut self, method: &str, target: &str, headers: &str, body: &[u8]) {
        let length = match body.is_empty() && method != "POST" {
            true => String::new(),
            false => format!("Content-Length: {}\r\n", body.len()),
        };
        let head = format!(
            "{method} {target} HTTP/1.1\r\nHost: {}\r\n{headers}{length}\r\n",
            self.authority
        );
        self.send(&[head.as_bytes(), body].concat()).await;
    }

    /// A line without its end; empty also at the end of the stream.
    pub async fn line(&mut self) -> String {
        let mut line = String::new();
        let _ = self.io.read_line(&mut line).await;
        line.trim_end_matches(['\r', '\n']).to_owned()
    }

    /// The head of an answer, with an empty body.
    pub async fn head(&mut self) -> Answer {
        self.try_head().await.expect("the head of an answer")
    }

    /// The head of an answer; `None` where the connection ended before it did.
    pub async fn try_head(&mut self) -> Option<Answer> {
        let status = self.whole_line().await?;
        let code = status.split(' ').nth(1).and_then(|code| code.parse().ok());
        let mut headers = Vec::new();
        loop {
            let line = self.whole_line().await?;
            let Some((name, value)) = line.split_once(':') else {
                break;
            };
            headers.push((name.to_lowercase(), value.trim().to_owned()));
        }
        Some(Answer {
            status: code.unwrap_or_else(|| panic!("no status line: {status:?}")),
            headers,
            body: Vec::new(),
        })
    }

    /// A line without its end; `None` where the connection ended within it.
    async fn whole_line(&mut self) -> Option<String> {
        let mut line = String::new();
        self.io.read_line(&mut line).await.ok()?;
        line.ends_with('\n')
            .then(|| line.trim_end_matches(['\r', '\n']).to_owned())
    }

    /// An answer to anything but HEAD.
    pub async fn answer(&mut self) -> Answer {
        self.try_answer().await.expect("a whole answer")
    }

    /// An answer to anything but HEAD; `None` where the connection ended before it did.
    pub async fn try_answer(&mut self) -> Option<Answer> {
        let head = self.try_head().await?;
        self.answer_behind(head).await
    }

    /// The answer whose head has been read; `None` where the connection ended before it did.
    pub async fn answer_behind(&mut self, head: Answer) -> Option<Answer> {
        let mut answer = head;
        if let Some(length) = answer.header("content-length") {
            // A 304 says the length of a body that it does not have (RFC 9110 section 15.4.5).
            let length = if answer.status == 304 {
                0
            } else {
                length.parse().expect("a number")
            };
            answer.body = vec![0; length];
            self.io.read_exact(&mut answer.body).await.ok()?;
        } else if answer.header("transfer-encoding").is_some() {
            while let Some(mut part) = self.body_part().await {
                answer.body.append(&mut part);
            }
            if self.fate().is_cut() {
                return None;
            }
        }
        Some(answer)
    }

    /// What has come of a chunked body, also of a chunk that has not come whole; `None` for its end,
    /// and when the connection ends.
    pub async fn body_part(&mut self) -> Option<Vec<u8>> {
        const CRLF: usize = 2;
        while self.chunk_left <= CRLF {
            let mut end = vec![0; self.chunk_left];
            self.io.read_exact(&mut end).await.ok()?;
            assert!(b"\r\n".ends_with(&end), "a chunk ends with CRLF");
            self.chunk_left = 0;
            let line = self.whole_line().await?;
            let length =
                usize::from_str_radix(&line, 16).unwrap_or_else(|_| panic!("no chunk: {line:?}"));
            if length == 0 {
                self.whole_line().await?;
                return None;
            }
            self.chunk_left = length + CRLF;
        }
        let ready = self.io.fill_buf().await.ok()?;
        let part = ready[..ready.len().min(self.chunk_left - CRLF)].to_vec();
        self.io.consume(part.len());
        self.chunk_left -= part.len();
        (!part.is_empty()).then_some(part)
    }

    /// One chunk; `None` for the last one, and when the stream ends.
    pub async fn chunk(&mut self) -> Option<Vec<u8>> {
        let line = self.line().await;
        let length = usize::from_str_radix(&line, 16).ok()?;
        let mut chunk = vec![0; length + 2];
        self.io.read_exact(&mut chunk).await.ok()?;
        assert_eq!(&chunk[length..], b"\r\n", "a chunk ends with CRLF");
        chunk.truncate(length);
        (length > 0).then_some(chunk)
    }

    /// All bytes until the server closes.
    pub async fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        // A reset ends it as well as an orderly end.
        let _ = self.io.read_to_end(&mut rest).await;
        rest
    }

    /// The socket, with what was read ahead.
    pub fn into_inner(self) -> BufReader<Wire> {
        self.io
    }
}

/// One request on a connection of its own.
pub async fn fetch(
    to: impl Into<Endpoint>,
    method: &str,
    target: &str,
    headers: &str,
    body: &[u8],
) -> Answer {
    let mut http = Http::connect(to).await;
    http.request(method, target, headers, body).await;
    if method == "HEAD" {
        http.head().await
    } else {
        http.answer().await
    }
}

/// GET.
pub async fn get(to: impl Into<Endpoint>, target: &str) -> Answer {
    fetch(to, "GET", target, "", b"").await
}

/// POST of text.
pub async fn post(to: impl Into<Endpoint>, target: &str, text: &str) -> Answer {
    fetch(
        to,
        "POST",
        target,
        "Content-Type: text/plain\r\n",
        text.as_bytes(),
    )
    .await
}

/// Text as it stands in a path segment or a query (RFC 3986 section 2.1).
pub fn percent(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(byte.into())
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

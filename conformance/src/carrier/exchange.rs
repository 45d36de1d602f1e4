//! HTTP/1.1 on one side, streams of an HTTP/2 connection on the other: one exchange after the other,
//! WebSockets by extended CONNECT (RFC 8441).
//!
//! It answers what the other side has no word for (the reason, the chunks, the fields of an upgrade)
//! and changes nothing else. Bytes are taken from a stream as the client reads them, so that the windows
//! of HTTP/2 are the client's. A client that leaves within an answer resets its stream.

use std::future::pending;
use std::sync::Arc;

use bytes::Bytes;
use h2::ext::Protocol;
use h2::{RecvStream, SendStream};
use http::{Method, Request, Response, StatusCode};
use tokio::io::{
    AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, DuplexStream, ReadHalf, WriteHalf,
    duplex, split,
};

use super::link::Link;
use crate::wire::Io;

/// Bytes between the client and its stream.
const PIPE: usize = 16 << 10;

/// The key of every handshake here, and the answer to it (RFC 6455 section 1.3). Over HTTP/2 there is
/// neither.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// Fields that HTTP/2 does not have (RFC 9113 section 8.2.2), or says otherwise.
const LEFT_OUT: [&str; 4] = ["host", "connection", "upgrade", "sec-websocket-key"];

type Client = BufReader<ReadHalf<DuplexStream>>;
type ToClient = WriteHalf<DuplexStream>;
type Failed = Box<dyn std::error::Error + Send + Sync>;

/// What a client can speak HTTP/1.1 on, to a server that is reached by `link`.
pub fn translate(link: Arc<Link>) -> Box<dyn Io> {
    let (near, far) = duplex(PIPE);
    tokio::spawn(async move {
        // Whatever fails, the client sees a connection that ends.
        let _ = serve(&link, far).await;
    });
    Box::new(near)
}

async fn serve(link: &Link, pipe: DuplexStream) -> Result<(), Failed> {
    let (client, mut to_client) = split(pipe);
    let mut client = BufReader::new(client);
    while let Some(asked) = Asked::read(&mut client).await? {
        let answer = answer(link, asked, &mut to_client);
        let tunnel = tokio::select! {
            tunnel = answer => tunnel?,
            () = gone(&mut client) => return Ok(()),
        };
        if let Some((send, receive)) = tunnel {
            return carry(&mut client, &mut to_client, send, receive).await;
        }
    }
    Ok(())
}

/// A request as it came.
struct Asked {
    method: Method,
    target: String,
    /// Names in lower case.
    fields: Vec<(String, String)>,
    body: Bytes,
}

impl Asked {
    /// Reads one; `None` where the client has ended.
    async fn read(client: &mut Client) -> Result<Option<Self>, Failed> {
        let first = line(client).await?;
        let mut words = first.split(' ');
        let (Some(method), Some(target)) = (words.next(), words.next()) else {
            return Ok(None);
        };
        let mut asked = Self {
            method: method.parse()?,
            target: target.to_owned(),
            fields: Vec::new(),
            body: Bytes::new(),
        };
        while let Some((name, value)) = line(client).await?.split_once(':') {
            asked
                .fields
                .push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        if let Some(length) = asked.field("content-length") {
            let mut body = vec![0; length.parse()?];
            client.read_exact(&mut body).await?;
            asked.body = body.into();
        }
        Ok(Some(asked))
    }

    fn field(&self, name: &str) -> Option<&str> {
        let field = self.fields.iter().find(|field| field.0 == name);
        field.map(|field| field.1.as_str())
    }

    fn wants_websocket(&self) -> bool {
        let upgrade = self.field("upgrade");
        upgrade.is_some_and(|upgrade| upgrade.eq_ignore_ascii_case("websocket"))
    }

    fn head(&self, scheme: &str) -> Result<Request<()>, Failed> {
        let host = self.field("host").ok_or("a request names its host")?;
        let uri = format!("{scheme}://{host}{}", self.target);
        let mut request = Request::builder().uri(uri).method(self.method.clone());
        if self.wants_websocket() {
            assert_eq!(self.field("sec-websocket-key"), Some(KEY));
            request = request
                .method(Method::CONNECT)
                .extension(Protocol::from_static("websocket"));
        }
        for (name, value) in &self.fields {
            if !LEFT_OUT.contains(&name.as_str()) {
                request = request.header(name, value);
            }
        }
        Ok(request.body(())?)
    }
}

async fn line(client: &mut Client) -> Result<String, Failed> {
    let mut line = String::new();
    client.read_line(&mut line).await?;
    line.truncate(line.trim_end_matches(['\r', '\n']).len());
    Ok(line)
}

/// Until the client has gone. What it says meanwhile is its next request.
async fn gone(client: &mut Client) {
    match client.fill_buf().await {
        Ok([]) | Err(_) => {}
        Ok(_) => pending().await,
    }
}

/// Asks and answers; gives both sides of a WebSocket.
async fn answer(
    link: &Link,
    asked: Asked,
    to_client: &mut ToClient,
) -> Result<Option<(SendStream<Bytes>, RecvStream)>, Failed> {
    let tunnel = asked.wants_websocket();
    let head = asked.head(link.scheme)?;
    let silent = asked.body.is_empty() && !tunnel;
    let (response, mut send) = link.ready().await?.send_request(head, silent)?;
    if !asked.body.is_empty() {
        send.send_data(asked.body, true)?;
    }
    let (head, receive) = response.await?.into_parts();
    let head = Response::from_parts(head, ());
    if tunnel && head.status() == StatusCode::OK {
        to_client.write_all(upgraded(&head).as_bytes()).await?;
        return Ok(Some((send, receive)));
    }
    let is_empty = asked.method == Method::HEAD
        || matches!(
            head.status(),
            StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED
        );
    let chunked = !is_empty && !head.headers().contains_key("content-length");
    let first = format!("HTTP/1.1 {}", head.status());
    let written = written(&first, &[], &head, chunked);
    to_client.write_all(written.as_bytes()).await?;
    body(receive, to_client, chunked).await?;
    if chunked {
        to_client.write_all(b"0\r\n\r\n").await?;
    }
    Ok(None)
}

fn upgraded(head: &Response<()>) -> String {
    let fields = [
        ("upgrade", "websocket"),
        ("connection", "Upgrade"),
        ("sec-websocket-accept", ACCEPT),
    ];
    written("HTTP/1.1 101 Switching Protocols", &fields, head, false)
}

/// The head as HTTP/1.1 has it: `before` and the fields in their order, how the body is carried where
/// the server said no length, the date last.
fn written(first: &str, before: &[(&str, &str)], head: &Response<()>, chunked: bool) -> String {
    let mut text = format!("{first}\r\n");
    for (name, value) in before {
        text += &format!("{name}: {value}\r\n");
    }
    for (name, value) in head.headers() {
        if name == "date" && chunked {
            text += "transfer-encoding: chunked\r\n";
        }
        text += &format!("{name}: {}\r\n", String::from_utf8_lossy(value.as_bytes()));
    }
    text + "\r\n"
}

/// Carries what comes of a stream, each frame of it a chunk.
async fn body(
    mut receive: RecvStream,
    to_client: &mut ToClient,
    chunked: bool,
) -> Result<(), Failed> {
    while let Some(data) = receive.data().await {
        let data = data?;
        if !data.is_empty() && chunked {
            let head = format!("{:x}\r\n", data.len());
            let chunk = [head.as_bytes(), &data, b"\r\n"].concat();
            to_client.write_all(&chunk).await?;
        } else {
            to_client.write_all(&data).await?;
        }
        receive.flow_control().release_capacity(data.len())?;
    }
    Ok(())
}

/// Carries a WebSocket both ways until one side ends.
async fn carry(
    client: &mut Client,
    to_client: &mut ToClient,
    mut send: SendStream<Bytes>,
    receive: RecvStream,
) -> Result<(), Failed> {
    let up = async {
        loop {
            let bytes = client
                .fill_buf()
                .await
                .map_or(Bytes::new(), Bytes::copy_from_slice);
            client.consume(bytes.len());
            if bytes.is_empty() {
                return;
            }
            if send.send_data(bytes, false).is_err() {
                // The server ended its side: what it said before is still to be read.
                return pending().await;
            }
        }
    };
    tokio::select! {
        () = up => Ok(()),
        down = body(receive, to_client, false) => down,
    }
}

//! A request whose head has been read: how it is carried, and of which kind it is.

use bytes::Bytes;

use super::connection::Ending;
use super::framing::Framing;
use super::head::Head;
use super::journal::End;
use super::kind::{Kind, asks_in_its_body};
use super::side::Side;

/// Of a longer body what it asks for is not read.
const BODY_BYTES: usize = 1 << 20;

/// What is carried.
pub struct Asked {
    /// What goes to the server as its head; empty where it was no HTTP/1.
    pub head: Bytes,
    /// What follows it.
    pub body: Framing,
    /// The method; empty where all that follows is carried as it is.
    pub method: String,
}

impl Asked {
    /// What a request with this head asks for. What cannot be understood is carried blindly.
    pub async fn read(head: Option<&Head>, client: &mut Side) -> Result<(Self, Kind), Ending> {
        let read = head.and_then(|head| Some((head, Framing::of_request(head)?)));
        let Some((head, body)) = read else {
            let blind = Self {
                head: head.map_or_else(Bytes::new, |head| head.raw.clone()),
                body: Framing::Endless,
                method: String::new(),
            };
            return Ok((blind, Kind::Other));
        };
        let said = match asks_in_its_body(head) {
            true => peek(client, &body).await?,
            false => Vec::new(),
        };
        let asked = Self {
            head: head.raw.clone(),
            body,
            method: head.start()[0].to_owned(),
        };
        Ok((asked, Kind::of(head, &said)))
    }
}

/// The payload of a body that is still to be forwarded.
async fn peek(client: &mut Side, body: &Framing) -> Result<Vec<u8>, Ending> {
    let (mut client, _) = client.split();
    loop {
        let (mut body, mut payload) = (body.clone(), Vec::new());
        body.pass(client.buffer, Some(&mut payload));
        if body.is_over() || client.buffer.len() > BODY_BYTES {
            return Ok(payload);
        }
        let more = client.more().await;
        if !more.map_err(|_| Ending::Reset(End::Client))? {
            return Ok(payload);
        }
    }
}

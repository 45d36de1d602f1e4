//! Reading over WebSocket. The handshake is an HTTP request like any other here, so that a refusal is read the
//! same way; the frames are `tokio-tungstenite`'s. Channels stand in the URL where they fit; long lists are
//! subscribed to by commands, a few at a time. It never publishes.

use std::{
    collections::{HashSet, VecDeque},
    time::Duration,
};

use futures_util::{SinkExt, StreamExt};
use hyper::{
    Response, StatusCode,
    body::Incoming,
    header::{
        CONNECTION, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
        SEC_WEBSOCKET_VERSION, UPGRADE,
    },
    upgrade::Upgraded,
};
use hyper_util::rt::TokioIo;
use tokio::time::{Instant, timeout};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        self, Message,
        handshake::{client::generate_key, derive_accept_key},
        protocol::{CloseFrame, Role, WebSocketConfig, frame::coding::CloseCode},
    },
};

use super::{Attempt, Followed, Stop, request};
use crate::{
    Error, codes,
    end::Cause,
    endpoint::Target,
    envelope::{Frame, WireError, parse_binary, parse_text},
    error::Refusal,
    http::chain,
    identity::token_of,
    places::Ask,
};

/// Enough for many small messages in one read; the default is 128 KiB.
const READ_BUFFER: usize = 16 * 1024;

/// Commands that wait for their answer at a time: neither side ever has to buffer a whole long list.
const COMMANDS_AT_A_TIME: usize = 16;

/// The farewell is a courtesy, and not waited for longer.
const FAREWELL: Duration = Duration::from_secs(1);

type Socket = WebSocketStream<TokioIo<Upgraded>>;

/// Reads until something stops it.
pub(super) async fn follow(attempt: &mut Attempt) -> Followed {
    let asks = attempt.places.asks();
    let (target, commands) = match request::target(&asks, &attempt.options.join) {
        Some(target) => (target, Commands::default()),
        None => (Target::path("/channels"), Commands::new(asks)),
    };
    let target = request::telling(target, attempt.moved.take().as_deref());
    let (mut socket, first_frame_by) = shake_hands(attempt, target).await?;
    let followed = read(attempt, &mut socket, commands, first_frame_by).await;
    if let Err(Stop::End(Cause::Closed | Cause::Asked(_))) = &followed {
        let frame = CloseFrame {
            code: CloseCode::Normal,
            reason: "".into(),
        };
        let _ = timeout(FAREWELL, socket.close(Some(frame))).await;
    }
    followed
}

/// The opening handshake (RFC 6455, section 4.1).
async fn shake_hands(attempt: &mut Attempt, target: Target) -> Result<(Socket, Instant), Stop> {
    let key = generate_key();
    let mut request = request::get(&attempt.inner, target).map_err(|error| attempt.broke(error))?;
    let headers = request.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
    headers.insert(
        SEC_WEBSOCKET_PROTOCOL,
        HeaderValue::from_static("tidings.v1"),
    );
    headers.insert(
        SEC_WEBSOCKET_KEY,
        HeaderValue::from_str(&key).expect("base64 is visible ASCII"),
    );
    let (response, first_frame_by) = attempt.open(request).await?;
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        return Err(attempt.not_a_stream(response).await);
    }
    if !accepts(&response, &key) {
        return Err(attempt.broke(Error::Foreign(
            "the upgrade is not accepted as RFC 6455 says".into(),
        )));
    }
    let upgraded = hyper::upgrade::on(response)
        .await
        .map_err(|error| attempt.broke(Error::Lost(chain(&error))))?;
    let max = Some(attempt.inner.limits.max_message);
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(0)
        .max_message_size(max)
        .max_frame_size(max);
    let socket =
        WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Client, Some(config)).await;
    Ok((socket, first_frame_by))
}

/// A proxy's cached 101 of somebody else does not have the answer to this key.
fn accepts(response: &Response<Incoming>, key: &str) -> bool {
    let header = |name| {
        response
            .headers()
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    };
    header(UPGRADE).eq_ignore_ascii_case("websocket")
        && header(SEC_WEBSOCKET_ACCEPT) == derive_accept_key(key.as_bytes())
}

async fn read(
    attempt: &mut Attempt,
    socket: &mut Socket,
    mut commands: Commands,
    first_frame_by: Instant,
) -> Followed {
    let mut complaint = None;
    loop {
        let by = attempt.silence_ends(first_frame_by);
        let piece = attempt.piece(by, socket.next()).await?;
        if matches!(piece, Some(Ok(_))) {
            attempt.heard();
        }
        let frame = match piece {
            Some(Ok(Message::Text(text))) => parse_text(&text),
            Some(Ok(Message::Binary(bytes))) => parse_binary(&bytes),
            Some(Ok(Message::Close(Some(close)))) => return Err(closed(&close, complaint)),
            Some(Ok(Message::Close(None))) => {
                let error = Error::Lost("the connection was closed without a code".into());
                return Err(attempt.broke(error));
            }
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => continue,
            Some(Err(error)) => return Err(broke(attempt, error)),
            None => return Err(attempt.broke(Error::Lost("the connection ended".into()))),
        };
        let answered = commands.answered(&frame);
        if let Ok(Frame::Expiring(_)) = frame
            && let Some(authorization) = attempt.renewed().await
        {
            commands.show(attempt, socket, &authorization).await?;
        }
        match attempt.frame(frame).await {
            // The connection lives on, or a close code tells what this means.
            Err(Stop::Complaint(error)) if !answered => complaint = Some(error),
            other => other?,
        }
        commands.send(attempt, socket).await?;
    }
}

fn broke(attempt: &Attempt, error: tungstenite::Error) -> Stop {
    attempt.broke(match error {
        tungstenite::Error::Capacity(_) => Error::TooLarge {
            what: "a message",
            limit: attempt.inner.limits.max_message,
        },
        error => Error::Lost(chain(&error)),
    })
}

/// What a close code means.
fn closed(close: &CloseFrame, complaint: Option<WireError>) -> Stop {
    let code = u16::from(close.code);
    let is_final = codes::is_final_close(code);
    let reason = Some(close.reason.to_string()).filter(|reason| !reason.is_empty());
    let complaint = complaint.unwrap_or_default();
    let error = Error::from(Refusal {
        close_code: Some(code),
        code: complaint.code,
        detail: complaint.message.or(reason),
        retry_after: complaint.retry,
        temporary: !is_final,
        ..Refusal::default()
    });
    Stop::End(match code {
        _ if is_final => Cause::Final(error),
        _ if codes::is_close_at_once(code) => Cause::AtOnce(error),
        _ => Cause::Passing(error),
    })
}

/// Subscriptions that are still to be made.
#[derive(Debug, Default)]
struct Commands {
    to_send: VecDeque<Ask>,
    next_id: u64,
    unanswered: HashSet<u64>,
    /// The command that showed the newest token.
    auth: Option<u64>,
}

impl Commands {
    fn new(asks: Vec<Ask>) -> Self {
        Self {
            to_send: asks.into(),
            next_id: 1,
            unanswered: HashSet::new(),
            auth: None,
        }
    }

    /// Takes note if a frame answers a command.
    fn answered(&mut self, frame: &Result<Frame, String>) -> bool {
        let id = match frame {
            Ok(Frame::Subscribed(id, _)) => *id,
            Ok(Frame::Error(error)) => error.id,
            _ => None,
        };
        id.is_some_and(|id| self.unanswered.remove(&id) || self.auth == Some(id))
    }

    /// Shows a newer token.
    async fn show(
        &mut self,
        attempt: &Attempt,
        socket: &mut Socket,
        authorization: &HeaderValue,
    ) -> Result<(), Stop> {
        // Ids of subscriptions begin at 1 where there are any.
        self.next_id += 1;
        self.auth = Some(self.next_id);
        let command = request::auth(self.next_id, token_of(authorization));
        self.next_id += 1;
        say(attempt, socket, command).await
    }

    /// Sends as many as may wait for an answer.
    async fn send(&mut self, attempt: &Attempt, socket: &mut Socket) -> Result<(), Stop> {
        while self.unanswered.len() < COMMANDS_AT_A_TIME
            && let Some(ask) = self.to_send.pop_front()
        {
            let command = request::subscribe(self.next_id, &ask, &attempt.options.join);
            self.unanswered.insert(self.next_id);
            self.next_id += 1;
            say(attempt, socket, command).await?;
        }
        Ok(())
    }
}

async fn say(attempt: &Attempt, socket: &mut Socket, command: String) -> Result<(), Stop> {
    let within = attempt.inner.timings.request;
    match timeout(within, socket.send(Message::text(command))).await {
        Ok(sent) => sent.map_err(|error| broke(attempt, error)),
        Err(_) => Err(attempt.broke(Error::Timeout {
            what: "no command could be sent",
            after: within,
        })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cause(code: u16) -> Cause {
        let close = CloseFrame {
            code: code.into(),
            reason: "왜냐하면".into(),
        };
        match closed(&close, None) {
            Stop::End(cause) => cause,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn close_codes_mean_what_the_protocol_says() {
        for code in [1000, 1002, 1003, 1007, 1008, 1009, 4000, 4001, 4099] {
            assert!(
                matches!(cause(code), Cause::Final(error) if error.detail() == Some("왜냐하면")),
                "{code}"
            );
        }
        for code in [1001, 1011, 1012, 1013, 4100, 4199, 3000, 4300] {
            assert!(matches!(cause(code), Cause::Passing(_)), "{code}");
        }
        for code in [4200, 4299] {
            assert!(matches!(cause(code), Cause::AtOnce(_)), "{code}");
        }
    }

    #[test]
    fn the_complaint_before_a_close_explains_it() {
        let complaint = WireError {
            code: Some("no_right".into()),
            message: Some("no".into()),
            ..WireError::default()
        };
        let close = CloseFrame {
            code: 4003.into(),
            reason: "".into(),
        };
        let Stop::End(Cause::Final(error)) = closed(&close, Some(complaint)) else {
            panic!("not final")
        };
        assert_eq!(
            (error.code(), error.detail()),
            (Some("no_right"), Some("no"))
        );
        assert_eq!(
            error.refusal().and_then(|refusal| refusal.close_code),
            Some(4003)
        );
    }
}

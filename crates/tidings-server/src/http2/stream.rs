//! One request over HTTP/2, and its answer.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::SystemTime;

use bytes::Bytes;
use h2::ext::Protocol;
use h2::server::SendResponse;
use h2::{RecvStream, SendStream};
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, Request, Response, StatusCode, request};
use hyper::body::{Body, Frame, SizeHint};
use tidings_protocol::{Code, Problem};
use tokio::time::timeout;

use super::watched::Watch;
use super::wire::Stream as StreamWire;
use crate::app::App;
use crate::handler::handle;
use crate::refuse::refuse;
use crate::reply::{Answer, Reply, Takeover};
use crate::transport::wire::Wire;
use crate::transport::{End, Outbox, Session, Stream, pump};
use crate::via::{Via, take_tunnel};

/// Answers one request.
pub async fn serve(
    app: &Arc<App>,
    via: Via,
    watch: Arc<Watch>,
    request: Request<RecvStream>,
    respond: SendResponse<Bytes>,
) {
    let (mut head, receive) = request.into_parts();
    let protocol = head.extensions.get::<Protocol>().cloned();
    let tunnel = take_tunnel(&mut head, protocol.as_ref().map(Protocol::as_str));
    Via { tunnel, ..via }.note(&mut head);
    let mut body = RequestStream::new(receive, &head);
    let reply = if head.headers.len() > app.limits().head_fields {
        let problem = Problem::new(Code::HeadTooLarge, "the request has too many header fields");
        refuse(app, &head, &problem).into()
    } else {
        handle(app, &head, &mut body).await
    };
    // An error is the client's going away: nobody is left to be told.
    let _ = match reply {
        Reply::Answer(reply) => {
            let is_head = head.method == Method::HEAD;
            answer(app, respond, reply, is_head, (body.receive, watch)).await
        }
        Reply::Takeover(takeover) => {
            let begin = |send| StreamWire::new(send, body.receive, tunnel, watch);
            stream(app, respond, *takeover, begin).await
        }
    };
}

async fn answer(
    app: &App,
    mut respond: SendResponse<Bytes>,
    answer: Answer,
    is_head: bool,
    (receive, watch): (RecvStream, Arc<Watch>),
) -> Result<(), h2::Error> {
    let (mut parts, body) = answer.into_parts();
    let mut out = body.into_pieces();
    if !matches!(
        parts.status,
        StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED
    ) {
        let length = HeaderValue::from(out.len());
        parts.headers.insert(header::CONTENT_LENGTH, length);
    }
    let silent = out.is_empty() || is_head;
    let head = head(parts.status, parts.headers);
    let send = respond.send_response(head, silent)?;
    let mut wire = StreamWire::new(send, receive, false, watch);
    if silent {
        out = Outbox::default();
        wire.has_ended();
    }
    wire.frame(&mut out, true);
    while !out.is_empty() {
        let write = poll_fn(|cx| wire.poll_write(cx, &mut out));
        match timeout(app.limits().write_time, write).await {
            Ok(Ok(_)) => {}
            Ok(Err(_)) => return Ok(()),
            Err(_) if !wire.is_stuck() => {}
            Err(_) => {
                app.stats.write_timeouts.add(1);
                wire.reset();
                return Ok(());
            }
        }
    }
    // A body that was refused may still be on its way. The library lets a connection have a thousand of
    // those in its life, and ends it then.
    pump::linger(&mut wire).await;
    Ok(())
}

async fn stream(
    app: &Arc<App>,
    mut respond: SendResponse<Bytes>,
    takeover: Takeover,
    begin: impl FnOnce(SendStream<Bytes>) -> StreamWire,
) -> Result<(), h2::Error> {
    let wire = begin(respond.send_response(head(takeover.status, takeover.headers), false)?);
    match takeover.stream {
        Stream::LongPoll(session) => pumped(app, wire, session).await,
        Stream::Sse(session) => pumped(app, wire, session).await,
        Stream::WebSocket(session) => pumped(app, wire, session).await,
    }
    Ok(())
}

async fn pumped<S: Session>(app: &Arc<App>, mut wire: StreamWire, session: Box<S>) {
    match pump::run(app, &mut wire, session).await {
        End::Close | End::NextRequest(_) => pump::linger(&mut wire).await,
        End::Cut => wire.reset(),
    }
}

/// The head of an answer, without the fields that belong to a connection (RFC 9113 section 8.2.2).
fn head(status: StatusCode, mut headers: HeaderMap) -> Response<()> {
    headers.remove(header::CONNECTION);
    headers.remove(header::UPGRADE);
    let date = httpdate::fmt_http_date(SystemTime::now());
    let date = HeaderValue::try_from(date).expect("a date is ASCII");
    headers.insert(header::DATE, date);
    let mut head = Response::new(());
    *head.status_mut() = status;
    *head.headers_mut() = headers;
    head
}

/// The body of a request, and what is left of the stream when it was not read.
struct RequestStream {
    receive: RecvStream,
    /// Announced, and checked by the library.
    length: Option<u64>,
}

impl RequestStream {
    fn new(receive: RecvStream, head: &request::Parts) -> Self {
        let length = head.headers.get(header::CONTENT_LENGTH);
        let length = length.and_then(|length| length.to_str().ok()?.parse().ok());
        Self { receive, length }
    }
}

impl Body for RequestStream {
    type Data = Bytes;
    type Error = h2::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, h2::Error>>> {
        let Some(data) = ready!(self.receive.poll_data(cx)) else {
            return Poll::Ready(None);
        };
        let data = data?;
        self.receive.flow_control().release_capacity(data.len())?;
        Poll::Ready(Some(Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        self.receive.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.length.map_or_else(SizeHint::new, SizeHint::with_exact)
    }
}

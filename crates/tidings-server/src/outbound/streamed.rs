//! An answer that comes piece by piece. What its bytes mean is the business of who asked, and so is
//! how many of them are enough.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::OutboundError;
use super::client::{Io, http, shake_hands};

/// The answer to a request. Dropped, it closes its connection.
#[derive(Debug)]
pub struct Streamed {
    /// The status.
    pub status: StatusCode,
    /// The fields of its head.
    pub headers: HeaderMap,
    body: Incoming,
    _connection: Carried,
}

impl Streamed {
    pub(super) async fn begin(
        io: Box<dyn Io>,
        request: Request<Full<Bytes>>,
    ) -> Result<Self, OutboundError> {
        let (mut sender, connection) = shake_hands(io).await?;
        let carried = Carried(tokio::spawn(async move {
            // What breaks it is seen by who reads the answer.
            let _ = connection.await;
        }));
        let answer = sender.send_request(request).await;
        let (head, body) = answer.map_err(|error| http(&error))?.into_parts();
        if head.status.is_redirection() {
            return Err(OutboundError::Redirect);
        }
        Ok(Self {
            status: head.status,
            headers: head.headers,
            body,
            _connection: carried,
        })
    }

    /// The next bytes of the body, in this time; `None` at its end.
    ///
    /// # Errors
    ///
    /// [`OutboundError::Timeout`], and [`OutboundError::Unreachable`] if the connection broke before the end.
    pub async fn chunk(&mut self, within: Duration) -> Result<Option<Bytes>, OutboundError> {
        loop {
            let frame = timeout(within, self.body.frame()).await;
            match frame.map_err(|_| OutboundError::Timeout(within))? {
                None => return Ok(None),
                Some(Err(error)) => return Err(OutboundError::Unreachable(error.to_string())),
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        return Ok(Some(data));
                    }
                }
            }
        }
    }
}

/// The task of a connection, which ends with it.
#[derive(Debug)]
struct Carried(JoinHandle<()>);

impl Drop for Carried {
    fn drop(&mut self) {
        self.0.abort();
    }
}

//! A request's body, whole, within its limits.

use std::error::Error;

use bytes::{BufMut, Bytes, BytesMut};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Body;
use tidings_core::Limits;
use tidings_protocol::{Code, Problem};
use tokio::time::timeout;

/// A body, whatever carries it.
pub trait RequestBody:
    Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Unpin
{
}

impl<B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Unpin> RequestBody for B {}

/// Whether there is no body. Over HTTP/2 its end may come on its own.
pub async fn is_empty<B: RequestBody>(body: &mut B, limits: &Limits) -> bool {
    while !body.is_end_stream() {
        match timeout(limits.body_time, body.frame()).await {
            Ok(None) => return true,
            Ok(Some(Ok(frame))) if frame.data_ref().is_none_or(Bytes::is_empty) => {}
            _ => return false,
        }
    }
    true
}

/// Reads the body, up to `bytes_max` and within the limit of time.
pub async fn read<B: RequestBody>(
    body: &mut B,
    bytes_max: usize,
    limits: &Limits,
) -> Result<Bytes, Problem> {
    let too_large = || {
        Problem::new(
            Code::BodyTooLarge,
            format!("a body here has at most {bytes_max} bytes"),
        )
    };
    if body.size_hint().lower() > bytes_max as u64 {
        return Err(too_large());
    }
    match timeout(limits.body_time, collect(Limited::new(body, bytes_max))).await {
        Ok(Ok(whole)) => Ok(whole),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(_)) => Err(Problem::new(
            Code::BadRequest,
            "the body ended before it was whole",
        )),
        Err(_) => Err(Problem::new(
            Code::RequestTimeout,
            format!(
                "the body did not arrive within {} s",
                limits.body_time.as_secs_f64()
            ),
        )),
    }
}

/// One buffer, whatever the sizes of the pieces: a list of them would cost many times their bytes.
async fn collect<B>(mut body: B) -> Result<Bytes, B::Error>
where
    B: Body<Data = Bytes> + Unpin,
{
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else {
            continue;
        };
        if whole.is_empty() && body.is_end_stream() {
            return Ok(data);
        }
        whole.put(data);
    }
    Ok(whole.freeze())
}

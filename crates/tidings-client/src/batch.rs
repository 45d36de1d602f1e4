//! Several messages of a channel in one request (`POST /publish`). It is sent once; what became of it if no answer came
//! is settled by publishing each again under its key.

use base64::{Engine, engine::general_purpose::STANDARD};
use http_body_util::Full;
use hyper::{
    Method, Request, StatusCode,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue},
};
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};

use crate::{
    Client, Error, Publish, Receipt,
    endpoint::Target,
    http::{Reuse, refusal, refusal_in},
    publish::WireReceipt,
};

#[derive(Serialize)]
struct Batch<'a> {
    messages: Vec<Item<'a>>,
}

#[derive(Serialize)]
struct Item<'a> {
    channel: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<&'a str>,
    data: Box<RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    encoding: Option<&'static str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    ephemeral: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    topic: Option<&'a str>,
}

#[derive(Deserialize)]
struct Results<'a> {
    #[serde(borrow)]
    results: Vec<&'a RawValue>,
}

impl Client {
    /// Publishes messages of one channel in one request, in their order, and gives what became of each. It is not tried
    /// again: after an error, publish each by [`Client::publish`], which a [`Publish::key`] keeps from doubling.
    ///
    /// # Errors
    ///
    /// What a request can fail with. A message that is wrong refuses all. [`Error::Argument`] for a message that ends
    /// its channel, or whose payload is not of [`Publish::json`], [`Publish::text`] or [`Publish::bytes`].
    pub async fn publish_batch(
        &self,
        channel: &str,
        messages: &[Publish],
    ) -> Result<Vec<Result<Receipt, Error>>, Error> {
        let inner = &*self.inner;
        let items: Result<Vec<_>, Error> = messages
            .iter()
            .map(|message| item(channel, message))
            .collect();
        let body = serde_json::to_vec(&Batch { messages: items? })
            .map_err(|error| Error::Argument(error.to_string()))?;
        let mut request = Request::new(Full::new(body.into()));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = inner.endpoint.uri(Target::path("/publish"))?;
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(authorization) = inner.identity.authorization().await? {
            headers.insert(AUTHORIZATION, authorization);
        }
        let _turn = inner.outgoing.turn(channel, inner.limits.queue).await?;
        let (within, limit) = (inner.timings.request, inner.limits.max_response);
        let answer = inner.http.exchange(request, Reuse::Allowed, within, limit);
        let answer = answer.await?;
        if answer.status != StatusCode::OK {
            return Err(refusal(&answer));
        }
        inner.outgoing.answered(true);
        results(&answer.body, messages.len())
    }
}

fn item<'a>(channel: &'a str, message: &'a Publish) -> Result<Item<'a>, Error> {
    let wrong = |why: &str| Err(Error::Argument(why.to_owned()));
    let data = &message.data;
    let (data, encoding) = match message.content_type.as_deref() {
        Some("application/json") => match serde_json::from_slice::<&RawValue>(data) {
            Ok(json) => (json.to_owned(), None),
            Err(error) => return wrong(&format!("a payload is not JSON: {error}")),
        },
        Some("text/plain; charset=utf-8") => match std::str::from_utf8(data) {
            Ok(text) => (to_raw_value(text).expect("a string"), Some("text")),
            Err(_) => return wrong("a text is not UTF-8"),
        },
        Some("application/octet-stream") => {
            let text = STANDARD.encode(data);
            (to_raw_value(&text).expect("a string"), Some("base64"))
        }
        _ => {
            return wrong(
                "a batch holds JSON, text and bytes: a media type needs a request of its own",
            );
        }
    };
    if message.close {
        return wrong("a batch ends no channel: publish the last message alone");
    }
    Ok(Item {
        channel,
        event: message.event.as_deref(),
        data,
        encoding,
        ephemeral: message.ephemeral,
        key: message.key.as_deref(),
        topic: message.topic.as_deref(),
    })
}

fn results(body: &[u8], count: usize) -> Result<Vec<Result<Receipt, Error>>, Error> {
    let foreign = |why: String| Error::Foreign(format!("bad answer to a batch: {why}"));
    let told: Results<'_> =
        serde_json::from_slice(body).map_err(|error| foreign(error.to_string()))?;
    if told.results.len() != count {
        return Err(foreign(format!("{} results", told.results.len())));
    }
    let result = |result: &RawValue| match serde_json::from_str::<WireReceipt>(result.get()) {
        Ok(receipt) => Ok(receipt.into()),
        Err(_) => Err(refusal_in(result.get())),
    };
    Ok(told.results.into_iter().map(result).collect())
}

//! The URLs as a service, as axum, hyper and tower take it.

use std::convert::Infallible;
use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::uri::{PathAndQuery, Uri};
use http::{Request, Response};
use http_body::Body as HttpBody;

use super::{Body, Tidings};

/// A service over a hub. It takes any request and answers it; it never fails.
#[derive(Clone)]
pub struct Service {
    tidings: Tidings,
    prefix: String,
}

type Answering = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

impl Service {
    pub(super) fn new(tidings: Tidings) -> Self {
        Self {
            tidings,
            prefix: String::new(),
        }
    }

    /// The same for requests whose path still begins with `prefix`, as `/realtime`. axum's
    /// `nest_service` takes it away by itself; hyper and `fallback_service` do not. What does not
    /// begin with it is answered 404.
    #[must_use]
    pub fn under(mut self, prefix: &str) -> Self {
        self.prefix = prefix.trim_end_matches('/').to_owned();
        self
    }

    /// Answers one request.
    pub fn answer<B>(&self, mut request: Request<B>) -> Answering
    where
        B: HttpBody<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
    {
        if !self.prefix.is_empty() {
            *request.uri_mut() = without(request.uri(), &self.prefix);
        }
        let tidings = self.tidings.clone();
        Box::pin(async move { Ok(tidings.handle(request).await) })
    }
}

impl<B> tower_service::Service<Request<B>> for Service
where
    B: HttpBody<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answering;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Answering {
        self.answer(request)
    }
}

/// The target behind the prefix; `/`, where there is nothing, if it does not begin with it.
fn without(uri: &Uri, prefix: &str) -> Uri {
    let Some(target) = uri.path_and_query().map(PathAndQuery::as_str) else {
        // The target of a CONNECT, which has no path.
        return Uri::from_static("/");
    };
    let rest = target
        .strip_prefix(prefix)
        .filter(|rest| rest.starts_with('/'))
        .unwrap_or("/");
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(rest.parse().expect("the end of a valid target is one"));
    Uri::from_parts(parts).expect("only the path was changed, for another")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_taken_away_whole() {
        for (uri, rest) in [
            ("/rt/channels/a?after=now", "/channels/a?after=now"),
            ("http://host:1/rt/channels/a", "http://host:1/channels/a"),
            ("/rt", "/"),
            ("/rt?x=1", "/"),
            ("/rtx/channels/a", "/"),
            ("/channels/a", "/"),
            ("host:443", "/"),
        ] {
            assert_eq!(without(&uri.parse().unwrap(), "/rt").to_string(), rest);
        }
    }
}

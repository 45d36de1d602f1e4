//! One question to the server, answered in JSON. It is asked once; trying again is the caller's.

use http_body_util::Full;
use hyper::{Method, Request, StatusCode, header::AUTHORIZATION};
use serde::de::DeserializeOwned;

use crate::{
    Error,
    client::Inner,
    endpoint::Target,
    http::{Reuse, refusal},
};

impl Inner {
    /// Asks, and once more with another token where the one that was shown has ended.
    ///
    /// # Errors
    ///
    /// What a request can fail with; [`Error::Foreign`] for an answer of another form.
    pub(crate) async fn query<T>(&self, method: Method, target: Target) -> Result<T, Error>
    where
        T: DeserializeOwned,
    {
        let uri = self.endpoint.uri(target)?;
        loop {
            let mut request = Request::new(Full::default());
            *request.method_mut() = method.clone();
            *request.uri_mut() = uri.clone();
            let authorization = self.identity.authorization().await?;
            if let Some(authorization) = &authorization {
                let headers = request.headers_mut();
                headers.insert(AUTHORIZATION, authorization.clone());
            }
            let (within, limit) = (self.timings.request, self.limits.max_response);
            let answer = self.http.exchange(request, Reuse::Allowed, within, limit);
            let answer = answer.await?;
            if answer.status == StatusCode::OK {
                self.identity.accepted();
                return serde_json::from_slice(&answer.body)
                    .map_err(|error| Error::Foreign(format!("bad answer: {error}")));
            }
            let error = refusal(&answer);
            if !(error.is_expired() && self.identity.expired(authorization.as_ref())) {
                return Err(error);
            }
        }
    }
}

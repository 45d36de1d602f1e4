//! Who this client is to the server: its token, where it comes from, and when another one is needed. What a token says
//! is not looked at: that it has ended, the server says.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use hyper::header::HeaderValue;

use crate::Error;

type Asked = Pin<Box<dyn Future<Output = Result<String, String>> + Send>>;

/// Where tokens come from.
#[derive(Clone, Default)]
pub(crate) enum Tokens {
    /// There is none.
    #[default]
    None,
    /// This one, as long as it is good.
    Fixed(String),
    /// Somebody is asked, and asked again when it has ended.
    Asked(Arc<dyn Fn() -> Asked + Send + Sync>),
}

impl Tokens {
    pub(crate) fn asked<F, E>(ask: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<String, E>> + Send + 'static,
        E: fmt::Display,
    {
        Self::Asked(Arc::new(move || {
            let asked = ask();
            Box::pin(async move { asked.await.map_err(|error| error.to_string()) })
        }))
    }
}

/// It tells no token.
impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Fixed(_) => "Fixed",
            Self::Asked(_) => "Asked",
        })
    }
}

/// The token of now, shared by all that the client does.
#[derive(Debug)]
pub(crate) struct Identity {
    tokens: Tokens,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    /// `Bearer TOKEN`.
    authorization: Option<HeaderValue>,
    /// The server took none since somebody was asked because one had ended.
    in_vain: bool,
}

impl Identity {
    /// # Errors
    ///
    /// [`Error::Token`] for a fixed text that is no token.
    pub(crate) fn new(tokens: Tokens) -> Result<Self, Error> {
        let mut held = Held::default();
        if let Tokens::Fixed(token) = &tokens {
            held.authorization = Some(authorization(token)?);
        }
        Ok(Self {
            tokens,
            held: Mutex::new(held),
        })
    }

    /// What `Authorization` says, if there is a token. Somebody is asked where none is held.
    ///
    /// # Errors
    ///
    /// [`Error::Token`]: who was asked has none.
    pub(crate) async fn authorization(&self) -> Result<Option<HeaderValue>, Error> {
        if let Some(held) = self.held().authorization.clone() {
            return Ok(Some(held));
        }
        let Tokens::Asked(ask) = &self.tokens else {
            return Ok(None);
        };
        let token = ask().await.map_err(Error::Token)?;
        let authorization = authorization(&token)?;
        self.held().authorization = Some(authorization.clone());
        Ok(Some(authorization))
    }

    /// The server took what it was shown.
    pub(crate) fn accepted(&self) {
        self.held().in_vain = false;
    }

    /// Somebody is asked before the next request, because this one ends. False: there is nobody.
    pub(crate) fn renew(&self, used: Option<&HeaderValue>) -> bool {
        if !matches!(self.tokens, Tokens::Asked(_)) {
            return false;
        }
        let mut held = self.held();
        // Another request may have seen to it.
        if held.authorization.as_ref() == used {
            held.authorization = None;
        }
        true
    }

    /// The server says that this one has ended. Whether another one is to be had: somebody can be asked, and was not
    /// already in vain.
    pub(crate) fn expired(&self, used: Option<&HeaderValue>) -> bool {
        if !matches!(self.tokens, Tokens::Asked(_)) {
            return false;
        }
        let mut held = self.held();
        if held.authorization.is_some() && held.authorization.as_ref() != used {
            return true;
        }
        held.authorization = None;
        !std::mem::replace(&mut held.in_vain, true)
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// RFC 6750 section 2.1.
fn authorization(token: &str) -> Result<HeaderValue, Error> {
    let token = token.trim();
    let is_token = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
    let no_token = || Error::Token("a token is visible ASCII without spaces".into());
    let value = HeaderValue::from_str(&format!("Bearer {token}")).ok();
    let mut value = value.filter(|_| is_token).ok_or_else(no_token)?;
    value.set_sensitive(true);
    Ok(value)
}

/// The token within it.
pub(crate) fn token_of(authorization: &HeaderValue) -> &str {
    let text = authorization.to_str().unwrap_or_default();
    text.strip_prefix("Bearer ").unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    fn counting() -> Tokens {
        let count = AtomicU32::new(0);
        Tokens::asked(move || {
            let token = format!("t{}", count.fetch_add(1, Ordering::Relaxed));
            async move { Ok::<_, String>(token) }
        })
    }

    async fn token(identity: &Identity) -> HeaderValue {
        identity
            .authorization()
            .await
            .expect("a token")
            .expect("one")
    }

    #[tokio::test]
    async fn somebody_is_asked_once_for_each_token_that_ended() {
        let identity = Identity::new(counting()).expect("no text");
        let first = token(&identity).await;
        assert_eq!(token_of(&first), "t0");
        assert_eq!(token(&identity).await, first, "it is kept");
        assert!(identity.expired(Some(&first)));
        assert!(!identity.expired(Some(&first)), "asked in vain");
        let second = token(&identity).await;
        assert!(identity.expired(Some(&first)), "it was renewed meanwhile");
        identity.accepted();
        assert!(identity.expired(Some(&second)));
        assert_eq!(token_of(&token(&identity).await), "t2");
    }

    #[tokio::test]
    async fn a_fixed_token_stays() {
        let identity = Identity::new(Tokens::Fixed(" abc\n".into())).expect("a token");
        let fixed = token(&identity).await;
        assert_eq!(token_of(&fixed), "abc");
        assert!(!identity.renew(Some(&fixed)) && !identity.expired(Some(&fixed)));
        assert_eq!(token(&identity).await, fixed);
        let told = format!("{fixed:?} {identity:?}");
        assert!(!told.contains("abc"), "{told}");
    }

    #[test]
    fn what_is_no_token_is_refused() {
        for wrong in ["", " \n", "a b", "토큰", "a\nb"] {
            assert!(
                Identity::new(Tokens::Fixed(wrong.into())).is_err(),
                "{wrong:?}"
            );
        }
    }
}

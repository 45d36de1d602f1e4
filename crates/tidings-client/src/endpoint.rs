//! The URLs of a server: a base, a path prefix, names and query parameters put in their place. It sends nothing.

use hyper::Uri;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use url::Url;

use crate::Error;

/// What stands for itself in a path segment and in a query value (RFC 3986, `pchar` without the sub-delimiters).
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b':')
    .remove(b'@')
    .remove(b'$');

/// The server's base URL and the user that every request names.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint {
    /// Scheme, authority and path prefix, without a slash at the end.
    base: String,
    user: Option<String>,
}

/// A path below the base, with its query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    text: String,
    has_query: bool,
}

impl Endpoint {
    /// # Errors
    ///
    /// [`Error::Url`].
    pub(crate) fn new(text: &str, user: Option<String>) -> Result<Self, Error> {
        let bad = |why: &str| Error::Url(format!("{text}: {why}"));
        let url = Url::parse(text).map_err(|error| bad(&error.to_string()))?;
        match url.scheme() {
            "http" | "https" => {}
            "ws" => return Err(bad("write http://, which is for all transports")),
            "wss" => return Err(bad("write https://, which is for all transports")),
            _ => return Err(bad("write http://HOST:PORT or https://HOST:PORT")),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(bad("a user in the URL is not supported"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(bad("a base URL has no query and no fragment"));
        }
        Ok(Self {
            base: url.as_str().trim_end_matches('/').to_owned(),
            user,
        })
    }

    /// Whether the server is to be reached by TLS.
    pub(crate) fn is_tls(&self) -> bool {
        self.base.starts_with("https:")
    }

    /// Where it says that it is well, whoever asks.
    ///
    /// # Errors
    ///
    /// As for [`Self::uri`].
    pub(crate) fn health(&self) -> Result<Uri, Error> {
        self.whole(&Target::path("/healthz"))
    }

    /// The whole URL.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] if it is longer than a request line may be (64 KiB).
    pub(crate) fn uri(&self, target: Target) -> Result<Uri, Error> {
        let target = match &self.user {
            Some(user) => target.with("user", user),
            None => target,
        };
        self.whole(&target)
    }

    fn whole(&self, target: &Target) -> Result<Uri, Error> {
        let url = format!("{}{}", self.base, target.text);
        url.parse()
            .map_err(|error| Error::Argument(format!("no URL can be made of this: {error}")))
    }
}

impl Target {
    /// A fixed path.
    pub(crate) fn path(path: &str) -> Self {
        Self {
            text: path.to_owned(),
            has_query: false,
        }
    }

    /// One channel: in the path where the name is a segment, else as a parameter.
    pub(crate) fn channel(name: &str) -> Self {
        let is_segment = !matches!(name, "" | "." | "..") && !name.contains('/');
        if is_segment {
            Self::path(&format!("/channels/{}", utf8_percent_encode(name, ESCAPED)))
        } else {
            Self::path("/channels").with("name", name)
        }
    }

    /// Who is in a channel.
    pub(crate) fn presence(name: &str) -> Self {
        let mut target = Self::channel(name);
        match target.has_query {
            true => Self::path("/presence").with("name", name),
            false => {
                target.text.push_str("/presence");
                target
            }
        }
    }

    /// The same with one more parameter.
    #[must_use]
    pub(crate) fn with(mut self, key: &str, value: &str) -> Self {
        self.text.push(if self.has_query { '&' } else { '?' });
        self.has_query = true;
        self.text.push_str(key);
        self.text.push('=');
        self.text.extend(utf8_percent_encode(value, ESCAPED));
        self
    }

    /// The length in bytes.
    pub(crate) fn len(&self) -> usize {
        self.text.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uri(base: &str, target: Target) -> String {
        Endpoint::new(base, None)
            .and_then(|endpoint| endpoint.uri(target))
            .expect("a URL")
            .to_string()
    }

    #[test]
    fn names_find_their_place() {
        let base = "http://127.0.0.1:8000";
        for (name, expected) in [
            ("room:7", "/channels/room:7"),
            ("@alice", "/channels/@alice"),
            ("$stats", "/channels/$stats"),
            ("a?b#c%d&e+f", "/channels/a%3Fb%23c%25d%26e%2Bf"),
            ("방", "/channels/%EB%B0%A9"),
            ("...", "/channels/..."),
            ("a/b", "/channels?name=a%2Fb"),
            ("..", "/channels?name=.."),
        ] {
            assert_eq!(
                uri(base, Target::channel(name)),
                format!("{base}{expected}")
            );
        }
    }

    #[test]
    fn a_prefix_and_a_user_are_kept() {
        for base in ["http://host/live", "http://host/live/"] {
            let target = Target::channel("a").with("after", "e-1");
            assert_eq!(uri(base, target), "http://host/live/channels/a?after=e-1");
        }
        let endpoint = Endpoint::new("http://host", Some("앨리스".into())).expect("a URL");
        let uri = endpoint.uri(Target::path("/read")).expect("a URL");
        assert_eq!(
            uri.to_string(),
            "http://host/read?user=%EC%95%A8%EB%A6%AC%EC%8A%A4"
        );
    }

    #[test]
    fn the_scheme_says_whether_it_is_tls() {
        for (base, tls) in [("http://host", false), ("HTTPS://host:8443/live", true)] {
            let endpoint = Endpoint::new(base, None).expect("a URL");
            assert_eq!(endpoint.is_tls(), tls, "{base}");
        }
        let target = Target::channel("a");
        assert_eq!(
            uri("https://host:443/live", target),
            "https://host/live/channels/a"
        );
    }

    #[test]
    fn what_cannot_work_is_refused() {
        for wrong in [
            "",
            "host:80",
            "ws://host",
            "wss://host",
            "HTTPS",
            "ftp://host",
            "http://a:b@host",
            "http://host/?a=1",
            "http://host/#a",
        ] {
            assert!(
                matches!(Endpoint::new(wrong, None), Err(Error::Url(_))),
                "{wrong}"
            );
        }
    }
}

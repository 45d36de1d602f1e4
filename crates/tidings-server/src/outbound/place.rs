//! Where a request goes: a URL that was checked when it was configured.

use std::net::{IpAddr, SocketAddr};

use http::Uri;
use rustls::pki_types::ServerName;

/// A checked URL.
#[derive(Clone, Debug)]
pub struct Place {
    /// Without the brackets of an IPv6 address.
    pub(super) host: String,
    pub(super) port: u16,
    /// `Host` of the request.
    pub(super) authority: String,
    /// Path and query.
    pub(super) path: String,
    /// What its certificate is for; `None`: without TLS.
    pub(super) tls: Option<ServerName<'static>>,
    /// Only addresses of this machine.
    pub(super) loopback_only: bool,
}

/// Why requests do not go to a URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlaceError {
    /// No URL.
    #[error("this is no URL: write https://HOST/PATH")]
    NoUrl,
    /// Another scheme.
    #[error("only https:// and http:// are spoken")]
    Scheme,
    /// A user or password in it.
    #[error("a URL carries no user and password: they would stand in logs")]
    UserInfo,
    /// Not TLS, and not on this machine.
    #[error(
        "http:// is for this machine only (127.0.0.1, [::1], localhost): credentials would cross the network in the clear; use https://"
    )]
    Plain,
    /// A host for which there can be no certificate.
    #[error("no certificate can be for this host")]
    Host,
}

impl Place {
    /// Checks a URL. `http://` goes to this machine only, unless `plain` is allowed.
    ///
    /// # Errors
    ///
    /// [`PlaceError`].
    pub fn parse(url: &str, plain: bool) -> Result<Self, PlaceError> {
        let uri: Uri = url.parse().map_err(|_| PlaceError::NoUrl)?;
        let authority = uri.authority().ok_or(PlaceError::NoUrl)?;
        if authority.as_str().contains('@') {
            return Err(PlaceError::UserInfo);
        }
        let host = authority.host();
        let host = host
            .trim_start_matches('[')
            .trim_end_matches(']')
            .to_owned();
        let (tls, port) = match uri.scheme_str() {
            Some("https") => {
                let name = ServerName::try_from(host.clone()).map_err(|_| PlaceError::Host)?;
                (Some(name), 443)
            }
            Some("http") if plain || is_loopback(&host) => (None, 80),
            Some("http") => return Err(PlaceError::Plain),
            _ => return Err(PlaceError::Scheme),
        };
        Ok(Self {
            port: authority.port_u16().unwrap_or(port),
            authority: authority.as_str().to_owned(),
            path: uri
                .path_and_query()
                .map_or("/", |path| path.as_str())
                .to_owned(),
            loopback_only: tls.is_none() && !plain,
            host,
            tls,
        })
    }

    /// Whether requests may go to this address. A name may resolve to any.
    pub(super) fn admits(&self, address: &SocketAddr) -> bool {
        !self.loopback_only || address.ip().is_loopback()
    }
}

fn is_loopback(host: &str) -> bool {
    let address = host.parse::<IpAddr>();
    host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        for (url, expected) in [
            (
                "https://id.example/keys?a=b",
                Ok(("id.example", 443, "/keys?a=b")),
            ),
            ("https://id.example:8443", Ok(("id.example", 8443, "/"))),
            ("https://[2001:db8::1]/", Ok(("2001:db8::1", 443, "/"))),
            ("http://127.0.0.1:9/a", Ok(("127.0.0.1", 9, "/a"))),
            ("http://[::1]/", Ok(("::1", 80, "/"))),
            ("http://localhost/", Ok(("localhost", 80, "/"))),
            ("http://localhost.evil.example/", Err(PlaceError::Plain)),
            ("http://127.0.0.1.evil.example/", Err(PlaceError::Plain)),
            ("http://10.0.0.1/", Err(PlaceError::Plain)),
            ("http://0.0.0.0/", Err(PlaceError::Plain)),
            ("http://a:b@127.0.0.1/", Err(PlaceError::UserInfo)),
            ("https://127.0.0.1@evil.example/", Err(PlaceError::UserInfo)),
            ("ftp://127.0.0.1/", Err(PlaceError::Scheme)),
            ("127.0.0.1:80", Err(PlaceError::Scheme)),
            ("/keys", Err(PlaceError::NoUrl)),
            ("", Err(PlaceError::NoUrl)),
            ("https://a b/", Err(PlaceError::NoUrl)),
            ("https://-/", Err(PlaceError::Host)),
        ] {
            let place = Place::parse(url, false);
            let got = place
                .as_ref()
                .map(|it| (it.host.as_str(), it.port, it.path.as_str()));
            assert_eq!(got.map_err(|error| *error), expected, "{url}");
        }
        let place = Place::parse("http://localhost/", false).unwrap();
        assert!(place.admits(&"127.0.0.1:80".parse().unwrap()));
        assert!(
            !place.admits(&"10.0.0.1:80".parse().unwrap()),
            "by a strange resolver"
        );
        assert!(Place::parse("http://10.0.0.1/", true).is_ok());
    }
}

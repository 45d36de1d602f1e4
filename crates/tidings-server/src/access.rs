//! Who may ask at all: `Host` and `Origin`, and the CORS headers for pages of allowed origins.
//!
//! An open server on loopback is reached by every page that a browser on this machine shows. Two
//! checks keep foreign pages out: `Origin` must be the server's own or listed, and `Host` must be a
//! name of this machine, so that a foreign name which was rebound to 127.0.0.1 does not become
//! "own" (DNS rebinding).

use std::net::{IpAddr, Ipv6Addr};

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Version, request};
use tidings_protocol::{Code, Problem};

use crate::via::via;

/// Which names and pages the server answers.
#[derive(Clone, Debug, Default)]
pub struct AccessRules {
    /// Origins besides the server's own, as `scheme://host[:port]`.
    pub origins: Vec<String>,
    /// Host names besides those of loopback, without port.
    pub hosts: Vec<String>,
    /// Any host name is answered: the server faces more than this machine.
    pub any_host: bool,
    /// Pages from loopback origins are allowed.
    pub loopback_origins: bool,
    /// Clients only read: what is published comes from this process.
    pub read_only: bool,
    /// The server's own channels (`$stats`) are not shown to clients.
    pub hides_own_channels: bool,
}

const ALLOW_HEADERS: &str =
    "Authorization, Content-Type, Idempotency-Key, If-None-Match, Last-Event-ID, Tidings-Session";
const EXPOSE_HEADERS: &str = "ETag, Retry-After";

impl AccessRules {
    /// Judges the `Host` and the `Origin` of a request.
    pub fn check(&self, head: &request::Parts) -> Result<(), Problem> {
        check_coding(&head.headers)?;
        let host = host_of(head)?;
        if let Some(host) = host {
            self.check_host(host, via(head).admin)?;
        }
        match single(&head.headers, &header::ORIGIN)? {
            None => Ok(()),
            Some(origin) if self.allows_origin(origin, host, via(head).secure) => Ok(()),
            Some(_) => Err(Problem::new(
                Code::OriginNotAllowed,
                "pages of this origin may not use the server; list it in `origins`",
            )),
        }
    }

    /// The listener of the administration answers to no name that is not listed: it is reached where
    /// others are not, and a foreign name may have been bound to its address.
    fn check_host(&self, host: &str, admin: bool) -> Result<(), Problem> {
        let name = host_name(host);
        let listed = |listed: &String| listed.eq_ignore_ascii_case(name);
        let any = match admin {
            true => is_address(name),
            false => self.any_host,
        };
        if any || is_loopback(name) || self.hosts.iter().any(listed) {
            return Ok(());
        }
        Err(Problem::new(
            Code::HostNotAllowed,
            "the server answers to localhost and loopback addresses only here; list other names in `hosts`",
        ))
    }

    /// Behind a proxy the server does not know by which scheme its pages are reached; where TLS ends
    /// here (`secure`), it does.
    fn allows_origin(&self, origin: &str, host: Option<&str>, secure: bool) -> bool {
        let Some((scheme, authority)) = origin.split_once("://") else {
            return false;
        };
        if self
            .origins
            .iter()
            .any(|listed| listed.eq_ignore_ascii_case(origin))
        {
            return true;
        }
        let https = scheme.eq_ignore_ascii_case("https");
        let web = https || scheme.eq_ignore_ascii_case("http");
        let own = host.is_some_and(|host| same_authority(scheme, authority, host));
        web && ((own && (https || !secure))
            || (self.loopback_origins && is_loopback(host_name(authority))))
    }

    /// The headers that let a page of an allowed origin read the answer.
    pub fn cors(&self, origin: Option<&HeaderValue>, out: &mut HeaderMap) {
        let Some(origin) = origin else { return };
        out.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        // The origin is one of a list, never `*` and never just repeated (Fetch, section 3.3.5).
        out.insert(
            header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
            HeaderValue::from_static("true"),
        );
        out.append(
            header::ACCESS_CONTROL_EXPOSE_HEADERS,
            HeaderValue::from_static(EXPOSE_HEADERS),
        );
    }

    /// The further headers of the answer to a preflight.
    pub fn preflight(&self, out: &mut HeaderMap) {
        let mut set = |name: HeaderName, value| out.insert(name, HeaderValue::from_static(value));
        set(
            header::ACCESS_CONTROL_ALLOW_METHODS,
            "GET, HEAD, POST, DELETE, OPTIONS",
        );
        set(header::ACCESS_CONTROL_ALLOW_HEADERS, ALLOW_HEADERS);
        set(header::ACCESS_CONTROL_MAX_AGE, "7200");
    }
}

/// The host that the request is for (RFC 9112 section 3.2): of the target if it has one, else the
/// one `Host` field, which HTTP/1.1 must have.
fn host_of(head: &request::Parts) -> Result<Option<&str>, Problem> {
    let field = single(&head.headers, &header::HOST)?;
    if let (Some(field), Some(authority)) = (field, head.uri.authority())
        && !field.eq_ignore_ascii_case(authority.as_str())
    {
        return Err(bad_host(
            "the request's target and its Host field name different hosts",
        ));
    }
    let host = head
        .uri
        .authority()
        .map(|authority| authority.as_str())
        .or(field);
    match host {
        Some(host) if !is_host(host_name(host)) => Err(bad_host("the Host field names no host")),
        Some(host) => Ok(Some(host)),
        None if head.version >= Version::HTTP_11 => Err(bad_host("the request names no host")),
        None => Ok(None),
    }
}

/// RFC 3986 section 3.2.2: a literal address in brackets, or a name.
fn is_host(name: &str) -> bool {
    if let Some(literal) = name.strip_prefix('[') {
        let address = literal.strip_suffix(']').map(str::parse::<Ipv6Addr>);
        return matches!(address, Some(Ok(_)));
    }
    let of_a_name = |b: u8| b.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=%".contains(&b);
    !name.is_empty() && name.bytes().all(of_a_name)
}

/// The one transfer coding that is understood (RFC 9112 section 6.1); the library looks at the last
/// one only.
fn check_coding(headers: &HeaderMap) -> Result<(), Problem> {
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    let is_chunked = |coding: &HeaderValue| coding.as_bytes().eq_ignore_ascii_case(b"chunked");
    if codings.next().is_none_or(is_chunked) && codings.next().is_none() {
        return Ok(());
    }
    let detail = "the one Transfer-Encoding taken here is `chunked`, once";
    Err(Problem::new(Code::BadRequest, detail))
}

fn bad_host(detail: &str) -> Problem {
    Problem::new(Code::BadRequest, detail)
}

/// The value of a field that may stand once.
pub fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, Problem> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(Problem::new(
            Code::BadRequest,
            format!("the field {name} stands twice"),
        ));
    }
    let text = value.to_str().map_err(|_| {
        Problem::new(
            Code::BadRequest,
            format!("the field {name} is not visible ASCII"),
        )
    })?;
    Ok(Some(text))
}

/// An authority without its port.
fn host_name(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => authority,
    }
}

fn port_of(authority: &str, scheme: &str) -> u16 {
    let default = if scheme.eq_ignore_ascii_case("https") {
        443
    } else {
        80
    };
    let port = &authority[host_name(authority).len()..];
    port.strip_prefix(':')
        .and_then(|p| p.parse().ok())
        .unwrap_or(default)
}

fn same_authority(scheme: &str, origin: &str, host: &str) -> bool {
    host_name(origin).eq_ignore_ascii_case(host_name(host))
        && port_of(origin, scheme) == port_of(host, scheme)
}

fn is_address(name: &str) -> bool {
    let literal = name.strip_prefix('[').and_then(|n| n.strip_suffix(']'));
    literal.unwrap_or(name).parse::<IpAddr>().is_ok()
}

fn is_loopback(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    if lower == "localhost" || lower.ends_with(".localhost") {
        return true;
    }
    let address = name
        .strip_prefix('[')
        .and_then(|n| n.strip_suffix(']'))
        .unwrap_or(name);
    address.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::via::Via;

    fn check(rules: &AccessRules, host: &str, origin: Option<&str>) -> Result<(), Code> {
        check_via(rules, host, origin, Via::default())
    }

    fn check_via(
        rules: &AccessRules,
        host: &str,
        origin: Option<&str>,
        via: Via,
    ) -> Result<(), Code> {
        let mut head = head("/channels/a", Version::HTTP_11);
        head.headers.insert(header::HOST, host.parse().unwrap());
        if let Some(origin) = origin {
            head.headers.insert(header::ORIGIN, origin.parse().unwrap());
        }
        via.note(&mut head);
        rules.check(&head).map_err(|p| p.code)
    }

    fn head(uri: &str, version: Version) -> request::Parts {
        let request = http::Request::builder().uri(uri).version(version);
        request.body(()).unwrap().into_parts().0
    }

    fn development() -> AccessRules {
        AccessRules {
            loopback_origins: true,
            ..AccessRules::default()
        }
    }

    #[test]
    fn a_development_server_answers_loopback_names_only() {
        let rules = development();
        for host in [
            "localhost",
            "LOCALHOST:8000",
            "127.0.0.1:8000",
            "127.9.9.9",
            "[::1]:8000",
            "app.localhost:1",
        ] {
            assert_eq!(check(&rules, host, None), Ok(()), "{host}");
        }
        for host in [
            "evil.example",
            "localhost.evil.example:8000",
            "127.0.0.1.evil.example",
            "192.168.0.1",
            "10.0.0.1:8000",
        ] {
            assert_eq!(
                check(&rules, host, None),
                Err(Code::HostNotAllowed),
                "{host}"
            );
        }
        for host in ["", ":8000", "user@localhost"] {
            assert_eq!(check(&rules, host, None), Err(Code::BadRequest), "{host}");
        }
    }

    #[test]
    fn origins() {
        let rules = AccessRules {
            origins: vec!["https://app.example".into()],
            any_host: true,
            ..AccessRules::default()
        };
        for origin in [
            "https://app.example",
            "http://rt.example:8000",
            "https://rt.example:8000",
        ] {
            assert_eq!(
                check(&rules, "rt.example:8000", Some(origin)),
                Ok(()),
                "{origin}"
            );
        }
        assert_eq!(
            check(&rules, "rt.example", Some("https://rt.example")),
            Ok(())
        );
        assert_eq!(
            check(&rules, "rt.example:443", Some("https://rt.example")),
            Ok(())
        );
        for origin in [
            "null",
            "https://app.example.evil",
            "http://app.example",
            "https://app.example:444",
            "http://rt.example",
            "http://rt.example:8001",
            "file://rt.example:8000",
            "http://localhost",
            "",
        ] {
            assert_eq!(
                check(&rules, "rt.example:8000", Some(origin)),
                Err(Code::OriginNotAllowed),
                "{origin}"
            );
        }
        assert_eq!(
            check(
                &development(),
                "localhost:8000",
                Some("http://127.0.0.1:3000")
            ),
            Ok(())
        );
        assert_eq!(
            check(
                &development(),
                "localhost:8000",
                Some("http://evil.example")
            ),
            Err(Code::OriginNotAllowed)
        );
    }

    #[test]
    fn behind_its_own_tls_the_scheme_is_known() {
        let rules = AccessRules {
            any_host: true,
            ..AccessRules::default()
        };
        let via = Via {
            secure: true,
            ..Via::default()
        };
        let check = |origin| check_via(&rules, "rt.example:8443", Some(origin), via);
        assert_eq!(check("https://rt.example:8443"), Ok(()));
        assert_eq!(check("http://rt.example:8443"), Err(Code::OriginNotAllowed));
    }

    #[test]
    fn hosts_that_contradict_each_other() {
        let mut request = head("http://localhost:8000/", Version::HTTP_11);
        let rules = development();
        let code = |request: &request::Parts| rules.check(request).map_err(|p| p.code);
        let host = |name| HeaderValue::from_static(name);
        request.headers.insert(header::HOST, host("evil.example"));
        assert_eq!(code(&request), Err(Code::BadRequest));
        request.headers.append(header::HOST, host("localhost:8000"));
        assert_eq!(code(&request), Err(Code::BadRequest));
        assert_eq!(code(&head("/", Version::HTTP_11)), Err(Code::BadRequest));
        assert_eq!(code(&head("/", Version::HTTP_10)), Ok(()));
    }
}

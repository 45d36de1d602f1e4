//! What a request brings with it to show who asks. Nothing here is checked yet.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::request;
use tidings_protocol::{Code, Problem};

use super::Auth;
use crate::access::single;
use crate::query::Query;

const SESSION: HeaderName = HeaderName::from_static("tidings-session");
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// What stands before a token among the subprotocols of a WebSocket.
const SUBPROTOCOL: &str = "bearer.";

/// Tokens and the like, as they came.
#[derive(Default)]
pub struct Credentials<'a> {
    /// A token or key.
    pub token: Option<&'a str>,
    /// A ticket.
    pub ticket: Option<&'a str>,
    /// The user, as an open server believes it.
    pub user: Option<&'a str>,
    /// The session.
    pub session: Option<&'a str>,
    /// What the browser sends by itself counts: the page is one that may.
    pub ambient: bool,
}

impl<'a> Credentials<'a> {
    /// Gathers them. What somebody sends on purpose goes before what the browser sends by itself.
    pub fn of(head: &'a request::Parts, query: &'a Query, auth: &Auth) -> Result<Self, Problem> {
        let bearer = bearer(&head.headers)?;
        let protocol = subprotocol(&head.headers)?;
        let ticket = query.one("ticket")?;
        if [bearer, protocol, ticket].iter().flatten().count() > 1 {
            return Err(Problem::new(
                Code::BadRequest,
                "say once who you are: by Authorization, by a ticket, or by a subprotocol",
            ));
        }
        let ambient = is_ambient(&head.headers)?;
        let explicit = bearer.or(protocol);
        let cookie = || match &auth.cookie {
            Some(name) => cookie(&head.headers, name),
            None => Ok(None),
        };
        let token = match explicit.is_some() || ticket.is_some() || !ambient {
            true => explicit,
            false => cookie()?,
        };
        Ok(Self {
            token,
            ticket,
            user: believed_user(query, auth)?,
            session: session(&head.headers)?,
            ambient,
        })
    }
}

impl Credentials<'_> {
    /// All cookies, where they count; of HTTP/2 in one field (RFC 9113 section 8.2.3).
    pub fn cookies(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        let mut lines = headers.get_all(header::COOKIE).iter();
        let first = lines.next().filter(|_| self.ambient)?.as_bytes().to_vec();
        let joined = lines.fold(first, |joined, line| {
            [&joined[..], b"; ", line.as_bytes()].concat()
        });
        HeaderValue::from_bytes(&joined).ok()
    }
}

/// What the client says it was before.
pub fn session(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    single(headers, &SESSION)
}

/// `Authorization: Bearer …` (RFC 6750 section 2.1).
fn bearer(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let Some(value) = single(headers, &header::AUTHORIZATION)? else {
        return Ok(None);
    };
    match value.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Ok(Some(token.trim())),
        _ => Err(Problem::new(
            Code::Unauthorized,
            "write Authorization: Bearer TOKEN; other schemes are not known here",
        )),
    }
}

/// A page cannot set headers of a WebSocket's handshake, but its subprotocols.
fn subprotocol(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let mut found = None;
    let lines = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).iter();
    for offered in lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
    {
        let token = offered.trim().strip_prefix(SUBPROTOCOL);
        if token.is_some() && std::mem::replace(&mut found, token).is_some() {
            let detail = "one subprotocol `bearer.TOKEN` is enough";
            return Err(Problem::new(Code::BadRequest, detail));
        }
    }
    Ok(found)
}

/// Whether cookies count. With an `Origin`, which was checked before, they do; without one a browser
/// must say that the request comes from the server's own site, or any page could ride on them.
fn is_ambient(headers: &HeaderMap) -> Result<bool, Problem> {
    if headers.contains_key(header::ORIGIN) {
        return Ok(true);
    }
    Ok(single(headers, &SEC_FETCH_SITE)? == Some("same-origin"))
}

/// The value of a cookie (RFC 6265 section 5.4). One that stands twice is refused: whoever could set
/// the other may neither choose between them nor make somebody nobody.
fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, Problem> {
    let lines = headers.get_all(header::COOKIE).iter();
    let mut values = lines
        .filter_map(|line: &HeaderValue| line.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .filter(|(key, _)| *key == name)
        .map(|(_, value)| value.trim_matches('"'));
    let value = values.next();
    if values.next().is_some() {
        return Err(Problem::new(
            Code::BadRequest,
            format!("the cookie {name} stands twice: delete one of them"),
        ));
    }
    Ok(value.filter(|value| !value.is_empty()))
}

/// Who asks, as an open server believes it.
fn believed_user<'a>(query: &'a Query, auth: &Auth) -> Result<Option<&'a str>, Problem> {
    let user = query.user()?;
    if user.is_some() && !auth.open {
        return Err(Problem::new(
            Code::InvalidParameter,
            "who the user is, is what the token says here: leave out `user`",
        ));
    }
    Ok(user)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn bearers() {
        let of =
            |value| bearer(&headers(&[("authorization", value)])).map(|t| t.map(str::to_owned));
        assert_eq!(of("Bearer abc"), Ok(Some("abc".into())));
        assert_eq!(of("bearer  abc"), Ok(Some("abc".into())));
        assert!(of("Basic abc").is_err());
        assert!(of("abc").is_err());
    }

    #[test]
    fn cookies() {
        let of = |lines: &[&str]| {
            let lines: Vec<_> = lines.iter().map(|line| ("cookie", *line)).collect();
            cookie(&headers(&lines), "t").map(|found| found.map(str::to_owned))
        };
        assert_eq!(of(&["a=1; t=x; b=2"]), Ok(Some("x".into())));
        assert_eq!(of(&["t=\"x\""]), Ok(Some("x".into())));
        assert!(of(&["t=x; t=y"]).is_err());
        assert!(of(&["t=x", "t=x"]).is_err());
        assert_eq!(of(&["tt=x; T=y", "t="]), Ok(None));
    }

    #[test]
    fn what_a_browser_sends_by_itself() {
        let of = |lines: &[(&'static str, &str)]| is_ambient(&headers(lines)).unwrap();
        assert!(!of(&[]));
        assert!(of(&[("origin", "https://a")]));
        assert!(of(&[("sec-fetch-site", "same-origin")]));
        assert!(!of(&[("sec-fetch-site", "same-site")]));
        assert!(!of(&[("sec-fetch-site", "none")]));
    }

    #[test]
    fn subprotocols() {
        let of = |value| {
            subprotocol(&headers(&[("sec-websocket-protocol", value)]))
                .map(|t| t.map(str::to_owned))
        };
        assert_eq!(of("tidings.v1, bearer.a.b.c"), Ok(Some("a.b.c".into())));
        assert_eq!(of("tidings.v1"), Ok(None));
        assert!(of("bearer.a, bearer.b").is_err());
    }
}

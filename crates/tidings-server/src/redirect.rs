//! What a listener answers that only sends requests to HTTPS: where to, and nothing of what is there.

use http::header::{self, HeaderValue};
use http::uri::Authority;
use http::{StatusCode, request};
use tidings_protocol::{Code, Problem};

use crate::app::App;
use crate::refuse::refuse;
use crate::reply::{Answer, empty};

const HTTPS: u16 = 443;

/// The same request by HTTPS at `port` (308, RFC 9110 section 15.4.9). A host that the server does not
/// answer to is refused as everywhere.
pub fn redirect(app: &App, head: &mut request::Parts, port: u16) -> Answer {
    // Nothing here is kept from any page, and nothing is given to it.
    head.headers.remove(header::ORIGIN);
    let location = app
        .policy()
        .access
        .check(head)
        .and_then(|()| location(head, port));
    match location {
        Ok(location) => {
            app.stats.redirects.add(1);
            let mut answer = empty(StatusCode::PERMANENT_REDIRECT);
            let headers = answer.headers_mut();
            headers.insert(header::LOCATION, location);
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
            answer
        }
        Err(problem) => refuse(app, head, &problem),
    }
}

fn location(head: &request::Parts, port: u16) -> Result<HeaderValue, Problem> {
    let nowhere = || Problem::new(Code::BadRequest, "the Host field names no host");
    let field = || {
        let host = head.headers.get(header::HOST)?;
        host.to_str().ok()?.parse::<Authority>().ok()
    };
    let authority = head.uri.authority().cloned().or_else(field);
    let authority = authority.ok_or_else(nowhere)?;
    let port = match port {
        HTTPS => String::new(),
        port => format!(":{port}"),
    };
    // What does not begin with a slash (`*`, the target of CONNECT) would change the host.
    let path = head.uri.path_and_query().map(|path| path.as_str());
    let path = path.filter(|path| path.starts_with('/')).unwrap_or("/");
    let location = format!("https://{}{port}{path}", authority.host());
    HeaderValue::try_from(location).map_err(|_| nowhere())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn location_of(uri: &str, host: &str, port: u16) -> Result<String, Code> {
        let request = http::Request::builder().uri(uri).header("host", host);
        let head = request.body(()).unwrap().into_parts().0;
        match location(&head, port) {
            Ok(location) => Ok(location.to_str().unwrap().to_owned()),
            Err(problem) => Err(problem.code),
        }
    }

    #[test]
    fn where_requests_are_sent() {
        for (uri, host, port, expected) in [
            ("/", "rt.example", 443, "https://rt.example/"),
            (
                "/a%20b?c=d",
                "rt.example:80",
                443,
                "https://rt.example/a%20b?c=d",
            ),
            ("/a", "[::1]:8080", 8443, "https://[::1]:8443/a"),
            (
                "//evil.example/a",
                "rt.example",
                443,
                "https://rt.example//evil.example/a",
            ),
            (
                "http://rt.example:80/a",
                "rt.example:80",
                443,
                "https://rt.example/a",
            ),
            ("*", "rt.example", 443, "https://rt.example/"),
            ("rt.example:80", "rt.example:80", 443, "https://rt.example/"),
        ] {
            assert_eq!(
                location_of(uri, host, port).as_deref(),
                Ok(expected),
                "{uri}"
            );
        }
        assert_eq!(location_of("/", "", 443), Err(Code::BadRequest));
    }
}

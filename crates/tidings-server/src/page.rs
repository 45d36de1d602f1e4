//! The page at `/`, embedded in the binary.

use http::StatusCode;
use http::header::{self, HeaderValue};
use rust_embed::RustEmbed;

use crate::reply::{Answer, answer};

#[derive(RustEmbed)]
#[folder = "../../console/"]
struct Files;

/// A page needs nothing from elsewhere and runs no script that is not its own.
const POLICY: &str = "default-src 'self'; connect-src 'self' ws: wss:; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

/// The file at a path: `/` and what stands under `/console/`.
pub fn file(path: &str) -> Option<Answer> {
    let name = match path {
        "/" => "index.html",
        path => path.strip_prefix("/console/")?,
    };
    let file = Files::get(name)?;
    let mut answer = answer(StatusCode::OK, content_type(name)?, file.data.into_owned());
    let policy = HeaderValue::from_static(POLICY);
    answer
        .headers_mut()
        .insert(header::CONTENT_SECURITY_POLICY, policy);
    answer.headers_mut().insert(
        header::REFERRER_POLICY,
        HeaderValue::from_static("no-referrer"),
    );
    Some(answer)
}

fn content_type(name: &str) -> Option<&'static str> {
    match name.rsplit_once('.')?.1 {
        "html" => Some("text/html; charset=utf-8"),
        "css" => Some("text/css; charset=utf-8"),
        "js" => Some("text/javascript; charset=utf-8"),
        "svg" => Some("image/svg+xml"),
        _ => None,
    }
}

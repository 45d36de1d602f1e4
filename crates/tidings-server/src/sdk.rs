//! The client for browsers, embedded in the binary: `/tidings.js`, `/tidings.global.js` and their source
//! maps. Every page may load them from every server; what a page may do with them is decided where
//! it asks for more.

use std::fmt::Write;

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode, request};
use rust_embed::RustEmbed;

use crate::reply::{Answer, answer, empty, has};

#[derive(RustEmbed)]
#[folder = "../../sdk/js/dist/"]
struct Files;

const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// Whether a request is for one of its files, which pages of every origin may load.
pub fn is_asked(head: &request::Parts) -> bool {
    matches!(head.method, Method::GET | Method::HEAD) && name(head).is_some()
}

/// The file that a request is for; `None` where there is none of this name.
pub fn file(head: &request::Parts) -> Option<Answer> {
    let name = name(head)?;
    let file = Files::get(name)?;
    let tag = tag(&file.metadata.sha256_hash());
    let mut answer = match has(&head.headers, &tag) {
        true => empty(StatusCode::NOT_MODIFIED),
        false => answer(StatusCode::OK, content_type(name), file.data.into_owned()),
    };
    let tag = HeaderValue::from_str(&tag).expect("a tag is hexadecimal");
    share(answer.headers_mut(), tag);
    Some(answer)
}

fn name(head: &request::Parts) -> Option<&str> {
    let name = head.uri.path().strip_prefix('/')?;
    name.starts_with("tidings.").then_some(name)
}

/// Kept by whoever asks whether it is still good, and loaded by pages of any origin.
fn share(headers: &mut HeaderMap, tag: HeaderValue) {
    headers.remove(header::VARY);
    headers.insert(header::ETAG, tag);
    for (name, value) in [
        (header::CACHE_CONTROL, "no-cache"),
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (RESOURCE_POLICY, "cross-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

/// Of what is in the file: the same on all servers of one version.
fn tag(hash: &[u8]) -> String {
    let mut tag = String::from("\"");
    for byte in &hash[..16] {
        // Writing to a String does not fail.
        let _ = write!(tag, "{byte:02x}");
    }
    tag.push('"');
    tag
}

fn content_type(name: &str) -> &'static str {
    match name.ends_with(".map") {
        true => "application/json",
        false => "text/javascript; charset=utf-8",
    }
}

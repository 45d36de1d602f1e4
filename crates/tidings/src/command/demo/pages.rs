//! The pages at `/demos/`, embedded in the binary: the files of `demos/`, in one level of folders.

use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use rust_embed::RustEmbed;

#[derive(RustEmbed)]
#[folder = "../../demos/"]
struct Files;

/// A page needs nothing from elsewhere and runs no script that is not its own.
const POLICY: &str = "default-src 'self'; connect-src 'self' ws: wss:; img-src 'self' data: blob:; media-src 'self' blob: mediastream:; \
                      frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

/// The folder whose page may ask for camera and microphone.
const CALL: &str = "call/";

const PERMISSIONS: HeaderName = HeaderName::from_static("permissions-policy");

/// What a path leads to.
enum Found {
    /// A file, by its name in the folder.
    File(String),
    /// A folder without its slash, from which no relative link would lead on.
    Folder,
}

/// Whether there is something at a path.
pub fn is_one(path: &str) -> bool {
    find(path).is_some()
}

/// The file at a path that is one.
pub fn answer(path: &str, query: Option<&str>) -> Response<Bytes> {
    let name = match find(path) {
        Some(Found::File(name)) => name,
        _ => return on(path, query),
    };
    let file = Files::get(&name).expect("found");
    let content_type = content_type(&name).expect("found by its type, too");
    let mut answer = Response::new(Bytes::from(file.data.into_owned()));
    for (header, value) in [
        (header::CONTENT_TYPE, content_type),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (PERMISSIONS, permissions(&name)),
    ] {
        let value = HeaderValue::from_static(value);
        answer.headers_mut().insert(header, value);
    }
    answer
}

fn permissions(name: &str) -> &'static str {
    match name.starts_with(CALL) {
        true => "camera=(self), microphone=(self), geolocation=()",
        false => "camera=(), microphone=(), geolocation=()",
    }
}

fn on(path: &str, query: Option<&str>) -> Response<Bytes> {
    let query = query.map_or(String::new(), |query| format!("?{query}"));
    let place = HeaderValue::from_str(&format!("{path}/{query}"));
    let mut answer = Response::new(Bytes::new());
    *answer.status_mut() = StatusCode::PERMANENT_REDIRECT;
    let place = place.expect("a path and a query are visible ASCII");
    answer.headers_mut().insert(header::LOCATION, place);
    answer
}

fn find(path: &str) -> Option<Found> {
    let name = path.strip_prefix("/demos")?;
    let Some(name) = name.strip_prefix('/') else {
        return name.is_empty().then_some(Found::Folder);
    };
    if name.split('/').count() > 2 || name.split('/').any(|part| part.starts_with('.')) {
        return None;
    }
    let page = match name.is_empty() || name.ends_with('/') {
        true => format!("{name}index.html"),
        false => name.to_owned(),
    };
    if Files::get(&page).is_some() && content_type(&page).is_some() {
        return Some(Found::File(page));
    }
    let folder = !name.contains('/') && Files::get(&format!("{name}/index.html")).is_some();
    folder.then_some(Found::Folder)
}

fn content_type(name: &str) -> Option<&'static str> {
    match name.rsplit_once('.')?.1 {
        "html" => Some("text/html; charset=utf-8"),
        "css" => Some("text/css; charset=utf-8"),
        "js" | "mjs" => Some("text/javascript; charset=utf-8"),
        "svg" => Some("image/svg+xml"),
        "json" => Some("application/json"),
        "txt" => Some("text/plain; charset=utf-8"),
        "png" => Some("image/png"),
        "jpg" => Some("image/jpeg"),
        "webp" => Some("image/webp"),
        "woff2" => Some("font/woff2"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_calls_may_ask_for_camera_and_microphone() {
        for (name, asks) in [
            ("call/index.html", true),
            ("index.html", false),
            ("caller/index.html", false),
            ("chat/call/index.html", false),
        ] {
            assert_eq!(permissions(name).contains("(self)"), asks, "{name}");
        }
    }
}

//! The description of the whole HTTP interface, OpenAPI 3.1, at `GET /openapi.json`. It is kept by hand and
//! held to the server by `conformance/tests/openapi`: nothing is made of it here.

use http::StatusCode;

use crate::reply::{Answer, answer};

/// The document.
pub const DOCUMENT: &str = include_str!("../openapi.json");

/// `GET /openapi.json`, for everybody: it says what every server of this version says.
pub fn answer_document() -> Answer {
    answer(StatusCode::OK, "application/json", DOCUMENT)
}

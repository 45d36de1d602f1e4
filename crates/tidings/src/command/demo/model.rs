//! A language model behind an HTTP interface of OpenAI's form: `POST …/chat/completions` with
//! `"stream":true`, answered by Server-Sent Events of which each holds a piece, up to `[DONE]`.
//!
//! What goes wrong is told in words of our own: what a service answers may hold what is nobody's
//! business.

use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use http::{Request, StatusCode};
use serde_json::{Value, json};
use tidings_server::outbound::{Outbound, Place, Streamed};

use crate::command::config;

/// Time for the head of an answer, and for each further piece.
const PATIENCE: Duration = Duration::from_secs(60);

/// The longest line of an answer, in bytes.
const LINE: usize = 64 << 10;

/// A model that answers.
pub struct Model {
    outbound: Outbound,
    place: Place,
    name: String,
    authorization: Option<HeaderValue>,
}

impl Model {
    /// The model of these settings, behind `url`.
    pub fn new(outbound: Outbound, url: &str, settings: &config::Demo) -> anyhow::Result<Self> {
        let place = outbound.place(&format!("{}/chat/completions", url.trim_end_matches('/')))?;
        let bearer = settings.model_key.as_ref().map(|key| {
            let mut value = HeaderValue::from_str(&format!("Bearer {}", key.0))?;
            value.set_sensitive(true);
            anyhow::Ok(value)
        });
        Ok(Self {
            outbound,
            place,
            name: settings.model.clone().unwrap_or_default(),
            authorization: bearer.transpose().context("demo.model_key is no token")?,
        })
    }

    /// Asks it to go on with a conversation.
    pub async fn ask(&self, messages: Value) -> Result<Told, String> {
        let body = json!({"model": self.name, "messages": messages, "stream": true});
        let mut request = Request::post("/")
            .body(Bytes::from(body.to_string()))
            .expect("a request");
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
        if let Some(authorization) = &self.authorization {
            headers.insert(AUTHORIZATION, authorization.clone());
        }
        let asked = self.outbound.stream(&self.place, request, PATIENCE).await;
        let stream = asked.map_err(|error| failed(&error.to_string()))?;
        match stream.status {
            StatusCode::OK => Ok(Told {
                stream,
                line: Vec::new(),
                rest: Bytes::new(),
            }),
            status => Err(failed(&format!("it answers {}", status.as_u16()))),
        }
    }
}

/// What it answers.
pub struct Told {
    stream: Streamed,
    /// The line that has begun.
    line: Vec<u8>,
    /// What came behind it.
    rest: Bytes,
}

impl Told {
    /// The next piece; `None` at the end.
    pub async fn next(&mut self) -> Result<Option<String>, String> {
        loop {
            while let Some(line) = self.next_line()? {
                match piece(&line)? {
                    Line::Piece(piece) => return Ok(Some(piece)),
                    Line::End => return Ok(None),
                    Line::Nothing => {}
                }
            }
            let more = self.stream.chunk(PATIENCE).await;
            match more.map_err(|error| failed(&error.to_string()))? {
                Some(more) => self.rest = more,
                None => return Err(failed("it ended before it said so")),
            }
        }
    }

    /// A whole line, if one is there.
    fn next_line(&mut self) -> Result<Option<Vec<u8>>, String> {
        let end = self.rest.iter().position(|byte| *byte == b'\n');
        let part = self.rest.split_to(end.map_or(self.rest.len(), |at| at + 1));
        if self.line.len() + part.len() > LINE {
            return Err(failed("a line of its answer is too long"));
        }
        self.line.extend_from_slice(&part);
        Ok(end.map(|_| std::mem::take(&mut self.line)))
    }
}

enum Line {
    Piece(String),
    End,
    Nothing,
}

/// What a line of the stream says. A piece may be empty, and other fields are none of ours.
fn piece(line: &[u8]) -> Result<Line, String> {
    let Some(data) = line.trim_ascii().strip_prefix(b"data:") else {
        return Ok(Line::Nothing);
    };
    if data.trim_ascii() == b"[DONE]" {
        return Ok(Line::End);
    }
    let data: Value =
        serde_json::from_slice(data).map_err(|_| failed("its answer is not what was asked for"))?;
    if !data["error"].is_null() {
        return Err(failed("it broke off with an error"));
    }
    match data["choices"][0]["delta"]["content"].as_str() {
        Some(content) if !content.is_empty() => Ok(Line::Piece(content.to_owned())),
        _ => Ok(Line::Nothing),
    }
}

/// Tells the operator, and gives what its readers are told.
fn failed(why: &str) -> String {
    tracing::warn!(why, "the model of the demo did not answer");
    format!("the model did not answer: {why}")
}

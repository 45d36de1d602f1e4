//! What clients say in JSON: WebSocket commands, batches, the body of `POST /read`.
//!
//! Never a panic; a command is what serde_json's own view of the text says; a refusal is short, and
//! its answer is JSON that repeats the id as it was sent.
#![no_main]

use std::collections::HashMap;

use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use serde_json::value::RawValue;
use tidings_protocol::command::{Action, Batch, Command, Read, parse_body};
use tidings_protocol::envelope::Notice;
use tidings_protocol::{Code, Problem, payload};

fuzz_target!(|input: &[u8]| {
    if let Ok(batch) = parse_body::<Batch<'_>>(input, "a batch") {
        for message in &batch.messages {
            let _ = payload::from_data(message.data, message.encoding.as_deref());
        }
    }
    if let Err(problem) = parse_body::<Read>(input, "what to read") {
        assert!(problem.detail.len() < 1_000 && problem.code == Code::BadRequest);
    }
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    match Command::parse(text) {
        Ok(command) => accepted(text, &command),
        Err((id, problem)) => refused(text, id, &problem),
    }
});

fn accepted(text: &str, command: &Command<'_>) {
    // Numbers that no float holds are none of a Value's, and none of a command's concern.
    let Ok(value) = serde_json::from_str::<Value>(text) else {
        return;
    };
    let channel = match &command.action {
        Action::Subscribe { channel, .. } | Action::Unsubscribe { channel } => Some(channel),
        Action::Publish(outgoing) => Some(&outgoing.channel),
        Action::Ping { .. } | Action::Pong | Action::Auth { .. } => None,
    };
    if let Some(channel) = channel {
        assert_eq!(value["channel"], **channel);
    }
    let kind = match &command.action {
        Action::Subscribe { .. } => "subscribe",
        Action::Unsubscribe { .. } => "unsubscribe",
        Action::Publish(_) => "publish",
        Action::Ping { .. } => "ping",
        Action::Pong => "pong",
        Action::Auth { .. } => "auth",
    };
    assert_eq!(value["type"], kind);
    let time = match command.action {
        Action::Ping { time } => time,
        _ => None,
    };
    let (id, server_time) = (command.id, 0);
    let pong = Notice::Pong {
        id,
        time,
        server_time,
    }
    .to_json();
    repeats(&pong, "id", id, text);
    repeats(&pong, "time", time, text);
}

fn refused(text: &str, id: Option<&RawValue>, problem: &Problem) {
    assert!(problem.detail.len() < 1_000, "{}", problem.detail);
    let error = Notice::Error {
        id,
        problem,
        retry_ms: None,
    }
    .to_json();
    assert!(error.len() < 2_000);
    repeats(&error, "id", id, text);
}

/// The answer is JSON and says this field as the command did, to the character.
fn repeats(answer: &str, field: &str, said: Option<&RawValue>, command: &str) {
    let answer: HashMap<&str, &RawValue> = serde_json::from_str(answer).expect("JSON");
    let repeated = answer.get(field).map(|raw| raw.get());
    assert_eq!(repeated, said.map(RawValue::get));
    let Some(repeated) = repeated else { return };
    assert!(repeated.len() <= 64 && !repeated.starts_with(['{', '[']));
    let command: HashMap<String, &RawValue> = serde_json::from_str(command).expect("it had an id");
    assert_eq!(command[field].get(), repeated);
}

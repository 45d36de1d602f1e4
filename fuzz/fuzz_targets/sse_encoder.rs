//! Messages and notices as Server-Sent Events: a reader of the standard gets back exactly one event
//! per message, with its name, its id and its data.
#![no_main]

use arbitrary::Arbitrary;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use tidings_core::{Message, PayloadKind};
use tidings_fuzz::event_stream::{Item, read_strictly};
use tidings_fuzz::message::Made;
use tidings_protocol::envelope::Notice;
use tidings_protocol::{Code, Problem, envelope, sse};

#[derive(Arbitrary, Debug)]
struct Input {
    detail: String,
    retry: u64,
    made: Made,
}

fuzz_target!(|input: Input| {
    let Input {
        detail,
        retry,
        made: Made(message),
    } = input;
    let id = message
        .position
        .map(|position| position.to_string())
        .unwrap_or_default();
    let name = message
        .event
        .as_ref()
        .map_or("", |event| event.as_str())
        .to_owned();
    let raw = sse::event(&message, true);
    let event = |data, id: &str| Item::Event {
        id: id.into(),
        name: name.clone(),
        data,
    };
    assert_eq!(read_strictly(raw), [event(raw_data(&message), &id)]);
    assert_eq!(
        read_strictly(&sse::after_id(raw)),
        [event(raw_data(&message), "")]
    );
    let with_id = [sse::id_line("k3f9-1").as_bytes(), &sse::after_id(raw)].concat();
    assert_eq!(
        read_strictly(&with_id),
        [event(raw_data(&message), "k3f9-1")]
    );

    let [Item::Event { data, .. }] = &read_strictly(sse::event(&message, false))[..] else {
        panic!("one event for one message");
    };
    // Line ends in the white space of JSON are all that may have changed.
    let json: Result<Value, _> = serde_json::from_str(data);
    let sent: Result<Value, _> = serde_json::from_str(&envelope::envelope(&message, true));
    assert_eq!(json.map_err(|_| ()), sent.map_err(|_| ()));

    let problem = &Problem::new(Code::BadRequest, detail);
    let notice = Notice::Error {
        id: None,
        problem,
        retry_ms: None,
    };
    let told = sse::notice(Some("k3f9-1"), Some(retry), &notice);
    let name = "$error".to_owned();
    let event = Item::Event {
        id: "k3f9-1".into(),
        name,
        data: notice.to_json(),
    };
    assert_eq!(read_strictly(told.as_bytes()), [Item::Retry(retry), event]);
});

fn raw_data(message: &Message) -> String {
    let bytes = &message.payload.bytes;
    match message.payload.kind {
        PayloadKind::Binary => STANDARD.encode(bytes),
        PayloadKind::Json | PayloadKind::Text => {
            let text = String::from_utf8(bytes.to_vec()).expect("checked when it came");
            text.replace("\r\n", "\n").replace('\r', "\n")
        }
    }
}

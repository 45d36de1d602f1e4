use super::*;

fn message(text: &str) -> Message {
    match parse_text(text) {
        Ok(Frame::Message(message)) => message,
        other => panic!("{other:?}"),
    }
}

#[test]
fn json_keeps_its_digits() {
    let raw = r#"{"type":"message","channel":"방:7","epoch":"k3f9","offset":42,"event":"가격","data":{"n":1.10000000000000000000001,"e":1E5},"from":{"client":"c8f","user":"alice"},"time":1763671234567,"later":[1]}"#;
    let message = message(raw);
    assert_eq!(message.channel, "방:7");
    assert_eq!(message.position, "k3f9-42".parse().ok());
    assert_eq!(message.event.as_deref(), Some("가격"));
    assert_eq!(
        message.data.as_bytes(),
        br#"{"n":1.10000000000000000000001,"e":1E5}"#
    );
    assert_eq!(
        message.from.and_then(|from| from.user).as_deref(),
        Some("alice")
    );
    assert_eq!((message.time, &*message.raw), (1_763_671_234_567, raw));
}

#[test]
fn text_and_bytes_are_told_apart() {
    let text = message(r#"{"type":"message","channel":"a","data":"안녕 🙂\n","time":1}"#);
    assert_eq!(
        (text.position, text.data),
        (None, Payload::Text("안녕 🙂\n".into()))
    );
    let bytes = message(
        r#"{"type":"message","channel":"a","epoch":"e","offset":1,"data":"AP8=","encoding":"base64"}"#,
    );
    assert_eq!(bytes.data, Payload::Bytes(Bytes::from_static(&[0, 255])));
}

#[test]
fn a_binary_frame_carries_its_bytes_after_the_header() {
    let header = br#"{"type":"message","channel":"a","epoch":"e","offset":1,"time":2}"#;
    let mut frame = vec![0, u8::try_from(header.len()).expect("short")];
    frame.extend_from_slice(header);
    frame.extend_from_slice(&[0, 255, 10]);
    let Ok(Frame::Message(message)) = parse_binary(&frame.clone().into()) else {
        panic!("no message")
    };
    assert_eq!(
        message.data,
        Payload::Bytes(Bytes::from_static(&[0, 255, 10]))
    );
    for short in [0, 1, 2, 40] {
        assert!(
            parse_binary(&Bytes::copy_from_slice(&frame[..short])).is_err(),
            "{short}"
        );
    }
}

#[test]
fn control_frames_are_read() {
    let hello = r#"{"type":"hello","client":"c","heartbeat":25,"max_message":65536,"channels":{"a":{"epoch":"e","offset":3,"recovered":false}}}"#;
    let Ok(Frame::Hello(hello)) = parse_text(hello) else {
        panic!("no hello")
    };
    assert_eq!(hello.heartbeat, Duration::from_secs(25));
    assert_eq!(
        hello.channels["a"],
        Resumed {
            position: "e-3".parse().expect("position"),
            recovered: false
        }
    );
    let gap =
        r#"{"type":"gap","channel":"a","epoch":"f","from":null,"to":9,"reason":"epoch_changed"}"#;
    let Ok(Frame::Gap(gap)) = parse_text(gap) else {
        panic!("no gap")
    };
    assert_eq!(
        (gap.from, gap.to, gap.reason),
        (None, 9, GapReason::EpochChanged)
    );
    let skip = r#"{"type":"skip","channel":"a","epoch":"f","from":2,"to":3,"reason":"own"}"#;
    let Ok(Frame::Skip(skip)) = parse_text(skip) else {
        panic!("no skip")
    };
    assert_eq!((skip.from, skip.to), (2, 3));
    let error = r#"{"type":"error","id":7,"code":"busy","message":"잠시만","temporary":true,"retry_ms":1500}"#;
    let Ok(Frame::Error(error)) = parse_text(error) else {
        panic!("no error")
    };
    assert_eq!(
        (error.id, error.temporary, error.retry),
        (Some(7), Some(true), Some(Duration::from_millis(1500)))
    );
    assert!(matches!(parse_text(r#"{"type":"ping"}"#), Ok(Frame::Other)));
    let foreign = r#"{"type":"pong","id":"not-mine","server_time":1}"#;
    assert!(matches!(parse_text(foreign), Ok(Frame::Other)));
}

#[test]
fn what_is_wrong_is_said() {
    for (text, word) in [
        ("", "bad envelope"),
        ("[]", "bad envelope"),
        (r#"{"type":"message","data":1}"#, "channel"),
        (
            r#"{"type":"message","channel":"a","offset":1,"data":1}"#,
            "epoch",
        ),
        (
            r#"{"type":"gap","channel":"a","epoch":"e","from":"x","to":1}"#,
            "from",
        ),
        (
            r#"{"type":"message","channel":"a","data":"*","encoding":"base64"}"#,
            "data",
        ),
    ] {
        let error = parse_text(text).expect_err(text);
        assert!(error.contains(word), "{text}: {error}");
    }
}

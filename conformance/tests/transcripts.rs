//! The golden transcripts in `transcripts/`, on every carrier, with and without compression.
//!
//! `BLESS=1 cargo test -p conformance --test transcripts` records them anew over HTTP/1.1, for a person
//! to read the difference. `ONLY=sse` plays those whose name holds it.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use conformance::carrier::Carrier;
use conformance::transcript::{Deflated, How, replay};

fn bless() -> bool {
    std::env::var_os("BLESS").is_some()
}

/// The transcripts, by name.
fn all() -> Vec<(String, PathBuf)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("transcripts");
    let files = std::fs::read_dir(folder).expect("the folder of the transcripts");
    let mut files: Vec<PathBuf> = files.map(|file| file.expect("a file").path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "txt"));
    files.sort();
    assert!(files.len() >= 4, "one for each transport, at least");
    let only = std::env::var("ONLY").unwrap_or_default();
    let named = files.into_iter().map(|file| {
        let name = file.file_name().expect("a file's name").to_string_lossy();
        (name.into_owned(), file)
    });
    named.filter(|(name, _)| name.contains(&only)).collect()
}

/// Plays all of them on `carrier`; those with a WebSocket alone, where compression is offered.
async fn compare(carrier: Carrier, deflated: Option<Deflated>) {
    let mut faults = Vec::new();
    for (name, file) in all() {
        let script = std::fs::read_to_string(&file).expect("a text");
        if deflated.is_some() && !script.contains("\n<text ") {
            continue;
        }
        match replay(&script, How::Compare(carrier, deflated.clone())).await {
            Ok(text) => assert_eq!(text, script, "what holds stays as it is"),
            Err(fault) => faults.push(format!("{name} by {}, {fault}", carrier.name())),
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_byte_is_as_it_was() {
    if !bless() {
        return compare(Carrier::Http1, None).await;
    }
    for (name, file) in all() {
        let script = std::fs::read_to_string(&file).expect("a text");
        match replay(&script, How::Bless).await {
            Ok(text) => std::fs::write(&file, text).expect("a place to write"),
            Err(fault) => panic!("{name}, {fault}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_carrier_carries_the_same_bytes() {
    for carrier in Carrier::ALL {
        if carrier != Carrier::Http1 && !bless() {
            compare(carrier, None).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_deflated_is_the_same_inflated() {
    for carrier in Carrier::ALL {
        if !bless() {
            let deflated = Deflated::default();
            compare(carrier, Some(Arc::clone(&deflated))).await;
            let seen = deflated.load(Ordering::SeqCst);
            assert!(
                seen >= 10 || std::env::var_os("ONLY").is_some(),
                "{seen} messages deflated by {} prove nothing",
                carrier.name()
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_difference_of_one_byte_is_seen() {
    let request = "> GET /channels/a HTTP/1.1\\r\\n\n> Host: localhost\\r\\n\n> \\r\\n";
    let recorded = replay(&format!("= a\n{request}\n<\n"), How::Bless).await;
    let recorded = recorded.expect("a recording");
    for carrier in Carrier::ALL {
        let compare =
            |script: String| async move { replay(&script, How::Compare(carrier, None)).await };
        let same = compare(recorded.clone()).await;
        same.expect("it holds against itself");
        for (is, becomes) in [
            ("\"more\":false}", "\"more\":false"),
            ("\"more\":false}", "\"more\":true}"),
            ("200 OK", "200 Ok"),
            ("nosniff\\r\\n", "nosniff\\r\\n\n< connection: close\\r\\n"),
        ] {
            let other = recorded.replacen(is, becomes, 1);
            assert_ne!(other, recorded);
            let seen = compare(other.clone()).await;
            assert!(seen.is_err(), "by {}: {other}", carrier.name());
        }
    }
}

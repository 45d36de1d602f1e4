//! The golden transcripts in `transcripts/`: `BLESS=1 cargo test -p conformance --test transcripts`
//! records them anew, for a person to read the difference.

use std::path::PathBuf;

use conformance::transcript::replay;

fn all() -> Vec<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("transcripts");
    let files = std::fs::read_dir(folder).expect("the folder of the transcripts");
    let mut files: Vec<PathBuf> = files.map(|file| file.expect("a file").path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "txt"));
    files.sort();
    files
}

#[tokio::test(flavor = "multi_thread")]
async fn every_byte_is_as_it_was() {
    let bless = std::env::var_os("BLESS").is_some();
    let only = std::env::var("ONLY").unwrap_or_default();
    let files = all();
    assert!(files.len() >= 4, "one for each transport, at least");
    let mut faults = Vec::new();
    for file in files {
        let name = file
            .file_name()
            .expect("a file's name")
            .to_string_lossy()
            .into_owned();
        if !name.contains(&only) {
            continue;
        }
        let script = std::fs::read_to_string(&file).expect("a text");
        match replay(&script, bless).await {
            Ok(text) if bless => std::fs::write(&file, text).expect("a place to write"),
            Ok(text) => assert_eq!(text, script, "what holds stays as it is"),
            Err(fault) => faults.push(format!("{name}, {fault}")),
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_difference_of_one_byte_is_seen() {
    let script = |answer: &str| {
        format!("= a\n> GET /healthz HTTP/1.0\\r\\nHost: localhost\\r\\n\\r\\n\n{answer}\n")
    };
    let recorded = replay(&script("<"), true).await.expect("a recording");
    replay(&recorded, false)
        .await
        .expect("it holds against itself");
    for (is, becomes) in [("ok\\n", "ok"), ("ok\\n", "ok\\n\\n"), ("200 OK", "200 Ok")] {
        let other = recorded.replacen(is, becomes, 1);
        assert_ne!(other, recorded);
        let seen = replay(&other, false).await;
        assert!(seen.is_err(), "{other}");
    }
}

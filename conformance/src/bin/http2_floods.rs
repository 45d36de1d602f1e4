//! Floods of HTTP/2 against a server that is a process of its own, and what they cost it in memory.
//!
//!     http2_floods ADDRESS PID
//!
//! Each flood comes on twenty connections at once. It has passed if all of them were ended, if the
//! most memory that the process had meanwhile is bounded, and if a new connection is answered then.
//! Whether each is ended for the right reason, the tests say. The last line is "N passed, M failed".

use std::fs;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use conformance::http2::floods::{Flood, all};
use conformance::http2::{Http2, get};
use tokio::task::JoinSet;
use tokio::time::timeout;

const CONNECTIONS: usize = 20;
/// What one connection may cost at most: its streams and its buffers.
const KIB_PER_CONNECTION: u64 = 512;
/// Longer than anything takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, process] = &arguments[..] else {
        eprintln!("http2_floods ADDRESS PID");
        return ExitCode::from(2);
    };
    let address: SocketAddr = address.parse().expect("an address with a port");
    let (mut passed, mut failed) = (0, 0);
    for flood in all() {
        match judge(address, process, flood).await {
            Ok(kib) => {
                passed += 1;
                println!("ok   flood of {}: {kib} KiB", flood.name);
            }
            Err(why) => {
                failed += 1;
                println!("FAIL flood of {}: {why}", flood.name);
            }
        }
    }
    println!("{passed} passed, {failed} failed");
    ExitCode::from(u8::from(failed > 0))
}

/// The KiB that the process grew by at most.
async fn judge(address: SocketAddr, process: &str, flood: Flood) -> Result<u64, String> {
    // From here on the most memory is counted anew (proc(5)).
    fs::write(format!("/proc/{process}/clear_refs"), "5").map_err(|error| error.to_string())?;
    let before = most_memory(process)?;
    let mut floods = JoinSet::new();
    for _ in 0..CONNECTIONS {
        floods.spawn(async move { flood.run(address, true).await });
    }
    timeout(PATIENCE, floods.join_all())
        .await
        .map_err(|_| "it is not ended")?;
    let grown = most_memory(process)?.saturating_sub(before);
    if grown > KIB_PER_CONNECTION * CONNECTIONS as u64 {
        return Err(format!("{grown} KiB of memory"));
    }
    let mut http2 = Http2::connect(address).await;
    http2.send(&get(1, "/healthz")).await;
    match timeout(PATIENCE, http2.answer(1)).await {
        Ok(Some((200, ..))) => Ok(grown),
        other => Err(format!("a request after it: {other:?}")),
    }
}

fn most_memory(process: &str) -> Result<u64, String> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))
        .map_err(|error| format!("the server is gone: {error}"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok());
    kib.ok_or_else(|| "the kernel does not say how much memory it was".into())
}

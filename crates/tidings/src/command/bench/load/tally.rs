//! What the readers got, counted.

use crate::command::bench::latency::Latencies;
use crate::command::bench::ledger::Faults;

/// Counts since the beginning of a phase.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Messages read, over all readers.
    pub deliveries: u64,
    /// Reads of a socket that gave bytes.
    pub reads: u64,
    /// Bytes that readers read.
    pub received_bytes: u64,
    /// Bytes that readers wrote.
    pub sent_bytes: u64,
    /// From the writing of a publish to the reading of its payload.
    pub latencies: Latencies,
    /// What went wrong.
    pub faults: Faults,
}

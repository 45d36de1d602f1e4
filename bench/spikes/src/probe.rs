//! CPU time and memory of another process, from outside.
//!
//! CPU is the on-CPU time of all threads (`schedstat`, nanoseconds), memory is the resident set.

use std::fs;

/// On-CPU nanoseconds of every thread of the process.
pub fn cpu_ns(pid: u32) -> u64 {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).expect("the server runs");
    tasks
        .filter_map(|task| fs::read_to_string(task.ok()?.path().join("schedstat")).ok())
        .filter_map(|line| line.split(' ').next()?.parse::<u64>().ok())
        .sum()
}

/// Resident bytes of the process.
pub fn rss(pid: u32) -> u64 {
    let statm = fs::read_to_string(format!("/proc/{pid}/statm")).expect("the server runs");
    let pages = statm.split(' ').nth(1).expect("statm has a resident field");
    pages.parse::<u64>().expect("a number of pages") * 4096
}

/// Waits until the process has used next to no CPU for `quiet`. Another process gives no event for
/// being idle, so its clock is looked at again and again.
pub fn settle(pid: u32, quiet: std::time::Duration) {
    let mut before = cpu_ns(pid);
    loop {
        std::thread::sleep(quiet);
        let now = cpu_ns(pid);
        if now - before < 100_000 {
            return;
        }
        before = now;
    }
}

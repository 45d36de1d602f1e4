//! The machine that figures belong to: without it they mean nothing.

use std::fs;

use serde_json::{Value, json};

use super::cores::Cores;

/// What was measured on.
pub struct Machine {
    cpu: String,
    cores: usize,
    memory_mib: u64,
    kernel: String,
    congestion_control: String,
}

impl Machine {
    /// This one.
    pub fn here(cores: &Cores) -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let word = |path: &str| match read(path).trim() {
            "" => "unknown".to_owned(),
            text => text.to_owned(),
        };
        let cpu = value_of(&read("/proc/cpuinfo"), "model name")
            .unwrap_or_else(|| std::env::consts::ARCH.to_owned());
        let memory = value_of(&read("/proc/meminfo"), "MemTotal").unwrap_or_default();
        let kib = memory
            .split(' ')
            .next()
            .and_then(|kib| kib.parse::<u64>().ok());
        Self {
            cpu,
            cores: cores.count(),
            memory_mib: kib.unwrap_or(0) / 1024,
            kernel: word("/proc/sys/kernel/osrelease"),
            congestion_control: word("/proc/sys/net/ipv4/tcp_congestion_control"),
        }
    }

    /// As a line for people.
    pub fn text(&self) -> String {
        let (cpu, cores, memory) = (&self.cpu, self.cores, self.memory_mib);
        let (kernel, control) = (&self.kernel, &self.congestion_control);
        format!("{cpu}, {cores} cores, {memory} MiB, Linux {kernel}, TCP {control}")
    }

    /// As JSON.
    pub fn json(&self) -> Value {
        json!({
            "cpu": self.cpu,
            "cores": self.cores,
            "memory_mib": self.memory_mib,
            "kernel": self.kernel,
            "congestion_control": self.congestion_control,
        })
    }
}

/// The value of the first `name : value` line.
fn value_of(text: &str, name: &str) -> Option<String> {
    text.lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(key, _)| key.trim() == name)
        .map(|(_, value)| value.trim().to_owned())
}

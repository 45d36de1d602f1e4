//! The figures of this machine, from the files in which Linux tells them (proc(5)). What another
//! system does not have is left out.

use std::collections::BTreeMap;
use std::fs::read_to_string;

use serde_json::{Value, json};

/// Bytes of a sector in `/proc/diskstats`, whatever the disk has.
const SECTOR: u64 = 512;

/// What was counted up to a moment, and what was so then.
pub struct Sample {
    cpus: Vec<Cpu>,
    memory: Option<Value>,
    space: Option<[u64; 2]>,
    /// Bytes read and written.
    disks: Option<[u64; 2]>,
    /// Bytes received and sent.
    network: Option<[u64; 2]>,
    load: Option<Value>,
}

/// Ticks of a processor; the first one is all of them together.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Cpu {
    busy: u64,
    all: u64,
}

impl Sample {
    /// Of this moment.
    pub fn now() -> Self {
        let read = |name: &str| read_to_string(format!("/proc/{name}")).ok();
        Self {
            cpus: read("stat").map(|text| cpus(&text)).unwrap_or_default(),
            memory: read("meminfo").and_then(|text| memory(&text)),
            space: space(),
            disks: read("diskstats").map(|text| disks(&text, is_whole)),
            network: read("net/dev").map(|text| network(&text)),
            load: read("loadavg").and_then(|text| load(&text)),
        }
    }

    /// What is told of the time between two, as events with their data.
    pub fn since(&self, before: &Self, seconds: f64) -> Vec<(&'static str, Value)> {
        let rates = |now: [u64; 2], before: [u64; 2]| {
            [0, 1].map(|at| (now[at].saturating_sub(before[at]) as f64 / seconds).round() as u64)
        };
        let disks = self
            .disks
            .zip(before.disks)
            .map(|(now, then)| rates(now, then));
        let network = self
            .network
            .zip(before.network)
            .map(|(now, then)| rates(now, then));
        let events = [
            ("cpu", self.cpu_since(before)),
            ("memory", self.memory.clone()),
            ("disk", self.disk(disks)),
            (
                "network",
                network.map(|[received, sent]| json!({"received": received, "sent": sent})),
            ),
            ("load", self.load.clone()),
        ];
        let told = events.into_iter();
        told.filter_map(|(event, data)| Some((event, data?)))
            .collect()
    }

    fn cpu_since(&self, before: &Self) -> Option<Value> {
        if self.cpus.is_empty() || self.cpus.len() != before.cpus.len() {
            return None;
        }
        let pairs = self.cpus.iter().zip(&before.cpus);
        let percents: Vec<f64> = pairs.map(|(now, then)| percent(*now, *then)).collect();
        Some(json!({"percent": percents[0], "cores": percents[1..]}))
    }

    fn disk(&self, rates: Option<[u64; 2]>) -> Option<Value> {
        let [total, used] = self.space?;
        let mut disk = json!({"total": total, "used": used});
        if let Some([read, written]) = rates {
            (disk["read"], disk["written"]) = (read.into(), written.into());
        }
        Some(disk)
    }
}

/// In tenths.
fn percent(now: Cpu, then: Cpu) -> f64 {
    let all = now.all.saturating_sub(then.all).max(1) as f64;
    let busy = now.busy.saturating_sub(then.busy) as f64;
    (1000.0 * busy / all).round().min(1000.0) / 10.0
}

/// `cpu  user nice system idle iowait irq softirq steal …`. What guests use stands in `user` already.
fn cpus(stat: &str) -> Vec<Cpu> {
    let lines = stat.lines().filter_map(|line| line.strip_prefix("cpu"));
    lines
        .map(|line| {
            let ticks = numbers(
                line.split_whitespace()
                    .skip(usize::from(!line.starts_with(' '))),
            );
            let all = ticks.iter().take(8).sum();
            let idle: u64 = ticks.iter().skip(3).take(2).sum();
            Cpu {
                busy: all - idle,
                all,
            }
        })
        .collect()
}

fn memory(meminfo: &str) -> Option<Value> {
    let kib: BTreeMap<&str, u64> = meminfo
        .lines()
        .filter_map(|line| {
            let (name, rest) = line.split_once(':')?;
            Some((name, rest.trim().trim_end_matches(" kB").parse().ok()?))
        })
        .collect();
    let bytes = |name| Some(kib.get(name)? << 10);
    let (total, available) = (bytes("MemTotal")?, bytes("MemAvailable")?);
    Some(json!({"total": total, "available": available, "used": total.saturating_sub(available)}))
}

/// Of the file system of `/`: all of it, and what is used.
fn space() -> Option<[u64; 2]> {
    let of = rustix::fs::statvfs("/").ok()?;
    Some([
        of.f_blocks * of.f_frsize,
        of.f_blocks.saturating_sub(of.f_bfree) * of.f_frsize,
    ])
}

/// `major minor name reads merged sectors ms writes merged sectors …`. Parts of a disk are not counted besides
/// the whole.
fn disks(diskstats: &str, is_whole: impl Fn(&str) -> bool) -> [u64; 2] {
    let mut sum = [0; 2];
    for line in diskstats.lines() {
        let fields: Vec<&str> = line.split_whitespace().collect();
        if fields.len() < 10 || !is_whole(fields[2]) {
            continue;
        }
        for (sum, field) in sum.iter_mut().zip([fields[5], fields[9]]) {
            *sum += SECTOR * field.parse().unwrap_or(0);
        }
    }
    sum
}

/// A disk, and nothing that stands on one.
fn is_whole(name: &str) -> bool {
    let stands_on_one = ["loop", "ram", "zram", "dm-", "md"];
    !stands_on_one.iter().any(|kind| name.starts_with(kind))
        && std::path::Path::new("/sys/block").join(name).exists()
}

/// `name: received packets errs drop fifo frame compressed multicast sent …`, but for the machine itself.
fn network(dev: &str) -> [u64; 2] {
    let mut sum = [0; 2];
    for (name, rest) in dev.lines().filter_map(|line| line.split_once(':')) {
        let fields = numbers(rest.split_whitespace());
        if name.trim() == "lo" || fields.len() < 9 {
            continue;
        }
        sum = [sum[0] + fields[0], sum[1] + fields[8]];
    }
    sum
}

fn load(loadavg: &str) -> Option<Value> {
    let mut figures = loadavg.split_whitespace().map(str::parse::<f64>);
    let mut next = || figures.next()?.ok();
    Some(json!({"one": next()?, "five": next()?, "fifteen": next()?}))
}

fn numbers<'a>(words: impl Iterator<Item = &'a str>) -> Vec<u64> {
    words.map_while(|word| word.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_of_the_system_are_understood() {
        let stat = "cpu  10 0 10 70 10 0 0 0 5 0\ncpu0 5 0 5 35 5 0 0 0 0 0\nintr 7\n";
        let all = Cpu { busy: 20, all: 100 };
        assert_eq!(cpus(stat), [all, Cpu { busy: 10, all: 50 }]);
        assert_eq!(percent(Cpu { busy: 45, all: 200 }, all), 25.0);
        let meminfo =
            "MemTotal:       100 kB\nMemFree: 1 kB\nMemAvailable:    40 kB\nHugePages_Total: 0\n";
        let expected = json!({"total": 102_400, "available": 40_960, "used": 61_440});
        assert_eq!(memory(meminfo), Some(expected));
        let diskstats = " 8 0 sda 1 0 8 0 1 0 16 0 0 0 0\n 8 1 sda1 1 0 8 0 1 0 16 0 0 0 0\n";
        assert_eq!(disks(diskstats, |name| name == "sda"), [4096, 8192]);
        let dev = "Inter-| Receive |\n face |bytes packets\n lo: 9 1 0 0 0 0 0 0 9 1\neth0:5 1 0 0 0 0 0 0 7 1\n";
        assert_eq!(network(dev), [5, 7]);
        let told = json!({"one": 0.5, "five": 1.0, "fifteen": 2.25});
        assert_eq!(load("0.50 1.00 2.25 1/80 4242\n"), Some(told));
    }
}

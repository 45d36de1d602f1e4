//! What a process uses, seen from outside: on-CPU time and resident memory, from `/proc`.

use std::fs;
use std::ops::Sub;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

/// Memory may move so much between two looks and still count as at rest.
const STILL_BYTES: u64 = 16 << 10;

/// How often a process is looked at until it rests, and how often it must be found so.
const LOOK: Duration = Duration::from_millis(50);
const LOOKS: u32 = 6;

/// A process that does not rest for so long does not rest.
const RESTLESS: Duration = Duration::from_secs(20);

/// On-CPU time of all threads, from some beginning.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cpu {
    /// Nanoseconds: exact, interrupts on behalf of others included.
    pub ns: u64,
    /// Ticks in user mode, sampled by the kernel.
    user: u64,
    /// Ticks in the kernel, likewise.
    system: u64,
}

impl Cpu {
    /// That of the whole machine, over all cores: in ticks, since it says no more.
    ///
    /// # Errors
    ///
    /// There is no `/proc`.
    pub fn machine() -> anyhow::Result<Self> {
        let stat = fs::read_to_string("/proc/stat").context("there is no /proc/stat")?;
        let line = stat.lines().next().unwrap_or_default();
        let ticks: Vec<u64> = line
            .split_whitespace()
            .filter_map(|word| word.parse().ok())
            .collect();
        // user nice system idle iowait irq softirq steal guest…; guests are in user already.
        let busy: u64 = [0, 1, 2, 5, 6]
            .iter()
            .filter_map(|field| ticks.get(*field))
            .sum();
        Ok(Self {
            ns: busy * tick_ns(),
            ..Self::default()
        })
    }

    /// The share of user mode; none where too few ticks were sampled to tell.
    pub fn user_share(&self) -> Option<f64> {
        let ticks = self.user + self.system;
        (ticks >= 20).then(|| self.user as f64 / ticks as f64)
    }
}

impl Sub for Cpu {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self {
            ns: self.ns.saturating_sub(earlier.ns),
            user: self.user.saturating_sub(earlier.user),
            system: self.system.saturating_sub(earlier.system),
        }
    }
}

/// A process and, if wanted, what it started.
#[derive(Clone, Copy, Debug)]
pub struct Process {
    id: u32,
    with_children: bool,
}

impl Process {
    /// This one, without what it started.
    pub fn own() -> Self {
        Self {
            id: std::process::id(),
            with_children: false,
        }
    }

    /// A server: with all processes below it.
    ///
    /// # Errors
    ///
    /// There is no such process, or no `/proc`.
    pub fn tree(id: u32) -> anyhow::Result<Self> {
        let process = Self {
            id,
            with_children: true,
        };
        process.cpu()?;
        Ok(process)
    }

    /// The CPU time up to now.
    ///
    /// # Errors
    ///
    /// The process has ended.
    pub fn cpu(&self) -> anyhow::Result<Cpu> {
        self.ids()?.into_iter().try_fold(Cpu::default(), |sum, id| {
            let one = cpu_of(id)?;
            Ok(Cpu {
                ns: sum.ns + one.ns,
                user: sum.user + one.user,
                system: sum.system + one.system,
            })
        })
    }

    /// Resident bytes.
    ///
    /// # Errors
    ///
    /// The process has ended.
    pub fn resident(&self) -> anyhow::Result<u64> {
        self.ids()?.into_iter().try_fold(0, |sum, id| {
            let pages = field(&format!("/proc/{id}/statm"), 1)?;
            Ok(sum + pages * rustix::param::page_size() as u64)
        })
    }

    /// Resident bytes once they stay the same and the process has nothing to do. Another process
    /// gives no event for that, so it is looked at again and again.
    ///
    /// # Errors
    ///
    /// The process has ended, or does not come to rest.
    pub fn resident_at_rest(&self) -> anyhow::Result<u64> {
        let began = Instant::now();
        let (mut resident, mut cpu) = (self.resident()?, self.cpu()?);
        let mut rested = 0;
        while rested < LOOKS {
            if began.elapsed() > RESTLESS {
                bail!(
                    "process {} does not come to rest: is anybody else using it?",
                    self.id
                );
            }
            // Another process gives no event for being at rest: it is looked at again.
            sleep(LOOK);
            let (now, used) = (self.resident()?, self.cpu()?);
            let still = now.abs_diff(resident) <= STILL_BYTES;
            let idle = (used - cpu).ns < LOOK.as_nanos() as u64 / 20;
            rested = if still && idle { rested + 1 } else { 0 };
            (resident, cpu) = (now, used);
        }
        Ok(resident)
    }

    fn ids(&self) -> anyhow::Result<Vec<u32>> {
        let mut ids = vec![self.id];
        let mut next = 0;
        while self.with_children && next < ids.len() {
            for task in tasks(ids[next])? {
                let children = fs::read_to_string(format!("{task}/children")).unwrap_or_default();
                ids.extend(
                    children
                        .split_whitespace()
                        .filter_map(|id| id.parse::<u32>().ok()),
                );
            }
            next += 1;
        }
        Ok(ids)
    }
}

fn tasks(id: u32) -> anyhow::Result<Vec<String>> {
    let path = format!("/proc/{id}/task");
    let entries = fs::read_dir(&path).with_context(|| gone(id))?;
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    Ok(names.map(|name| format!("{path}/{name}")).collect())
}

fn gone(id: u32) -> String {
    format!("there is no process {id} to measure, or no /proc, which only Linux has")
}

fn cpu_of(id: u32) -> anyhow::Result<Cpu> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).with_context(|| gone(id))?;
    // The name, in parentheses, may hold anything; `state` comes after it.
    let (_, after) = stat.rsplit_once(") ").with_context(|| gone(id))?;
    let ticks = |nth: usize| -> u64 {
        let field = after.split(' ').nth(nth);
        field.and_then(|text| text.parse().ok()).unwrap_or(0)
    };
    let (user, system) = (ticks(11), ticks(12));
    let exact = tasks(id)?
        .iter()
        .filter_map(|task| field(&format!("{task}/schedstat"), 0).ok())
        .sum();
    let ns = if exact > 0 {
        exact
    } else {
        // A kernel without schedstat counts in ticks only.
        (user + system) * tick_ns()
    };
    Ok(Cpu { ns, user, system })
}

/// Nanoseconds of a tick as `/proc` counts them.
fn tick_ns() -> u64 {
    1_000_000_000 / rustix::param::clock_ticks_per_second().max(1)
}

fn field(path: &str, nth: usize) -> anyhow::Result<u64> {
    let text = fs::read_to_string(path).with_context(|| format!("{path} cannot be read"))?;
    let field = text.split_whitespace().nth(nth);
    field
        .and_then(|field| field.parse().ok())
        .with_context(|| format!("{path} has another form than expected"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_seen() {
        let own = Process::own();
        let before = own.cpu().unwrap();
        let began = Instant::now();
        let mut sum = 0_u64;
        while began.elapsed() < Duration::from_millis(50) {
            sum = std::hint::black_box(sum + 1);
        }
        let used = (own.cpu().unwrap() - before).ns;
        assert!(used > 1_000_000, "{used}");
        assert!(own.resident().unwrap() > 100_000);
    }

    #[test]
    fn a_process_that_is_not_there_is_told() {
        let error = Process::tree(u32::MAX).unwrap_err();
        assert!(error.to_string().contains("no process"), "{error}");
    }
}

//! Which core does what, and how many files may be open: a server and its load on cores of their
//! own, so that one does not take the other's time.

use anyhow::Context;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Open files of the server and of the load that are no readers.
const OTHER_FILES: u64 = 256;

/// The cores that may be used, shared out.
#[derive(Clone, Debug)]
pub struct Cores {
    all: Vec<usize>,
}

impl Cores {
    /// Those that this process may use.
    ///
    /// # Errors
    ///
    /// The system does not say.
    pub fn allowed() -> anyhow::Result<Self> {
        let set =
            sched_getaffinity(None).context("the system does not say which cores there are")?;
        let all = (0..CpuSet::MAX_CPU).filter(|core| set.is_set(*core));
        Ok(Self { all: all.collect() })
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.all.len()
    }

    /// The server's core; none if there is only one.
    pub fn server(&self) -> Option<usize> {
        (self.all.len() > 1).then(|| self.all[0])
    }

    /// The load's cores: all others.
    pub fn load(&self) -> &[usize] {
        &self.all[usize::from(self.all.len() > 1)..]
    }

    /// The load's cores in words.
    pub fn load_text(&self) -> String {
        let cores: Vec<String> = self.load().iter().map(usize::to_string).collect();
        cores.join(", ")
    }

    /// Puts this thread on the load's cores.
    ///
    /// # Errors
    ///
    /// The system does not let a thread be pinned.
    pub fn take_load(&self) -> anyhow::Result<()> {
        pin(self.load())
    }

    /// Does `work` on the server's core, so that what it starts stays there, and comes back to the
    /// load's.
    ///
    /// # Errors
    ///
    /// The system does not let a thread be pinned, or `work` failed.
    pub fn on_server_core<T>(&self, work: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
        if let Some(core) = self.server() {
            pin(&[core])?;
        }
        let done = work();
        self.take_load()?;
        done
    }
}

fn pin(cores: &[usize]) -> anyhow::Result<()> {
    let mut set = CpuSet::new();
    cores.iter().for_each(|core| set.set(*core));
    sched_setaffinity(None, &set).with_context(|| format!("cannot be pinned to cores {cores:?}"))
}

/// Raises the limit of open files as far as it goes, for this process and for the server that it
/// starts. How many readers are possible then.
pub fn possible_readers() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    // What cannot be raised stays, and is counted below.
    let _ = setrlimit(Resource::Nofile, raised);
    let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    usize::try_from(files.saturating_sub(OTHER_FILES).max(1)).unwrap_or(usize::MAX)
}

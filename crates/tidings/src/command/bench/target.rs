//! What is measured: a server or a floor that is started here, on a core of its own and with
//! nothing of this environment's configuration, or a server that runs already.

use std::io::{BufRead, BufReader};
use std::net::ToSocketAddrs;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, bail};

use super::cores::Cores;
use super::load::{Door, Meter};
use super::process::Process;
use crate::command::config::PREFIX;

/// How to come to a server.
#[derive(Clone, Debug)]
pub enum Source {
    /// Start the server of this very program.
    Own,
    /// Start the floor.
    Floor(PathBuf),
    /// Take one that runs.
    Running {
        /// Its address.
        door: Door,
        /// Its process.
        id: u32,
    },
}

/// A server that can be loaded; one that was started here ends with it.
pub struct Target {
    /// Where readers go.
    pub door: Door,
    /// What it uses.
    pub meter: Meter,
    _started: Option<Started>,
}

/// A process of ours: it ends when this is dropped. Its output stays open, so that it may write.
struct Started {
    child: Child,
    out: BufReader<ChildStdout>,
}

impl Source {
    /// A server that runs.
    ///
    /// # Errors
    ///
    /// The URL cannot be used, or there is no such process.
    pub fn running(url: &str, id: u32) -> Result<Self> {
        Process::tree(id)?;
        Ok(Self::Running {
            door: door(url)?,
            id,
        })
    }

    /// A server that listens.
    ///
    /// # Errors
    ///
    /// It does not start.
    pub fn open(&self, cores: &Cores) -> Result<Target> {
        match self {
            Self::Own => {
                let program = std::env::current_exe().context("this program is not to be found")?;
                let arguments = ["serve", "--listen", "127.0.0.1:0", "--log-level", "error"];
                start(
                    Command::new(program).args(arguments).args([
                        "--set",
                        "workers=1",
                        "--set",
                        "demo.on=false",
                    ]),
                    cores,
                )
            }
            Self::Floor(path) => start(&mut Command::new(runnable(path)), cores)
                .with_context(|| format!("the floor {} does not run", path.display())),
            Self::Running { door, id } => Ok(Target {
                door: door.clone(),
                meter: Meter {
                    server: Process::tree(*id)?,
                },
                _started: None,
            }),
        }
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        // It may have ended already; then there is nothing to end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A path without a directory is a file here, not a command to look for.
fn runnable(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

fn start(command: &mut Command, cores: &Cores) -> Result<Target> {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with(PREFIX) {
            command.env_remove(name);
        }
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = cores.on_server_core(|| command.spawn().context("it does not start"))?;
    let out = child.stdout.take().expect("it was asked to be piped");
    let mut started = Started {
        child,
        out: BufReader::new(out),
    };
    let url = announced(&mut started.out)?;
    Ok(Target {
        door: door(&url)?,
        meter: Meter {
            server: Process::tree(started.child.id())?,
        },
        _started: Some(started),
    })
}

/// The URL in the line that says where it serves.
fn announced(out: &mut impl BufRead) -> Result<String> {
    for line in out.lines() {
        if let Some((_, url)) = line?.split_once(" serves ") {
            return Ok(url.trim().to_owned());
        }
    }
    bail!("it ended without serving; what it said stands above")
}

fn door(url: &str) -> Result<Door> {
    let host = url
        .strip_prefix("http://")
        .map(|rest| rest.trim_end_matches('/'))
        .filter(|host| !host.is_empty() && !host.contains('/'))
        .with_context(|| format!("{url} cannot be measured: write http://HOST:PORT"))?;
    let with_port = if host
        .rsplit_once(':')
        .is_some_and(|(_, port)| port.parse::<u16>().is_ok())
    {
        host.to_owned()
    } else {
        format!("{host}:80")
    };
    let address = with_port
        .to_socket_addrs()
        .ok()
        .and_then(|mut addresses| addresses.next())
        .with_context(|| format!("{host} has no address"))?;
    Ok(Door {
        address,
        host: host.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        let to = |url| door(url).map(|door| (door.address.to_string(), door.host));
        let own = ("127.0.0.1:80".to_owned(), "127.0.0.1".to_owned());
        assert_eq!(to("http://127.0.0.1/").unwrap(), own);
        let six = ("[::1]:81".to_owned(), "[::1]:81".to_owned());
        assert_eq!(to("http://[::1]:81").unwrap(), six);
        for wrong in ["https://127.0.0.1", "127.0.0.1:80", "http://", "http://a/b"] {
            assert!(to(wrong).is_err(), "{wrong}");
        }
    }
}

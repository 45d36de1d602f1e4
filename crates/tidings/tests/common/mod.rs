//! The real binary: started, read line by line, signalled, and never left behind.
#![allow(dead_code)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// How long anything may take on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// The command, with an environment of its own.
pub fn tidings(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidings"));
    command.args(arguments).env_clear();
    command
}

/// What a command said that ends by itself.
pub struct Ended {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

pub fn run(command: &mut Command) -> Ended {
    let output = command.stdin(Stdio::null()).output().expect("it runs");
    Ended {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).expect("UTF-8"),
        err: String::from_utf8(output.stderr).expect("UTF-8"),
    }
}

/// A process that runs until it is told to end; killed when dropped.
pub struct Running {
    child: Child,
    pub stdin: Option<ChildStdin>,
    pub out: Lines,
    pub err: Lines,
}

pub fn start(command: &mut Command) -> Running {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let out = Lines::of(child.stdout.take().expect("piped"));
    let err = Lines::of(child.stderr.take().expect("piped"));
    let stdin = child.stdin.take();
    Running {
        child,
        stdin,
        out,
        err,
    }
}

impl Running {
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.child.id()).expect("an id");
        kill_process(Pid::from_raw(id).expect("an id"), signal).expect("it lives");
    }

    pub fn write(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().expect("open");
        stdin
            .write_all(format!("{line}\n").as_bytes())
            .expect("taken");
        stdin.flush().expect("taken");
    }

    /// The exit of a process that was told to end: its output ends first, so nothing is polled.
    pub fn wait(&mut self) -> ExitStatus {
        self.stdin = None;
        self.out.rest();
        self.child.wait().expect("it ends")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The lines of a stream, as they come.
pub struct Lines(Receiver<String>);

impl Lines {
    fn of(stream: impl Read + Send + 'static) -> Self {
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stream).lines() {
                let Ok(line) = line else { return };
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self(lines)
    }

    pub fn next(&self) -> String {
        self.0.recv_timeout(PATIENCE).expect("a line")
    }

    /// The next line, if there is one in time.
    pub fn within(&self, time: Duration) -> Option<String> {
        self.0.recv_timeout(time).ok()
    }

    /// The lines that are there and were not taken.
    pub fn here(&self) -> Vec<String> {
        self.0.try_iter().collect()
    }

    /// The next line that holds the text.
    pub fn find(&self, text: &str) -> String {
        let until = Instant::now() + PATIENCE;
        let mut seen = Vec::new();
        while let Ok(line) = self
            .0
            .recv_timeout(until.saturating_duration_since(Instant::now()))
        {
            if line.contains(text) {
                return line;
            }
            seen.push(line);
        }
        panic!("no line with {text:?} in {seen:#?}")
    }

    /// All lines until the stream ends.
    pub fn rest(&self) -> Vec<String> {
        let until = Instant::now() + PATIENCE;
        let mut lines = Vec::new();
        loop {
            match self
                .0
                .recv_timeout(until.saturating_duration_since(Instant::now()))
            {
                Ok(line) => lines.push(line),
                Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => return lines,
                Err(std::sync::mpsc::RecvTimeoutError::Timeout) => {
                    panic!("the stream does not end: {lines:#?}")
                }
            }
        }
    }
}

/// A server on a free port.
pub struct Server {
    pub process: Running,
    pub url: String,
}

pub fn serve(arguments: &[&str]) -> Server {
    let mut all = vec!["serve", "--listen", "127.0.0.1:0"];
    all.extend(arguments);
    serve_with(&mut tidings(&all))
}

pub fn serve_with(command: &mut Command) -> Server {
    let process = start(command);
    let line = process.out.find(" serves ");
    let url = line
        .split(" serves ")
        .nth(1)
        .expect("a URL")
        .trim()
        .to_owned();
    Server { process, url }
}

impl Server {
    /// A figure of the process's memory in bytes, as the kernel calls it: `VmRSS`, `VmHWM`.
    pub fn memory(&self, figure: &str) -> u64 {
        let path = format!("/proc/{}/status", self.process.id());
        let status = std::fs::read_to_string(path).expect("it lives");
        let kib = status
            .lines()
            .find_map(|line| line.strip_prefix(figure)?.strip_prefix(':'))
            .and_then(|rest| rest.trim().strip_suffix(" kB"))
            .expect("the kernel says it");
        kib.parse::<u64>().expect("a number") << 10
    }

    pub fn address(&self) -> SocketAddr {
        self.url
            .strip_prefix("http://")
            .expect("http")
            .parse()
            .expect("an address")
    }

    /// One request on a connection of its own: the whole answer.
    pub fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(self.address()).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("set");
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
            self.address()
        );
        stream.write_all(request.as_bytes()).expect("taken");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        answer
    }
}

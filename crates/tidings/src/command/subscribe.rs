//! `tidings sub`: prints the messages of channels as they come. Reconnecting and resuming is the
//! client's; here stands what is printed where, and how it ends.

use std::io::{self, ErrorKind, IsTerminal, Write};
use std::os::fd::AsFd;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use serde_json::json;
use tidings_client::{
    Error, Event, Join, Message, Payload, Start, State, SubscribeOptions, Subscription,
};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Notify, oneshot};

use crate::command::cli::SubscribeArgs;
use crate::command::target::{self, Told};
use crate::command::{complain, refused, runtime, usage};

/// How long an output that takes nothing may delay the end.
const STUCK: Duration = Duration::from_secs(1);

/// Follows the channels that the arguments name.
///
/// # Errors
///
/// What keeps the command from starting.
pub fn run(args: &SubscribeArgs) -> anyhow::Result<ExitCode> {
    let builder = match target::client(&args.target) {
        Ok(builder) => builder,
        Err(error) => {
            complain(format!("{error:#}"));
            return Ok(usage());
        }
    };
    let runtime = runtime()?;
    let ended = runtime.block_on(async {
        let channels: Vec<&str> = args.channels.iter().map(String::as_str).collect();
        let options = SubscribeOptions {
            transport: args.transport,
            after: start(args),
            join: match args.join {
                true => Join::As(args.info.clone()),
                false => Join::No,
            },
            ..SubscribeOptions::default()
        };
        let begun = builder
            .build()
            .and_then(|client| client.subscribe(&channels, options));
        match begun {
            Ok(subscription) => follow(subscription, args).await,
            Err(error) => {
                complain(Told(&error));
                Ok(usage())
            }
        }
    });
    runtime.shutdown_background();
    ended
}

fn start(args: &SubscribeArgs) -> Start {
    match (args.last, args.after.as_slice()) {
        (Some(count), _) => Start::Last(count),
        (None, []) => Start::Now,
        (None, [one]) => Start::Cursor(one.clone()),
        (None, many) => Start::Cursors(many.to_vec()),
    }
}

async fn follow(mut subscription: Subscription, args: &SubscribeArgs) -> anyhow::Result<ExitCode> {
    let mut signal = stop_on_signal().context("signals cannot be received")?;
    let printer = Printer {
        json: args.json,
        named: args.channels.len() > 1,
        quiet: args.quiet,
        terminal: io::stdout().is_terminal(),
    };
    let unread = output_unread().context("the output cannot be watched")?;
    loop {
        let event = tokio::select! {
            event = subscription.next() => event,
            _ = &mut signal => {
                tell_cursors(&subscription, args.quiet);
                return Ok(ExitCode::SUCCESS);
            }
            () = unread.notified() => return Ok(ExitCode::SUCCESS),
        };
        match event {
            None => return Ok(ExitCode::SUCCESS),
            Some(Err(error)) => {
                complain(Told(&error));
                return Ok(if matches!(error, Error::Argument(_)) {
                    usage()
                } else {
                    refused()
                });
            }
            Some(Ok(event)) => match printer.print(&event) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                    return Ok(ExitCode::SUCCESS);
                }
                Err(error) => return Err(error).context("the output cannot be written"),
            },
        }
    }
}

/// Resolves at Ctrl-C or SIGTERM. A second signal, or an output that nobody takes, ends the process.
fn stop_on_signal() -> io::Result<oneshot::Receiver<()>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let (sender, receiver) = oneshot::channel();
    tokio::spawn(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        let _ = sender.send(());
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            () = tokio::time::sleep(STUCK) => {}
        }
        std::process::exit(0);
    });
    Ok(receiver)
}

/// Notified when nobody can read the output any more: `| head` must not wait for a message that
/// may never come. Never for a file. The thread that waits ends with the process.
///
/// # Errors
///
/// The system gives no thread.
fn output_unread() -> io::Result<Arc<Notify>> {
    let unread = Arc::new(Notify::new());
    let teller = unread.clone();
    let output = io::stdout().as_fd().try_clone_to_owned()?;
    std::thread::Builder::new()
        .name("output".into())
        .spawn(move || {
            // Asked for nothing, it tells errors and hang-ups alone.
            let mut watched = [PollFd::new(&output, PollFlags::empty())];
            while poll(&mut watched, None) == Err(Errno::INTR) {}
            let gone = PollFlags::ERR | PollFlags::HUP;
            if watched[0].revents().intersects(gone) {
                teller.notify_one();
            }
        })?;
    Ok(unread)
}

fn tell_cursors(subscription: &Subscription, quiet: bool) {
    if quiet {
        return;
    }
    if let Some(cursors) = subscription.cursors() {
        complain(format!("go on with --after {}", cursors.join(" --after ")));
    }
}

struct Printer {
    json: bool,
    /// Several channels: each line says whose it is.
    named: bool,
    quiet: bool,
    /// Control characters would be obeyed by the terminal.
    terminal: bool,
}

impl Printer {
    /// Prints a message, and in JSON also what is told between messages: a loss that only a person
    /// is told of is silent to the program behind the pipe.
    fn print(&self, event: &Event) -> io::Result<()> {
        match event {
            Event::Message(message) if self.json => return self.line(envelope(message)),
            Event::Message(message) => return self.payload(message),
            _ => self.tell(event),
        }
        match notice(event).filter(|_| self.json) {
            Some(notice) => self.line(notice.to_string()),
            None => Ok(()),
        }
    }

    fn line(&self, mut line: String) -> io::Result<()> {
        if self.terminal {
            line = harmless(&line);
        }
        line.push('\n');
        let mut out = io::stdout().lock();
        out.write_all(line.as_bytes())?;
        out.flush()
    }

    /// Prints a payload alone. On several channels each of its lines says whose it is.
    fn payload(&self, message: &Message) -> io::Result<()> {
        let data = match &message.data {
            Payload::Json(json) => one_line(json.get()),
            Payload::Text(text) => text.clone(),
            Payload::Bytes(bytes) => STANDARD.encode(bytes),
        };
        if !self.named {
            return self.line(data);
        }
        let whose = |line| format!("{}\t{line}", message.channel);
        self.line(data.split('\n').map(whose).collect::<Vec<_>>().join("\n"))
    }

    /// Tells what is no message on standard error.
    fn tell(&self, event: &Event) {
        let text = match event {
            Event::Gap(gap) => {
                let lost = match gap.from {
                    Some(from) => format!(
                        "{} messages lost ({from} to {})",
                        gap.to.saturating_sub(from) + 1,
                        gap.to
                    ),
                    None => format!(
                        "messages lost, how many is not known (the next is {})",
                        gap.to + 1
                    ),
                };
                let (channel, epoch, reason) = (&gap.channel, &gap.epoch, gap.reason.as_str());
                format!("gap on {channel}: {lost}, reason {reason}, going on in epoch {epoch}")
            }
            Event::Unsubscribed(lost) => {
                let reason = lost.reason.as_deref().unwrap_or("no reason given");
                format!("{} is no longer followed: {reason}", lost.channel)
            }
            _ if self.quiet => return,
            Event::Skip(skip) => {
                format!(
                    "skipped on {}: {} to {}, reason {}",
                    skip.channel, skip.from, skip.to, skip.reason
                )
            }
            Event::Closed(closed) => format!("{} has ended", closed.channel),
            Event::Expiring { within } => format!("the token ends in {} s", within.as_secs()),
            Event::State(State::Open(transport)) => format!("connected over {transport}"),
            Event::State(State::Waiting { reason, delay }) => {
                format!("{reason}; trying again in {:.1} s", delay.as_secs_f64())
            }
            Event::State(State::Moved { from, to, reason }) => {
                format!("from {from} to {to}: {reason}")
            }
            _ => return,
        };
        complain(harmless(&text));
    }
}

/// What the server tells between messages, as PROTOCOL.md has it.
fn notice(event: &Event) -> Option<serde_json::Value> {
    Some(match event {
        Event::Gap(gap) => json!({
            "type": "gap", "channel": gap.channel, "epoch": gap.epoch,
            "from": gap.from, "to": gap.to, "reason": gap.reason.as_str(),
        }),
        Event::Skip(skip) => json!({
            "type": "skip", "channel": skip.channel, "epoch": skip.epoch,
            "from": skip.from, "to": skip.to, "reason": skip.reason,
        }),
        Event::Closed(closed) => json!({
            "type": "closed", "channel": closed.channel,
            "epoch": closed.position.as_ref().map(|at| &at.epoch),
            "offset": closed.position.as_ref().map(|at| at.offset),
        }),
        _ => return None,
    })
}

/// The envelope in one line, with its payload also where that came beside it in a binary frame.
fn envelope(message: &Message) -> String {
    let raw = one_line(message.raw.trim());
    let fields: Result<std::collections::BTreeMap<String, serde::de::IgnoredAny>, _> =
        serde_json::from_str(&raw);
    let has_data = fields.is_ok_and(|fields| fields.contains_key("data"));
    match (&message.data, raw.strip_suffix('}')) {
        (Payload::Bytes(bytes), Some(open)) if !has_data => {
            let data = STANDARD.encode(bytes);
            format!("{open},\"encoding\":\"base64\",\"data\":\"{data}\"}}")
        }
        _ => raw,
    }
}

/// JSON in one line: line breaks stand only between its tokens, never within a string.
fn one_line(json: &str) -> String {
    json.replace(['\n', '\r'], " ")
}

/// What a terminal shows and does not obey.
fn harmless(text: &str) -> String {
    let shown = |c: char| {
        if c.is_control() && c != '\n' && c != '\t' {
            char::REPLACEMENT_CHARACTER
        } else {
            c
        }
    };
    text.chars().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_obeys_nothing() {
        assert_eq!(
            harmless("안녕\t\u{1b}[2J👋\n\u{9b}"),
            "안녕\t\u{fffd}[2J👋\n\u{fffd}"
        );
    }

    #[test]
    fn json_becomes_one_line() {
        let line = one_line("{\n  \"a\": \"b\\nc\",\r\n  \"이름\": 1\n}");
        assert!(!line.contains(['\n', '\r']), "{line}");
        let value: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(value, serde_json::json!({"a": "b\nc", "이름": 1}));
    }
}

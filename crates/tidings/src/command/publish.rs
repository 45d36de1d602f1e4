//! `tidings pub`: one message, or every line of standard input as it comes, in order. Lines that are there
//! together go in one request; the next ones wait until these are held by the server. A few lines more
//! are read ahead, no file is kept.

use std::io::{self, Write};
use std::ops::ControlFlow;
use std::process::ExitCode;
use std::time::Duration;

use serde_json::{json, value::RawValue};
use tidings_client::{Client, Error, Publish, Receipt, Timings};

use crate::command::cli::{PublishArgs, Receipts};
use crate::command::lines::{self, Line};
use crate::command::target::{self, Told};
use crate::command::{complain, refused, runtime, usage};

/// Lines of a batch.
const BATCH: usize = 64;

/// Bytes after which a batch takes no further line.
const BATCH_BYTES: usize = 128 << 10;

/// The pause before another attempt where the server wishes for none.
const PAUSE: Duration = Duration::from_secs(1);

/// Publishes what the arguments say.
///
/// # Errors
///
/// What keeps the command from starting.
pub fn run(args: &PublishArgs) -> anyhow::Result<ExitCode> {
    let from_lines = matches!(args.data.as_deref(), None | Some("-"));
    if from_lines && args.key.is_some() {
        complain("--key is for one message; lines of standard input get keys of their own");
        return Ok(usage());
    }
    let mut builder = match target::client(&args.target) {
        Ok(builder) => builder,
        Err(error) => {
            complain(format!("{error:#}"));
            return Ok(usage());
        }
    };
    builder = builder.timings(match from_lines {
        true => patient(),
        false => half_a_minute(),
    });
    let client = match builder.build() {
        Ok(client) => client,
        Err(error) => return Ok(fail(&error)),
    };
    let publisher = Publisher { client, args };
    let runtime = runtime()?;
    let ended = if from_lines {
        runtime.block_on(publisher.lines())
    } else {
        let data = args.data.clone().unwrap_or_default();
        Ok(runtime.block_on(publisher.one(data)))
    };
    runtime.shutdown_background();
    ended
}

/// Somebody waits for the one message.
fn half_a_minute() -> Timings {
    Timings {
        publish: Duration::from_secs(30),
        ..Timings::default()
    }
}

/// Lines are tried for ever: short rounds of attempts, so that somebody is told between them.
fn patient() -> Timings {
    Timings {
        publish: Duration::from_secs(2),
        backoff_first: Duration::from_millis(100),
        backoff_max: Duration::from_secs(2),
        ..Timings::default()
    }
}

struct Publisher<'a> {
    client: Client,
    args: &'a PublishArgs,
}

impl Publisher<'_> {
    /// Publishes one message; the client tries again for half a minute.
    async fn one(&self, data: String) -> ExitCode {
        let args = self.args;
        let mut publish = match self.message(data.into_bytes(), Source::Argument) {
            Ok(publish) => publish,
            Err(wrong) => {
                complain(wrong);
                return usage();
            }
        };
        publish.close = args.close;
        publish.key.clone_from(&args.key);
        match self.client.publish(&args.channel, publish).await {
            Ok(receipt) => {
                self.print(&receipt);
                ExitCode::SUCCESS
            }
            Err(error) => fail(&error),
        }
    }

    /// Publishes lines until there are no more.
    async fn lines(&self) -> anyhow::Result<ExitCode> {
        let keys = Keys::new()?;
        let mut lines = lines::read(io::stdin())?;
        let mut code = ExitCode::SUCCESS;
        let mut number = 0_u64;
        while let Some(line) = lines.recv().await {
            let mut batch = Batch::default();
            let mut next = Some(line);
            let mut broken = false;
            // What is there already goes along.
            while let Some(line) = next {
                number += 1;
                broken |= matches!(line, Line::Failed(_));
                match self.line(line, number) {
                    Ok(publish) => batch.push(number, publish.key(keys.of(number))),
                    Err(wrong) => {
                        complain(wrong);
                        code = refused();
                    }
                }
                next = (!batch.is_full()).then(|| lines.try_recv().ok()).flatten();
            }
            match self.publish_all(batch).await {
                ControlFlow::Continue(None) => {}
                ControlFlow::Continue(Some(worse)) => code = worse,
                ControlFlow::Break(code) => return Ok(code),
            }
            if broken {
                return Ok(code);
            }
        }
        if self.args.close {
            return self.close(&keys, code).await;
        }
        Ok(code)
    }

    /// The message that a line is, or why it is none.
    fn line(&self, line: Line, number: u64) -> Result<Publish, String> {
        match line {
            Line::Whole(data) => self
                .message(data, Source::Line)
                .map_err(|wrong| format!("line {number}: {wrong}; left out")),
            Line::TooLong => {
                let most = lines::BYTES_MAX;
                Err(format!("line {number}: longer than {most} bytes; left out"))
            }
            Line::Failed(error) => Err(format!("standard input cannot be read: {error}")),
        }
    }

    /// Publishes lines, together where they are several. Breaks where the next ones would fare no better.
    async fn publish_all(&self, batch: Batch) -> ControlFlow<ExitCode, Option<ExitCode>> {
        let mut results = self.together(&batch.messages).await.into_iter();
        let mut code = None;
        for (number, publish) in batch.numbers.into_iter().zip(batch.messages) {
            let result = match results.next() {
                Some(Err(error)) if !error.is_temporary() => Err(error),
                Some(Ok(receipt)) => Ok(receipt),
                // Alone, under the same key: it may be held already.
                _ => self.until_held(publish, number).await,
            };
            match result {
                Ok(receipt) => self.print(&receipt),
                Err(error) => {
                    complain(format!("line {number}: {}", Told(&error)));
                    code = Some(refusal_code(&error));
                    if !only_this_line(&error) {
                        return ControlFlow::Break(refusal_code(&error));
                    }
                }
            }
        }
        ControlFlow::Continue(code)
    }

    /// What became of lines in one request; nothing where they cannot go so, or where that went wrong.
    async fn together(&self, messages: &[Publish]) -> Vec<Result<Receipt, Error>> {
        if messages.len() < 2 || self.args.kind.media_type.is_some() {
            return Vec::new();
        }
        let sent = self.client.publish_batch(&self.args.channel, messages);
        sent.await.unwrap_or_default()
    }

    /// Ends the channel after the last line.
    async fn close(&self, keys: &Keys, code: ExitCode) -> anyhow::Result<ExitCode> {
        let publish = Publish::default().close().key(keys.of(0));
        match self.until_held(publish, 0).await {
            Ok(receipt) => {
                self.print(&receipt);
                Ok(code)
            }
            Err(error) => Ok(fail(&error)),
        }
    }

    /// Tries under one key until the server holds the message or refuses it for good.
    async fn until_held(&self, publish: Publish, number: u64) -> Result<Receipt, Error> {
        let mut told = false;
        loop {
            let sent = self.client.publish(&self.args.channel, publish.clone());
            match sent.await {
                Err(error) if error.is_temporary() => {
                    if !told {
                        complain(format!(
                            "line {number}: {error}; trying on until it is held"
                        ));
                        told = true;
                    }
                    tokio::time::sleep(error.retry_after().unwrap_or(PAUSE)).await;
                }
                Ok(receipt) => {
                    if told {
                        complain(format!("line {number}: held now, going on"));
                    }
                    return Ok(receipt);
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// The message that these bytes are.
    fn message(&self, data: Vec<u8>, source: Source) -> Result<Publish, String> {
        let args = self.args;
        let kind = &args.kind;
        let not_text = || "this is not UTF-8".to_owned();
        let mut publish = if kind.json {
            serde_json::from_slice::<&RawValue>(&data)
                .map_err(|error| format!("this is not JSON: {error}"))?;
            typed(data, "application/json")
        } else if kind.text {
            Publish::text(String::from_utf8(data).map_err(|_| not_text())?)
        } else if let Some(media_type) = &kind.media_type {
            typed(data, media_type)
        } else if source == Source::Argument {
            Publish::guess(data)
        } else {
            String::from_utf8(data)
                .map_or_else(|error| Publish::bytes(error.into_bytes()), Publish::text)
        };
        publish.event.clone_from(&args.event);
        publish.ephemeral = args.ephemeral;
        publish.topic.clone_from(&args.topic);
        Ok(publish)
    }

    fn print(&self, receipt: &Receipt) {
        if self.args.quiet {
            return;
        }
        let line = match self.args.receipts {
            Receipts::Text => receipt_text(receipt),
            Receipts::Json => receipt_json(receipt),
        };
        // Whoever closed the output wants no receipts; the messages are wanted still.
        let _ = writeln!(io::stdout().lock(), "{line}");
    }
}

/// Lines that go together.
#[derive(Default)]
struct Batch {
    numbers: Vec<u64>,
    messages: Vec<Publish>,
    bytes: usize,
}

impl Batch {
    fn push(&mut self, number: u64, publish: Publish) {
        self.bytes += publish.data.len();
        self.numbers.push(number);
        self.messages.push(publish);
    }

    /// Enough for one request.
    fn is_full(&self) -> bool {
        self.messages.len() >= BATCH || self.bytes >= BATCH_BYTES
    }
}

/// Where the bytes of a message came from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Source {
    Argument,
    Line,
}

fn typed(data: Vec<u8>, media_type: &str) -> Publish {
    let mut publish = Publish::guess(data);
    publish.content_type = Some(media_type.to_owned());
    publish
}

fn receipt_text(receipt: &Receipt) -> String {
    let place = match &receipt.position {
        Some(position) => position.to_string(),
        None => "ephemeral".into(),
    };
    let again = if receipt.duplicate {
        " (published before)"
    } else {
        ""
    };
    let (channel, subscribers) = (&receipt.channel, receipt.subscribers);
    let plural = if subscribers == 1 { "" } else { "s" };
    format!("{channel} {place}, {subscribers} subscriber{plural}{again}")
}

fn receipt_json(receipt: &Receipt) -> String {
    let mut object = json!({"channel": receipt.channel, "subscribers": receipt.subscribers});
    if let Some(position) = &receipt.position {
        object["epoch"] = json!(position.epoch);
        object["offset"] = json!(position.offset);
    }
    if receipt.duplicate {
        object["duplicate"] = json!(true);
    }
    object.to_string()
}

fn fail(error: &Error) -> ExitCode {
    complain(Told(error));
    refusal_code(error)
}

fn refusal_code(error: &Error) -> ExitCode {
    match error {
        Error::Url(_) | Error::Authorities(_) | Error::Token(_) | Error::Argument(_) => usage(),
        _ => refused(),
    }
}

/// Whether the next line may fare better.
fn only_this_line(error: &Error) -> bool {
    matches!(
        error.code(),
        Some("message_too_large" | "body_too_large" | "invalid_payload")
    ) || error.status() == Some(413)
}

/// Idempotency keys of the lines of one run.
struct Keys {
    run: u64,
}

impl Keys {
    fn new() -> anyhow::Result<Self> {
        let run = getrandom::u64()
            .map_err(|error| anyhow::anyhow!("the system gives no random numbers: {error}"))?;
        Ok(Self { run })
    }

    fn of(&self, number: u64) -> String {
        format!("{:016x}-{number:x}", self.run)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_fit_and_differ() {
        let keys = Keys { run: u64::MAX };
        assert!(keys.of(u64::MAX).len() <= 64);
        assert_ne!(keys.of(1), keys.of(2));
        assert_ne!(keys.of(1), Keys { run: 1 }.of(1));
    }
}

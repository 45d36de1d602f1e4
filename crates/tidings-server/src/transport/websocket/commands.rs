//! Commands of a WebSocket client, carried out one after the other.

use serde_json::value::RawValue;
use tidings_core::{ChannelName, Start};
use tidings_protocol::command::{Action, Command, Outgoing};
use tidings_protocol::envelope::{Notice, Place, Receipt};
use tidings_protocol::start::{After, StartRule};
use tidings_protocol::{Code, Problem, payload};

use super::{Done, WebSocket};
use crate::publish;

impl WebSocket {
    /// Carries out a command, a text frame.
    pub(super) fn command(&mut self, data: &[u8]) {
        let text = std::str::from_utf8(data).expect("the decoder checks text");
        match Command::parse(text) {
            Ok(command) => self.act(command),
            Err((id, problem)) => self.refuse(id, &problem),
        }
    }

    /// Carries out a publish with a binary payload: two bytes of the header's length, big-endian,
    /// the command without `data`, the bytes.
    pub(super) fn binary_command(&mut self, data: &[u8]) {
        let split = data.split_first_chunk::<2>().and_then(|(len, rest)| {
            let (header, bytes) = rest.split_at_checked(u16::from_be_bytes(*len).into())?;
            Some((std::str::from_utf8(header).ok()?, bytes))
        });
        let Some((header, bytes)) = split else {
            let problem = Problem::new(
                Code::InvalidCommand,
                "a binary frame is two bytes of the header's length (big-endian), the command as JSON without `data`, and the payload",
            );
            return self.refuse(None, &problem);
        };
        match Command::parse(header) {
            Ok(Command {
                id,
                action: Action::Publish(outgoing),
            }) => self.publish(id, outgoing, Some(bytes)),
            Ok(Command { id, .. }) => {
                self.refuse(
                    id,
                    &Problem::new(
                        Code::InvalidCommand,
                        "a binary frame carries a publish and nothing else",
                    ),
                );
            }
            Err((id, problem)) => self.refuse(id, &problem),
        }
    }

    fn act(&mut self, command: Command<'_>) {
        let id = command.id;
        match command.action {
            Action::Subscribe {
                channel,
                after,
                last,
            } => self.subscribe(id, &channel, after.as_deref(), last),
            Action::Unsubscribe { channel } => self.unsubscribe(id, &channel),
            Action::Publish(outgoing) => self.publish(id, outgoing, None),
            Action::Ping { time } => {
                let server_time = self.app.now().unix;
                self.say(&Notice::Pong {
                    id,
                    time,
                    server_time,
                });
            }
            Action::Pong => {}
        }
    }

    fn subscribe(
        &mut self,
        id: Option<&RawValue>,
        channel: &str,
        after: Option<&str>,
        last: Option<usize>,
    ) {
        let channel = match self.may_subscribe(channel) {
            Ok(channel) => channel,
            Err(problem) => return self.refuse(id, &problem),
        };
        let max = self.app.limits().poll_messages;
        let rule = StartRule {
            after: after.map(After::parse),
            last: last.map(|last| last.min(max)),
            ..StartRule::default()
        };
        let start = rule.resolve(&channel, None, None, Start::Now);
        let (app, id) = (self.app.clone(), owned(id));
        self.running = Some(Box::pin(async move {
            match app.hub.open(&channel, start, app.now()).await {
                Ok((cursor, opened)) => Done::Subscribed {
                    channel,
                    cursor: Box::new(cursor),
                    opened,
                    id,
                },
                Err(error) => {
                    let problem = error.into();
                    app.stats.refused(&problem);
                    Done::Reply(error_json(id.as_deref(), &problem))
                }
            }
        }));
    }

    fn may_subscribe(&self, channel: &str) -> Result<ChannelName, Problem> {
        let channel = ChannelName::parse(channel)?;
        self.app.may_read(&channel)?;
        if self.feed.find(&channel).is_some() {
            return Err(Problem::new(
                Code::AlreadySubscribed,
                "this connection reads the channel already",
            ));
        }
        let max = self.app.limits().channels_per_connection;
        if self.feed.len() >= max {
            return Err(Problem::new(
                Code::TooManyChannels,
                format!("one connection reads at most {max} channels"),
            ));
        }
        Ok(channel)
    }

    fn unsubscribe(&mut self, id: Option<&RawValue>, channel: &str) {
        let found = ChannelName::parse(channel)
            .map_err(Problem::from)
            .and_then(|name| match self.feed.find(&name) {
                Some(key) => Ok((name, key)),
                None => Err(Problem::new(
                    Code::NotSubscribed,
                    "this connection does not read the channel",
                )),
            });
        match found {
            Ok((channel, key)) => {
                let position = self.feed.remove(key).expect("found a moment ago");
                self.say(&Notice::Unsubscribed {
                    id,
                    channel: &channel,
                    position,
                });
            }
            Err(problem) => self.refuse(id, &problem),
        }
    }

    fn publish(&mut self, id: Option<&RawValue>, outgoing: Outgoing<'_>, bytes: Option<&[u8]>) {
        let from = publish::sender(self.client, self.user.as_ref());
        let null = RawValue::NULL;
        let outgoing = Outgoing {
            data: if bytes.is_some() {
                Some(null)
            } else {
                outgoing.data
            },
            encoding: if bytes.is_some() {
                None
            } else {
                outgoing.encoding
            },
            ..outgoing
        };
        let draft =
            publish::draft(&self.app, &outgoing, &from, Some(self.client)).and_then(|mut draft| {
                if let Some(bytes) = bytes {
                    draft.payload = Some(payload::binary(bytes));
                    publish::check(&self.app, &draft)?;
                }
                Ok(draft)
            });
        let draft = match draft {
            Ok(draft) => draft,
            Err(problem) => return self.refuse(id, &problem),
        };
        let (app, id, channel) = (self.app.clone(), owned(id), draft.channel.clone());
        self.running = Some(Box::pin(async move {
            let id = id.as_deref();
            Done::Reply(match app.hub.publish(draft, app.now()).await {
                Ok(receipt) => {
                    let receipt = Receipt {
                        channel: &channel,
                        receipt,
                    };
                    Notice::Ack { id, receipt }.to_json()
                }
                Err(error) => {
                    let problem = error.into();
                    app.stats.refused(&problem);
                    error_json(id, &problem)
                }
            })
        }));
    }

    /// Carries on where a command had to wait.
    pub(super) fn finish(&mut self, done: Done) {
        match done {
            Done::Reply(json) => self
                .replies
                .push_back(super::ws::text_frame(json.as_bytes())),
            Done::Silence => {}
            Done::Failed(problem) => self.fail(&problem),
            Done::Subscribed {
                channel,
                cursor,
                opened,
                id,
            } => {
                let place = Place {
                    at: opened.at,
                    recovered: opened.recovered,
                };
                self.say(&Notice::Subscribed {
                    id: id.as_deref(),
                    channel: &channel,
                    place,
                });
                self.has_ended = false;
                self.feed.add(channel, *cursor, opened, false);
            }
        }
    }

    /// Answers a command that cannot be carried out. The connection lives on.
    fn refuse(&mut self, id: Option<&RawValue>, problem: &Problem) {
        self.app.stats.refused(problem);
        self.say(&Notice::Error {
            id,
            problem,
            retry_ms: None,
        });
    }
}

fn owned(id: Option<&RawValue>) -> Option<Box<RawValue>> {
    id.map(ToOwned::to_owned)
}

fn error_json(id: Option<&RawValue>, problem: &Problem) -> String {
    Notice::Error {
        id,
        problem,
        retry_ms: None,
    }
    .to_json()
}

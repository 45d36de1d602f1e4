//! Commands of a WebSocket client, carried out one after the other.

use std::sync::Arc;

use serde_json::value::RawValue;
use tidings_core::Action as rights;
use tidings_core::{ChannelName, Start};
use tidings_protocol::command::{Action, Command, Outgoing};
use tidings_protocol::envelope::{Notice, Place, Receipt};
use tidings_protocol::start::{After, StartRule};
use tidings_protocol::{Code, Problem, payload};

use super::{Done, Subscribed, WebSocket};
use crate::app::App;
use crate::charge::{charge, charge_subscribes, delivered};
use crate::identity::Who;
use crate::presence::{JoinWish, Joins, Membership};
use crate::publish;
use crate::reading::own_inbox;

/// What a `subscribe` wants.
struct Wish<'a> {
    channel: &'a str,
    /// With the channel that tells who is there.
    presence: bool,
    /// As one of those who are there, or why not.
    join: Result<JoinWish, Problem>,
}

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
                presence,
                join,
                info,
            } => {
                let wish = Wish {
                    channel: &channel,
                    presence,
                    join: JoinWish::new(join, info.map(RawValue::get)),
                };
                self.subscribe(id, wish, after.as_deref(), last);
            }
            Action::Auth { token, session } => {
                self.auth(id, token.as_deref(), session.as_deref());
            }
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
        wish: Wish<'_>,
        after: Option<&str>,
        last: Option<usize>,
    ) {
        let (channels, joins) = match self.may_subscribe(wish) {
            Ok(wanted) => wanted,
            Err(problem) => return self.refuse(id, &problem),
        };
        let max = self.app.limits().poll_messages;
        let rule = StartRule {
            after: after.map(After::parse),
            last: last.map(|last| last.min(max)),
            ..StartRule::default()
        };
        let start = rule.resolve(&channels[0], None, None, Start::Now);
        let (app, id, who) = (self.app.clone(), owned(id), self.who());
        self.running = Some(Box::pin(async move {
            match subscribe(&app, &who, channels, joins, start).await {
                Ok((channels, membership)) => Done::Subscribed {
                    channels,
                    membership,
                    id,
                },
                Err(problem) => {
                    app.stats.refused(&problem);
                    Done::Reply(error_json(id.as_deref(), &problem))
                }
            }
        }));
    }

    fn who(&self) -> Who {
        Who {
            claims: self.stay.claims(),
            client: Some(self.stay.client()),
            address: self.address,
        }
    }

    /// The channels that a command wants, its presence after it, and what it joins.
    fn may_subscribe(&self, wish: Wish<'_>) -> Result<(Vec<ChannelName>, Option<Joins>), Problem> {
        let who = self.who();
        let channel = own_inbox(ChannelName::parse(wish.channel)?, &who.claims, who.client)?;
        let joined = std::iter::once((channel.clone(), wish.join?));
        let joins = Joins::of(&self.app, &who, joined)?;
        if let Some(joins) = &joins {
            joins.charge(&self.app, &self.publisher())?;
        }
        let mut channels = vec![channel];
        if wish.presence {
            channels.push(channels[0].presence());
        }
        for channel in &channels {
            self.app
                .may(rights::Subscribe, channel, &who.claims, who.client)?;
            if self.feed.find(channel).is_some() {
                return Err(Problem::new(
                    Code::AlreadySubscribed,
                    "this connection reads the channel already",
                ));
            }
        }
        charge_subscribes(&self.app, &who.claims, self.address, channels.len())?;
        let max = self.app.limits().channels_per_connection;
        if self.feed.len() + channels.len() > max {
            return Err(Problem::new(
                Code::TooManyChannels,
                format!("one connection reads at most {max} channels"),
            ));
        }
        Ok((channels, joins))
    }

    fn unsubscribe(&mut self, id: Option<&RawValue>, channel: &str) {
        let who = self.who();
        let found = ChannelName::parse(channel)
            .map_err(Problem::from)
            .and_then(|name| own_inbox(name, &who.claims, who.client))
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
                if let Some(membership) = &mut self.membership {
                    membership.retain(|member_of| *member_of != channel);
                }
                self.say(&Notice::Unsubscribed {
                    id,
                    channel: &channel,
                    position,
                    reason: None,
                });
            }
            Err(problem) => self.refuse(id, &problem),
        }
    }

    fn publish(&mut self, id: Option<&RawValue>, outgoing: Outgoing<'_>, bytes: Option<&[u8]>) {
        let publisher = self.publisher();
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
        let draft = publish::draft(&self.app, &publisher, &outgoing).and_then(|mut draft| {
            if let Some(bytes) = bytes {
                draft.payload = Some(payload::binary(bytes));
                publish::check(&self.app, &mut draft)?;
            }
            charge(&self.app, &publisher, std::slice::from_ref(&draft))?;
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
                    if !receipt.duplicate {
                        delivered(&app, &publisher, receipt.subscribers);
                    }
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
            Done::Verified {
                claims,
                session,
                id,
            } => {
                let known = self.become_known(id.as_deref(), &claims, session.as_deref());
                if let Err(problem) = known {
                    self.refuse(id.as_deref(), &problem);
                }
            }
            Done::Subscribed {
                channels,
                membership,
                id,
            } => {
                if let Some(joined) = membership {
                    match &mut self.membership {
                        Some(known) => known.absorb(joined),
                        none => *none = Some(Box::new(joined)),
                    }
                    // It took its time, in which the right may have gone.
                    self.keep_memberships();
                }
                for subscribed in channels {
                    self.begin_to_read(id.as_deref(), subscribed);
                }
            }
        }
    }

    fn begin_to_read(&mut self, id: Option<&RawValue>, subscribed: Subscribed) {
        let Subscribed {
            channel,
            cursor,
            opened,
        } = subscribed;
        // A right that ended while the channel was opened was looked for where it was not yet.
        let Who { claims, client, .. } = self.who();
        if let Err(problem) = self.app.may(rights::Subscribe, &channel, &claims, client) {
            return self.refuse(id, &problem);
        }
        let place = Place {
            at: opened.at,
            recovered: opened.recovered,
        };
        self.say(&Notice::Subscribed {
            id,
            channel: &channel,
            place,
        });
        self.has_ended = false;
        self.feed.add(channel, cursor, opened, false);
    }

    /// Answers a command that cannot be carried out. The connection lives on.
    pub(super) fn refuse(&mut self, id: Option<&RawValue>, problem: &Problem) {
        self.app.stats.refused(problem);
        self.say(&Notice::Error {
            id,
            problem,
            retry_ms: retry_ms(problem),
        });
    }
}

/// Opens what a command wants, and joins it.
async fn subscribe(
    app: &Arc<App>,
    who: &Who,
    channels: Vec<ChannelName>,
    joins: Option<Joins>,
    start: Start,
) -> Result<(Vec<Subscribed>, Option<Membership>), Problem> {
    let mut opened = Vec::with_capacity(channels.len());
    for (index, channel) in channels.into_iter().enumerate() {
        let start = if index == 0 { start } else { Start::Now };
        let history = app.may(rights::History, &channel, &who.claims, who.client);
        let (cursor, place) = app
            .hub
            .open(&channel, start, history.is_ok(), app.now())
            .await?;
        opened.push(Subscribed {
            channel,
            cursor,
            opened: place,
        });
    }
    let membership = match (joins, who.client) {
        (Some(joins), Some(client)) => Some(*joins.for_a_stream(app, &who.claims, client).await?),
        _ => None,
    };
    Ok((opened, membership))
}

pub(super) fn owned(id: Option<&RawValue>) -> Option<Box<RawValue>> {
    id.map(ToOwned::to_owned)
}

pub(super) fn error_json(id: Option<&RawValue>, problem: &Problem) -> String {
    Notice::Error {
        id,
        problem,
        retry_ms: retry_ms(problem),
    }
    .to_json()
}

/// When the command may be sent again, where that is known.
fn retry_ms(problem: &Problem) -> Option<u64> {
    // At least one: who waits for nothing asks again at once.
    problem.after.map(|after| (after.as_millis() as u64).max(1))
}

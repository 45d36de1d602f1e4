//! Makes one answer: takes piece after piece from where they come from, publishes each, and ends the
//! channel. It goes on whether or not somebody reads.

use std::future::poll_fn;
use std::time::Duration;

use serde_json::json;
use tidings_core::{Budget, Delivery, Draft, Feed, Start};
use tidings_protocol::Problem;
use tokio::time::{Instant, timeout_at};

use super::super::channel::Channel;
use super::super::generator::Generator;
use super::super::model::{Model, Told};
use super::question::Question;

/// How long an answer may take.
const TIME: Duration = Duration::from_secs(180);

/// Pieces of an answer at most.
const PIECES: usize = 4_000;

/// Bytes of an answer at most.
const BYTES: usize = 64 << 10;

/// Bytes of the channel that are looked through at once.
const READ: usize = 64 << 10;

/// How pieces and the end are told.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// By events of their own.
    Events,
    /// Pieces without a name, and an end without a word.
    Plain,
}

/// Who makes an answer.
pub struct Producer {
    channel: Channel,
    form: Form,
    /// What is published to the channel from its beginning: the word to stop among it.
    feed: Feed,
    pieces: usize,
    bytes: usize,
}

/// Why there are no more pieces.
enum Ended {
    Done,
    Stopped,
    Failed(String),
    /// Nobody can be told: the channel takes no more.
    Lost(Problem),
}

impl Producer {
    /// Of an answer in this channel. What is published from here on may stop it.
    pub async fn new(channel: Channel, form: Form) -> Result<Self, Problem> {
        let mut feed = Feed::new(None);
        let (name, now) = (&channel.name, channel.app.now());
        let (cursor, opened) = channel.app.hub().open(name, Start::Now, true, now).await?;
        feed.add(name.clone(), cursor, opened, false);
        Ok(Self {
            channel,
            form,
            feed,
            pieces: 0,
            bytes: 0,
        })
    }

    /// Makes it.
    pub async fn run(mut self, model: Option<&Model>, question: &Question) {
        let end = Instant::now() + TIME;
        let ended = match timeout_at(end, self.produce(model, question)).await {
            Ok(ended) => ended,
            Err(_) => Ended::Failed(format!("an answer takes {} s at most", TIME.as_secs())),
        };
        if let Err(problem) = self.tell_end(&ended).await {
            tracing::debug!(channel = %self.channel.name, code = problem.code.as_str(), "an answer was not ended");
        }
    }

    async fn produce(&mut self, model: Option<&Model>, question: &Question) -> Ended {
        let begun = tokio::select! {
            () = stopped(&mut self.feed, &self.channel) => return Ended::Stopped,
            begun = Source::begin(model, question) => begun,
        };
        let mut source = match begun {
            Ok(source) => source,
            Err(why) => return Ended::Failed(why),
        };
        loop {
            let next = tokio::select! {
                () = stopped(&mut self.feed, &self.channel) => return Ended::Stopped,
                next = source.next() => next,
            };
            let piece = match next {
                Ok(Some(piece)) => piece,
                Ok(None) => return Ended::Done,
                Err(why) => return Ended::Failed(why),
            };
            if let Err(problem) = self.publish(&piece).await {
                return Ended::Lost(problem);
            }
            if self.pieces == PIECES || self.bytes > BYTES {
                return Ended::Done;
            }
        }
    }

    async fn publish(&mut self, piece: &str) -> Result<(), Problem> {
        self.pieces += 1;
        self.bytes += piece.len();
        let event = (self.form == Form::Events).then_some("token");
        let draft = self.channel.draft(event, &json!({"content": piece}));
        self.channel.publish(draft).await.map(drop)
    }

    async fn tell_end(&self, ended: &Ended) -> Result<(), Problem> {
        let pieces = self.pieces;
        let (event, data) = match ended {
            Ended::Done => ("done", json!({"content": "", "tokens": pieces})),
            Ended::Stopped => ("stopped", json!({"content": "", "tokens": pieces})),
            Ended::Failed(why) => ("failed", json!({"content": "", "error": why})),
            Ended::Lost(problem) => return Err(problem.clone()),
        };
        let mut draft = Draft {
            close: true,
            ..self.channel.draft(Some(event), &data)
        };
        if self.form == Form::Plain && !matches!(ended, Ended::Failed(_)) {
            (draft.event, draft.payload) = (None, None);
        }
        self.channel.publish(draft).await.map(drop)
    }
}

/// Waits for the word to stop, or for the end of the channel by somebody else.
async fn stopped(feed: &mut Feed, channel: &Channel) {
    let mut deliveries = Vec::new();
    loop {
        poll_fn(|cx| feed.poll_ready(cx)).await;
        let mut budget = Budget::new(usize::MAX, READ);
        let now = channel.app.now().monotonic;
        feed.read(now, &mut budget, &mut deliveries);
        let stops = |delivery: &Delivery| match delivery {
            Delivery::Message(_, message) => {
                let event = message.event.as_ref();
                event.is_some_and(|event| event.as_str() == "stop")
            }
            Delivery::Closed(..) => true,
            _ => false,
        };
        if deliveries.drain(..).any(|delivery| stops(&delivery)) {
            return;
        }
    }
}

/// Where the pieces come from.
enum Source {
    Generator(Generator),
    Model(Told),
}

impl Source {
    async fn begin(model: Option<&Model>, question: &Question) -> Result<Self, String> {
        match model {
            Some(model) => model.ask(question.messages()).await.map(Self::Model),
            None => Ok(Self::Generator(Generator::new(question.prompt()))),
        }
    }

    async fn next(&mut self) -> Result<Option<String>, String> {
        match self {
            Self::Generator(generator) => Ok(generator.next().await),
            Self::Model(told) => told.next().await,
        }
    }
}

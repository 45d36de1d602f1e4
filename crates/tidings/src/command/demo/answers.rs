//! Answers of a language model, piece by piece in a channel of their own: `POST /demos/answers` begins
//! one that is followed like any channel, `POST /demos/api/chat` one that the same request reads.
//! Whoever may publish to its channel ends it early by the event `stop`.
//!
//! The `content` of all messages of a channel, one behind the other, is the answer. Where the pieces
//! come from is no business of this module.

mod producer;
mod question;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use serde_json::json;
use tidings_core::{Action, Draft};
use tidings_protocol::{Code, Problem};
use tidings_server::{Asked, Extended};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;

use self::producer::{Form, Producer};
use self::question::Question;
use super::channel::Channel;
use super::model::Model;

/// Answers that are made at once.
const AT_ONCE: usize = 32;

/// After which one more may be asked for.
const LATER: Duration = Duration::from_secs(5);

/// Says in which channel an answer stands, to who reads it by the request that asked for it.
const CHANNEL: HeaderName = HeaderName::from_static("tidings-channel");

/// All answers that are being made.
pub struct Answers {
    model: Option<Arc<Model>>,
    room: Arc<Semaphore>,
    running: Mutex<JoinSet<()>>,
}

impl Answers {
    /// None yet, and all by this model; without one, by a generator.
    pub fn new(model: Option<Model>) -> Self {
        Self {
            model: model.map(Arc::new),
            room: Arc::new(Semaphore::new(AT_ONCE)),
            running: Mutex::default(),
        }
    }

    /// `POST /demos/answers`. Asked again under the same `id`, it begins no other answer.
    pub async fn answer(&self, asked: &Asked<'_>) -> Result<Extended, Problem> {
        let (question, id) = Question::of_prompt(&asked.body)?;
        let channel = channel(asked, &id);
        asked
            .claim(&[Action::Publish], &channel.name, asked.body.len())
            .await?;
        let place = self.room()?;
        let producer = Producer::new(channel.clone(), Form::Events).await?;
        if !self.told(&channel, &question).await? {
            self.begin(producer, question, place);
        }
        let body = json!({"channel": channel.name.as_str()}).to_string();
        let mut answer = Response::new(Bytes::from(body));
        *answer.status_mut() = StatusCode::ACCEPTED;
        let json = HeaderValue::from_static("application/json");
        answer.headers_mut().insert(header::CONTENT_TYPE, json);
        Ok(Extended::Answer(answer))
    }

    /// `POST /demos/api/chat`: the stream itself.
    pub async fn chat(&self, asked: &Asked<'_>) -> Result<Extended, Problem> {
        let question = Question::of_messages(&asked.body)?;
        let channel = channel(asked, &question::random_id()?);
        let actions = [Action::Publish, Action::Subscribe];
        asked
            .claim(&actions, &channel.name, asked.body.len())
            .await?;
        let place = self.room()?;
        let producer = Producer::new(channel.clone(), Form::Plain).await?;
        self.begin(producer, question, place);
        let name = HeaderValue::from_str(channel.name.as_str()).expect("a name of visible ASCII");
        Ok(Extended::Stream(
            channel.name,
            HeaderMap::from_iter([(CHANNEL, name)]),
        ))
    }

    /// Ends all of them.
    pub fn stop(&self) {
        self.room.close();
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.abort_all();
    }

    fn room(&self) -> Result<OwnedSemaphorePermit, Problem> {
        if self.room.is_closed() {
            return Err(Problem::new(
                Code::Stopping,
                "the server goes away; ask again",
            ));
        }
        self.room.clone().try_acquire_owned().map_err(|_| {
            let detail = format!("{AT_ONCE} answers are being made, as many as may be; ask again");
            Problem::new(Code::TooManyRequests, detail).after(LATER)
        })
    }

    /// Publishes the question before its answer; true if that was done before.
    async fn told(&self, channel: &Channel, question: &Question) -> Result<bool, Problem> {
        let data = json!({"prompt": question.prompt(), "content": ""});
        let draft = Draft {
            key: Some("question".into()),
            ..channel.draft(Some("question"), &data)
        };
        channel.publish(draft).await.map_err(|problem| {
            let detail = match problem.code {
                Code::KeyReused => "this `id` is that of another question: take a new one",
                Code::ChannelClosed => {
                    "this `id` is that of an answer which has ended: take a new one"
                }
                _ => return problem,
            };
            Problem::new(problem.code, detail)
        })
    }

    fn begin(&self, producer: Producer, question: Question, place: OwnedSemaphorePermit) {
        let model = self.model.clone();
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        while running.try_join_next().is_some() {}
        running.spawn(async move {
            producer.run(model.as_deref(), &question).await;
            drop(place);
        });
    }
}

fn channel(asked: &Asked<'_>, id: &str) -> Channel {
    Channel::new(asked.app, &format!("demo-answers:{id}"))
}

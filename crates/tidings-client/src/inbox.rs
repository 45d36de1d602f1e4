//! Direct messages: to a user, to a client, and requests that are answered. How a request looks on the wire is a
//! convention of the clients (`docs/clients.md`); to the server it is a message like any other.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use hyper::{Method, header::HeaderValue};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;
use tokio::{
    sync::oneshot,
    time::{Instant, timeout_at},
};

use crate::{
    Client, Error, Message, Publish, Receipt,
    client::Inner,
    endpoint::Target,
    event::{Event, State},
    subscription::{SubscribeOptions, Subscription},
    transport::{Task, secret},
};

/// Somebody to whom messages can be sent.
#[derive(Clone, Debug)]
pub struct Recipient {
    client: Client,
    inbox: String,
}

/// A request, as it came to the one who answers it.
#[derive(Clone, Debug)]
pub struct Request {
    id: String,
    from: String,
    data: Box<RawValue>,
}

#[derive(Serialize)]
struct Asked<'a, T: ?Sized> {
    #[serde(rename = "$request")]
    id: &'a str,
    data: &'a T,
}

#[derive(Deserialize)]
struct CameAsked<'a> {
    #[serde(rename = "$request")]
    id: String,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

#[derive(Serialize)]
struct Answered<'a, T: ?Sized> {
    #[serde(rename = "$reply")]
    id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a T>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
}

#[derive(Deserialize)]
struct CameAnswered<'a> {
    #[serde(rename = "$reply")]
    id: String,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    error: Option<String>,
}

impl Client {
    /// All who are this user, by their inbox `@USER`.
    #[must_use]
    pub fn user(&self, user: &str) -> Recipient {
        self.recipient(format!("@{user}"))
    }

    /// One client, by its public id.
    #[must_use]
    pub fn peer(&self, client: &str) -> Recipient {
        self.recipient(format!("~{client}"))
    }

    fn recipient(&self, inbox: String) -> Recipient {
        Recipient {
            client: self.clone(),
            inbox,
        }
    }
}

impl Recipient {
    /// Sends a message.
    ///
    /// # Errors
    ///
    /// As for [`Client::publish`].
    pub async fn send(&self, publish: Publish) -> Result<Receipt, Error> {
        self.client.publish(&self.inbox, publish).await
    }

    /// Sends a request under an event name and waits for the first reply, up to [`crate::Timings::request`] from the
    /// moment at which the server holds it. The first request opens this client's own inbox.
    ///
    /// # Errors
    ///
    /// [`Error::Declined`], [`Error::Timeout`], [`Error::Argument`] for data that cannot be serialised, [`Error::Foreign`]
    /// for a reply that is something else, and what publishing and subscribing can fail with.
    pub async fn request<T, R>(&self, event: &str, data: &T) -> Result<R, Error>
    where
        T: Serialize + ?Sized,
        R: DeserializeOwned,
    {
        let desk = Desk::of(&self.client).await?;
        let id = self.client.inner.keys.next();
        let publish = Publish::json(&Asked { id: &id, data })?.event(event);
        let reply = desk.expect(&id);
        let inner = &self.client.inner;
        inner
            .publish(&self.inbox, publish, Some(&desk.session))
            .await?;
        let reply = reply.within(inner.timings.request).await?;
        serde_json::from_str(reply.get())
            .map_err(|error| Error::Foreign(format!("a reply of another kind: {error}")))
    }
}

impl Message {
    /// The request that this message is, if it is one that can be answered.
    #[must_use]
    pub fn request(&self) -> Option<Request> {
        let asked: CameAsked<'_> = serde_json::from_slice(self.data.as_bytes()).ok()?;
        Some(Request {
            id: asked.id,
            from: self.from.as_ref()?.client.clone()?,
            data: asked.data.unwrap_or(RawValue::NULL).to_owned(),
        })
    }
}

impl Request {
    /// What is asked.
    ///
    /// # Errors
    ///
    /// [`Error::Foreign`] if it is something else.
    pub fn data<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_str(self.data.get())
            .map_err(|error| Error::Foreign(format!("a request of another kind: {error}")))
    }

    /// Answers it.
    ///
    /// # Errors
    ///
    /// As for [`Client::publish`]; [`Error::Argument`] for data that cannot be serialised.
    pub async fn reply<T>(&self, client: &Client, data: &T) -> Result<Receipt, Error>
    where
        T: Serialize + ?Sized,
    {
        self.answer(client, Some(data), None).await
    }

    /// Answers it with an error, for a person to read.
    ///
    /// # Errors
    ///
    /// As for [`Client::publish`].
    pub async fn decline(&self, client: &Client, error: &str) -> Result<Receipt, Error> {
        self.answer::<()>(client, None, Some(error)).await
    }

    async fn answer<T>(
        &self,
        client: &Client,
        data: Option<&T>,
        error: Option<&str>,
    ) -> Result<Receipt, Error>
    where
        T: Serialize + ?Sized,
    {
        let id = &self.id;
        let publish = Publish::json(&Answered { id, data, error })?.event("reply");
        client.peer(&self.from).send(publish).await
    }
}

/// What is told to who waits for a reply.
type Told = Result<Box<RawValue>, Error>;

/// Those who wait for a reply, by the id of the request; nobody is let in after the end.
#[derive(Debug, Default)]
struct Waiting {
    by_id: HashMap<String, oneshot::Sender<Told>>,
    over: bool,
}

impl Waiting {
    fn of(shared: &Mutex<Self>) -> MutexGuard<'_, Self> {
        shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A client's own inbox, where replies come.
#[derive(Debug)]
pub(crate) struct Desk {
    session: HeaderValue,
    waiting: Arc<Mutex<Waiting>>,
    _task: Task<()>,
}

/// The answer to `POST /session`.
#[derive(Deserialize)]
struct Session {
    client: String,
    session: String,
}

impl Desk {
    /// The desk of a client, opened when it is first needed and again when it has ended.
    async fn of(client: &Client) -> Result<Arc<Self>, Error> {
        let mut desk = client.desk.lock().await;
        if let Some(desk) = desk.as_ref()
            && !Waiting::of(&desk.waiting).over
        {
            return Ok(desk.clone());
        }
        let opened = Arc::new(Self::open(&client.inner).await?);
        *desk = Some(opened.clone());
        Ok(opened)
    }

    async fn open(inner: &Arc<Inner>) -> Result<Self, Error> {
        let told: Session = inner.query(Method::POST, Target::path("/session")).await?;
        let session = secret(&told.session)
            .ok_or_else(|| Error::Foreign("a session that is no header value".into()))?;
        let inbox = format!("~{}", told.client);
        let options = SubscribeOptions::default();
        let mut replies =
            Subscription::start(inner.clone(), &[&inbox], options, Some(session.clone()))?;
        loop {
            match replies.next().await {
                Some(Ok(Event::State(State::Open(_)))) => break,
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error),
                None => return Err(Error::Lost("the inbox has ended".into())),
            }
        }
        let waiting = Arc::default();
        let task = tokio::spawn(hand_out(replies, Arc::clone(&waiting)));
        Ok(Self {
            session,
            waiting,
            _task: Task(task),
        })
    }

    fn expect(&self, id: &str) -> Expected<'_> {
        let (sender, reply) = oneshot::channel();
        let mut waiting = Waiting::of(&self.waiting);
        if !waiting.over {
            waiting.by_id.insert(id.to_owned(), sender);
        }
        Expected {
            desk: self,
            id: id.to_owned(),
            reply,
        }
    }
}

/// A reply that is waited for. Who gives up is forgotten.
struct Expected<'a> {
    desk: &'a Desk,
    id: String,
    reply: oneshot::Receiver<Told>,
}

impl Expected<'_> {
    async fn within(mut self, within: std::time::Duration) -> Told {
        let reply = timeout_at(Instant::now() + within, &mut self.reply).await;
        match reply {
            Ok(Ok(told)) => told,
            Ok(Err(_)) => Err(Error::Lost("the inbox for replies has ended".into())),
            Err(_) => Err(Error::Timeout {
                what: "no reply",
                after: within,
            }),
        }
    }
}

impl Drop for Expected<'_> {
    fn drop(&mut self) {
        Waiting::of(&self.desk.waiting).by_id.remove(&self.id);
    }
}

/// Hands replies to those who wait, until the inbox ends.
async fn hand_out(mut replies: Subscription, waiting: Arc<Mutex<Waiting>>) {
    while let Some(Ok(event)) = replies.next().await {
        if let Event::Message(message) = event {
            take(&message, &waiting);
        }
    }
    let mut waiting = Waiting::of(&waiting);
    waiting.over = true;
    waiting.by_id.clear();
}

fn take(message: &Message, waiting: &Mutex<Waiting>) {
    if message.event.as_deref() != Some("reply") {
        return;
    }
    let Ok(answered) = serde_json::from_slice::<CameAnswered<'_>>(message.data.as_bytes()) else {
        return;
    };
    let told = match answered.error {
        Some(error) => Err(Error::Declined(error)),
        None => Ok(answered.data.unwrap_or(RawValue::NULL).to_owned()),
    };
    if let Some(sender) = Waiting::of(waiting).by_id.remove(&answered.id) {
        // Who waited may have given up.
        let _ = sender.send(told);
    }
}

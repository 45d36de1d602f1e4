//! Who is in a channel: a list, and the changes since. It makes nobody a member; that is [`crate::Join`].

use std::collections::{BTreeMap, VecDeque};

use hyper::Method;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    Client, Error,
    endpoint::Target,
    event::{Event, Message, Position},
    places::Start,
    subscription::{SubscribeOptions, Subscription},
};

/// A client that is seen in a channel.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct Member {
    /// Its public id.
    pub client: String,
    /// Its user, where there is one.
    pub user: Option<String>,
    /// What it shows of itself.
    pub info: Option<Box<RawValue>>,
}

/// A change of who is there.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum PresenceEvent {
    /// A member came, or shows something else.
    Joined(Member),
    /// A member went.
    Left(Member),
    /// Changes were missed, so the list was taken anew.
    Anew,
}

/// The answer to a request for the list.
#[derive(Deserialize)]
struct Snapshot {
    clients: Vec<Member>,
    count: u64,
    cursor: String,
}

/// Who is in a channel, kept up to date by [`Self::next`].
#[derive(Debug)]
pub struct Presence {
    client: Client,
    channel: String,
    members: BTreeMap<String, Member>,
    unlisted: u64,
    changes: Subscription,
    /// The list says all up to here.
    known_to: Option<Position>,
    /// The list has to be taken anew.
    stale: bool,
    told: VecDeque<PresenceEvent>,
}

impl Client {
    /// Who is in a channel now; [`Presence::next`] goes on from there.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] where the channel has no presence or it may not be seen, and what a request can fail with.
    pub async fn presence(&self, channel: &str) -> Result<Presence, Error> {
        let snapshot = self.snapshot(channel).await?;
        let options = SubscribeOptions {
            after: Start::Cursor(snapshot.cursor.clone()),
            ..SubscribeOptions::default()
        };
        let changes = self.subscribe(&[&format!("$presence:{channel}")], options)?;
        let mut presence = Presence {
            client: self.clone(),
            channel: channel.to_owned(),
            members: BTreeMap::new(),
            unlisted: 0,
            changes,
            known_to: None,
            stale: false,
            told: VecDeque::new(),
        };
        presence.list(snapshot);
        Ok(presence)
    }

    async fn snapshot(&self, channel: &str) -> Result<Snapshot, Error> {
        let target = Target::presence(channel);
        self.inner.query(Method::GET, target).await
    }
}

impl Presence {
    /// The members, by their ids.
    pub fn members(&self) -> impl Iterator<Item = &Member> {
        self.members.values()
    }

    /// How many members there are. More than are listed, where there were more than the server lists.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.unlisted + u64::try_from(self.members.len()).unwrap_or(u64::MAX)
    }

    /// The next change, which [`Self::members`] shows already. `Err`: the list could not be taken anew, which the next
    /// call tries again, or nothing follows. `None`: nothing follows. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<Result<PresenceEvent, Error>> {
        loop {
            if self.stale {
                match self.client.snapshot(&self.channel).await {
                    Ok(snapshot) => self.list(snapshot),
                    Err(error) => return Some(Err(error)),
                }
                return Some(Ok(PresenceEvent::Anew));
            }
            if let Some(told) = self.told.pop_front() {
                return Some(Ok(told));
            }
            match self.changes.next().await? {
                Ok(Event::Message(message)) => self.change(&message),
                Ok(Event::Gap(_)) => self.stale = true,
                Ok(_) => {}
                Err(error) => return Some(Err(error)),
            }
        }
    }

    fn list(&mut self, snapshot: Snapshot) {
        let listed = u64::try_from(snapshot.clients.len()).unwrap_or(u64::MAX);
        self.unlisted = snapshot.count.saturating_sub(listed);
        let by_id = |member: Member| (member.client.clone(), member);
        self.members = snapshot.clients.into_iter().map(by_id).collect();
        self.known_to = snapshot.cursor.parse().ok();
        self.stale = false;
    }

    fn change(&mut self, message: &Message) {
        let is_known = |position: &Position| {
            let known_to = self.known_to.as_ref();
            known_to.is_some_and(|to| to.epoch == position.epoch && position.offset <= to.offset)
        };
        if message.position.as_ref().is_some_and(is_known) {
            return;
        }
        let Ok(member) = serde_json::from_slice::<Member>(message.data.as_bytes()) else {
            return;
        };
        match message.event.as_deref() {
            Some("join") => {
                self.members.insert(member.client.clone(), member.clone());
                self.told.push_back(PresenceEvent::Joined(member));
            }
            Some("leave") => {
                if self.members.remove(&member.client).is_none() {
                    self.unlisted = self.unlisted.saturating_sub(1);
                }
                self.told.push_back(PresenceEvent::Left(member));
            }
            // A kind of change that this version does not know.
            _ => {}
        }
    }
}

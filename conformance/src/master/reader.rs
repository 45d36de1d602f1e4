//! A reader that wanders: it changes its transport after every few messages, is cut off in the middle
//! of half of its connections, and goes on with nothing but what it got whole. Each connection is made by
//! any of the carriers.

use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use tokio::time::{sleep, timeout};

use super::content::{content, event};
use super::envelope::{Envelope, HelloPlace};
use super::ledger::Ledger;
use super::tally::{TRANSPORTS, Tally, Way};
use crate::carrier::Endpoint;
use crate::checker::{Gap, Item, Place, follow};
use crate::http::{Http, get, percent};
use crate::wire::Fate;

/// No stream of a running publisher is silent for so long.
const STALL: Duration = Duration::from_secs(20);

/// Channels up to which every SSE event carries the whole cursor.
const EXACT_CURSOR_CHANNELS: usize = 16;

/// When a connection is left.
pub struct Leave {
    /// Cut off after so many bytes.
    pub bytes: Option<u64>,
    /// Left after so many messages.
    pub messages: u64,
}

/// One reader.
pub struct Reader {
    endpoints: Vec<Endpoint>,
    pub(super) rng: Rng,
    pub(super) ledger: Arc<Ledger>,
    /// The exact place on each channel.
    pub(super) places: Vec<Place>,
    /// The cursor over all channels, where the last transport gave one.
    pub(super) token: Option<String>,
    /// What came since the last cursor, and may come again from that cursor on.
    pending: HashSet<(usize, Place)>,
    /// What may come again on this connection.
    repeatable: HashSet<(usize, Place)>,
    /// Channels of which a gap was announced and has not come.
    announced: HashSet<usize>,
    /// The longest pause between two connections.
    pause: Option<Duration>,
    transport: usize,
    /// The endpoint of the connection.
    at: usize,
    /// What becomes of the connection.
    fate: Option<Fate>,
    /// What it has been through.
    pub(super) tally: Tally,
}

/// What became of a connection.
pub enum Left {
    /// The cut came.
    Cut,
    /// It was left in order.
    Orderly,
}

impl Reader {
    /// A reader of all channels, from before the first message. It shares the connections of the
    /// endpoints with whoever has their clones, and severs them at times.
    pub fn new(
        endpoints: &[Endpoint],
        ledger: Arc<Ledger>,
        pause: Option<Duration>,
        rng: Rng,
    ) -> Self {
        let places = (0..ledger.channels.len())
            .map(|channel| ledger.beginning(channel))
            .collect();
        Self {
            endpoints: endpoints.to_vec(),
            rng,
            ledger,
            places,
            token: None,
            pending: HashSet::new(),
            repeatable: HashSet::new(),
            announced: HashSet::new(),
            pause,
            transport: 0,
            at: 0,
            fate: None,
            tally: Tally::default(),
        }
    }

    /// Reads until every channel is at its end.
    ///
    /// # Errors
    /// What was lost, repeated, out of order, wrong or missing, with the reader's state.
    pub async fn run(mut self) -> Result<Tally, String> {
        match self.wander().await {
            Ok(()) => Ok(self.tally),
            Err(fault) => Err(format!("{fault}\n{}", self.state())),
        }
    }

    async fn wander(&mut self) -> Result<(), String> {
        while !self.is_done() {
            if let Some(pause) = self.pause {
                sleep(pause.mul_f64(self.rng.f64())).await;
            }
            let leave = self.leave();
            self.transport = self.rng.usize(..TRANSPORTS.len());
            self.at = self.rng.usize(..self.endpoints.len());
            self.way().opened += 1;
            let left = match self.transport {
                0 => self.polls(&leave, false).await?,
                1 => self.polls(&leave, true).await?,
                2 => self.events(&leave).await?,
                _ => self.socket(&leave).await?,
            };
            if matches!(left, Left::Cut) {
                self.way().cut += 1;
                self.sever().await;
            }
        }
        self.nothing_follows().await
    }

    /// At times the cut is one of all that shares the connection.
    async fn sever(&mut self) {
        if self.rng.u8(..4) == 0 && self.endpoints[self.at].sever().await {
            self.tally.severed += 1;
        }
    }

    fn way(&mut self) -> &mut Way {
        let carrier = self.endpoints[self.at].carrier;
        &mut self.tally.ways[carrier as usize][self.transport]
    }

    fn leave(&mut self) -> Leave {
        let most = *self.rng.choice(&[1_000, 4_000, 40_000]).expect("a choice");
        match self.rng.bool() {
            true => Leave {
                bytes: Some(self.rng.u64(1..=most)),
                messages: u64::MAX,
            },
            false => Leave {
                bytes: None,
                messages: self.rng.u64(1..=most / 200),
            },
        }
    }

    /// A last look at every channel: there is nothing more, and the end is where it has to be.
    async fn nothing_follows(&mut self) -> Result<(), String> {
        let apart = self.endpoints[self.at].apart();
        for channel in 0..self.places.len() {
            let target = format!(
                "/channels/{}?after={}",
                self.path(channel),
                self.places[channel]
            );
            let answer = get(&apart, &target).await;
            let wanted = format!(
                "{{\"messages\":[],\"cursor\":\"{}\",\"more\":false}}",
                self.places[channel]
            );
            if answer.body != wanted.as_bytes() {
                return Err(format!("after the last message: {}", answer.text()));
            }
        }
        Ok(())
    }

    pub(super) fn is_done(&self) -> bool {
        let mut places = self.places.iter().enumerate();
        places.all(|(channel, place)| self.ledger.is_end(channel, place))
    }

    pub(super) fn path(&self, channel: usize) -> String {
        percent(&self.ledger.channels[channel])
    }

    /// Whether there is one channel: then its places are the cursors.
    pub(super) fn is_single(&self) -> bool {
        self.places.len() == 1
    }

    /// Messages that came so far.
    pub(super) fn came(&self) -> u64 {
        self.tally.sum().messages
    }

    /// Connects, to be cut as `leave` says.
    pub(super) async fn connect(&mut self, leave: &Leave) -> Result<Http, String> {
        let http = Http::cut_after(&self.endpoints[self.at], leave.bytes)
            .await
            .map_err(|error| format!("cannot connect: {error}"))?;
        self.fate = Some(http.fate().clone());
        Ok(http)
    }

    /// Waits for what must come.
    pub(super) async fn wait<T>(&self, coming: impl Future<Output = T>) -> Result<T, String> {
        timeout(STALL, coming)
            .await
            .map_err(|_| format!("nothing came for {STALL:?}"))
    }

    /// A connection ended: by the cut, or it must not have.
    pub(super) fn ended(&self) -> Result<Left, String> {
        match self.fate.as_ref().is_some_and(Fate::is_cut) {
            true => Ok(Left::Cut),
            false => Err("the server ended the connection".into()),
        }
    }

    /// The place of the first channel as a cursor, or the token of all, from which a reading goes on.
    pub(super) fn cursor(&mut self) -> Option<String> {
        if self.is_single() {
            return Some(self.places[0].to_string());
        }
        let token = self.token.clone()?;
        self.repeatable.extend(self.pending.drain());
        Some(token)
    }

    /// The exact places, from which a reading goes on: nothing may come again.
    pub(super) fn exact(&mut self) -> Vec<String> {
        self.pending.clear();
        self.repeatable.clear();
        self.token = None;
        self.places.iter().map(Place::to_string).collect()
    }

    /// `name=…&name=…`.
    pub(super) fn names(&self) -> String {
        let names: Vec<String> = (0..self.places.len())
            .map(|channel| format!("name={}", self.path(channel)))
            .collect();
        names.join("&")
    }

    /// A cursor came that holds all that came before it.
    pub(super) fn took_cursor(&mut self, cursor: &str) -> Result<(), String> {
        if self.is_single() {
            let place = self.places[0].to_string();
            return (cursor == place)
                .then_some(())
                .ok_or(format!("the cursor is {cursor} and not {place}"));
        }
        self.token = Some(cursor.to_owned());
        self.pending.clear();
        Ok(())
    }

    /// Whether every event must carry a cursor.
    pub(super) fn has_exact_cursors(&self) -> bool {
        self.places.len() <= EXACT_CURSOR_CHANNELS
    }

    /// A connection begins: what an earlier one announced is void.
    pub(super) fn begins(&mut self) {
        self.announced.clear();
    }

    /// The first words of a stream, over `channels` channels.
    pub(super) fn take_hello(&mut self, text: &str, channels: usize) -> Result<(), String> {
        let hello = Envelope::parse(text)?;
        let places: HashMap<String, HelloPlace> = match (hello.kind.as_str(), hello.channels) {
            ("hello", Some(places)) => {
                serde_json::from_str(places.get()).map_err(|error| format!("{error}: {text}"))?
            }
            _ => return Err(format!("no hello: {text}")),
        };
        if places.len() != channels {
            return Err(format!("hello names not {channels} channels: {text}"));
        }
        for (name, place) in places {
            let at = Place {
                epoch: place.epoch,
                offset: place.offset,
            };
            self.take_start(&name, &at, place.recovered)?;
        }
        Ok(())
    }

    /// Where the reading of a channel is said to start.
    pub(super) fn take_start(
        &mut self,
        name: &str,
        at: &Place,
        recovered: bool,
    ) -> Result<(), String> {
        let channel = self.channel(name)?;
        let place = &self.places[channel];
        if !recovered {
            self.announced.insert(channel);
            return Ok(());
        }
        let repeats =
            !self.repeatable.is_empty() && at.epoch == place.epoch && at.offset <= place.offset;
        match at == place || repeats {
            true => Ok(()),
            false => Err(format!(
                "{name} is said to start after {at} and not {place}"
            )),
        }
    }

    pub(super) fn channel(&self, name: &str) -> Result<usize, String> {
        let index = self.ledger.channels.iter().position(|known| known == name);
        index.ok_or_else(|| format!("nobody asked for {name}"))
    }

    /// A message, gap or skip came; `behind` are the bytes behind the header of a binary frame. False
    /// for anything else.
    pub(super) async fn take(&mut self, text: &str, behind: Option<&[u8]>) -> Result<bool, String> {
        let envelope = Envelope::parse(text)?;
        let Some(item) = envelope.item() else {
            return Ok(false);
        };
        let channel = self.channel(envelope.channel.as_deref().unwrap_or_default())?;
        if self.announced.remove(&channel) && !matches!(item, Item::Gap(_)) {
            return Err(format!("a gap was announced, and there came {text}"));
        }
        if let Item::Message(place) = &item {
            self.verify(channel, place, &envelope, behind)
                .map_err(|fault| format!("{fault}: {text}"))?;
            let key = (channel, place.clone());
            let again = self.repeatable.remove(&key);
            self.pending.insert(key);
            if again {
                self.tally.repeats += 1;
                return Ok(true);
            }
            self.way().messages += 1;
        }
        let next = follow(&self.places[channel], &item)?;
        if let Item::Gap(gap) = &item {
            self.judge(channel, gap).await?;
        }
        self.places[channel] = next;
        Ok(true)
    }

    fn verify(
        &self,
        channel: usize,
        place: &Place,
        envelope: &Envelope<'_>,
        behind: Option<&[u8]>,
    ) -> Result<(), String> {
        if envelope.event != event(place) {
            return Err(format!("the event is not {:?}", event(place)));
        }
        let content = content(&self.ledger.channels[channel], place);
        match envelope.says(&content, behind) {
            true => Ok(()),
            false => Err(format!("the payload is not {content:?}")),
        }
    }

    async fn judge(&mut self, channel: usize, gap: &Gap) -> Result<(), String> {
        let place = &self.places[channel];
        self.wait(self.ledger.known(channel, &gap.epoch)).await?;
        self.ledger.judge(channel, place, gap)?;
        self.tally.gaps += 1;
        self.tally.lost += gap.from.map_or(0, |from| gap.to + 1 - from);
        Ok(())
    }

    fn state(&self) -> String {
        let places: Vec<String> = self.places.iter().map(Place::to_string).collect();
        format!(
            "  on {} by {}, at {places:?}, cursor {:?}, {} that may repeat, {}\n{}",
            TRANSPORTS[self.transport],
            self.endpoints[self.at].carrier.name(),
            self.token,
            self.repeatable.len(),
            self.tally,
            self.ledger.state()
        )
    }
}

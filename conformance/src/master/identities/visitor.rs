//! A reader with a name: its tokens end, are renewed, narrowed, revoked and forged while it reads, and it
//! holds all that it is told against what is true.

use std::collections::{BTreeMap, HashSet};
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use fastrand::Rng;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use super::realm::{Realm, forged};
use super::truth::{Channel, MARGIN, NEVER, Namespace, Subject, Token, Truth, now};
use crate::carrier::Endpoint;
use crate::checker::{Item, Place, follow};
use crate::http::{Answer, Http, fetch, percent};
use crate::wire::Fate;

/// No stream of a running publisher is silent for so long.
const STALL: Duration = Duration::from_secs(20);

/// Tokens that may still count.
const TOKENS: usize = 16;

/// What happened, by its name, and how often.
pub type Events = BTreeMap<String, u64>;

/// By what a newer token may be shown.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// None is.
    Never,
    /// `POST /session`.
    ByPost,
    /// That, or the command of the connection.
    ByAny,
}

/// One reader.
pub struct Visitor {
    pub(super) realm: Arc<Realm>,
    pub(super) truth: Arc<Truth>,
    endpoints: Vec<Endpoint>,
    pub(super) rng: Rng,
    user: String,
    /// What it is for as long as its session is good.
    pub(super) client: String,
    pub(super) session: String,
    /// Its tokens, the newest at the end.
    pub(super) tokens: Vec<Token>,
    pub(super) places: Vec<Place>,
    /// Channels that it reads.
    pub(super) open: HashSet<usize>,
    /// Of these, those that nothing was told of yet: a past that it may not read is told first.
    pub(super) fresh: HashSet<usize>,
    /// When the reading of each channel was asked for, and what was in it by then.
    opened: Vec<(u64, u64)>,
    /// When the connection was.
    pub(super) connected: u64,
    at: usize,
    fate: Option<Fate>,
    pub(super) events: Events,
}

impl Visitor {
    /// A reader of all channels, as one of the clients of a user, which it is told now.
    ///
    /// # Errors
    /// What the server answered instead.
    pub async fn introduce(
        realm: Arc<Realm>,
        truth: Arc<Truth>,
        endpoints: Vec<Endpoint>,
        user: String,
        rng: Rng,
    ) -> Result<Self, String> {
        let mut visitor = Self::new(realm, truth, endpoints, user, rng);
        visitor.mint();
        let told = super::ok(visitor.show_by_post(json!({})).await)?;
        let text = |name: &str| {
            told[name]
                .as_str()
                .map(str::to_owned)
                .ok_or(told.to_string())
        };
        (visitor.client, visitor.session) = (text("client")?, text("session")?);
        Ok(visitor)
    }

    fn new(
        realm: Arc<Realm>,
        truth: Arc<Truth>,
        endpoints: Vec<Endpoint>,
        user: String,
        rng: Rng,
    ) -> Self {
        let start = |channel: &Channel| Place {
            epoch: channel.epoch.clone(),
            offset: 0,
        };
        Self {
            places: truth.channels.iter().map(start).collect(),
            opened: vec![(0, 0); truth.channels.len()],
            realm,
            truth,
            endpoints,
            rng,
            user,
            client: String::new(),
            session: String::new(),
            tokens: Vec::new(),
            open: HashSet::new(),
            fresh: HashSet::new(),
            connected: 0,
            at: 0,
            fate: None,
            events: Events::new(),
        }
    }

    /// Reads until all is published and read.
    ///
    /// # Errors
    /// What was not as it has to be, with the reader's state.
    pub async fn run(mut self) -> Result<Events, String> {
        match self.wander().await {
            Ok(()) => Ok(self.events),
            Err(fault) => Err(format!("{fault}\n{}", self.state())),
        }
    }

    async fn wander(&mut self) -> Result<(), String> {
        while !(self.truth.is_done() && self.is_at_end()) {
            self.renew_if_due().await;
            let wanted = self.wanted();
            self.at = self.rng.usize(..self.endpoints.len());
            match self.rng.u8(..4) {
                0 => self.polls(&wanted, false).await?,
                1 => self.polls(&wanted, true).await?,
                2 => self.events(&wanted).await?,
                _ => self.socket(&wanted).await?,
            }
            self.open.clear();
        }
        Ok(())
    }

    fn is_at_end(&self) -> bool {
        (0..self.places.len()).all(|channel| self.is_at_end_of(channel))
    }

    pub(super) fn is_at_end_of(&self, channel: usize) -> bool {
        let head = &self.truth.channels[channel].acknowledged;
        self.places[channel].offset >= head.load(Ordering::SeqCst)
    }

    pub(super) fn count(&mut self, event: impl Into<String>) {
        *self.events.entry(event.into()).or_default() += 1;
    }

    pub(super) fn token(&self) -> &Token {
        self.tokens.last().expect("minted before anything")
    }

    /// Another token, of a random life and random rights; all of them once nothing changes any more.
    pub(super) fn mint(&mut self) {
        let done = self.truth.is_done();
        let now_s = now() / 1000;
        let mut channels: Vec<bool> = Vec::new();
        channels.resize_with(self.places.len(), || done || self.rng.u8(..4) > 0);
        let life = if done { 5 } else { self.rng.u64(1..=5) };
        let names = self.truth.channels.iter().zip(&channels).filter(|c| *c.1);
        let names: Vec<&str> = names.map(|(channel, _)| channel.name.as_str()).collect();
        let id = format!("{:x}", self.rng.u64(..));
        let text = self.realm.mint(json!({
            "sub": self.user, "iat": now_s, "exp": now_s + life, "jti": id, "channels": {"subscribe": names},
        }));
        self.count("tokens minted");
        self.push(Token {
            text,
            user: self.user.clone(),
            id,
            issued: now_s,
            expires: (now_s + life) * 1000,
            channels,
            forged: false,
            shown: NEVER,
            replaced: NEVER,
        });
    }

    fn push(&mut self, token: Token) {
        if self.tokens.len() == TOKENS {
            self.tokens.remove(0);
        }
        self.tokens.push(token);
    }

    /// Mostly comes with a token that is good, and at times with whatever it has.
    async fn renew_if_due(&mut self) {
        let (token, now_ms) = (self.token(), now());
        let causes = self.truth.causes(token, &[], &self.client, now_ms, now_ms);
        let narrow = self.truth.is_done() && token.channels.contains(&false);
        let due =
            narrow || !causes.codes.is_empty() && (self.truth.is_done() || self.rng.u8(..8) > 0);
        if !due && self.rng.u8(..8) > 0 {
            return;
        }
        let patient = self.truth.is_done() || self.rng.u8(..4) > 0;
        while patient && !self.truth.is_fresh(&self.user, now() / 1000) {
            sleep(Duration::from_millis(1_000 - now() % 1000)).await;
        }
        self.mint();
    }

    /// The channels that its token names, or some, or at times any.
    fn wanted(&mut self) -> Vec<usize> {
        let all: Vec<usize> = (0..self.places.len()).collect();
        let named: Vec<usize> = all
            .iter()
            .copied()
            .filter(|&c| self.token().channels[c])
            .collect();
        let any = named.is_empty() || !self.truth.is_done() && self.rng.u8(..8) == 0;
        let some = if any { all } else { named };
        let most = match self.truth.is_done() {
            true => some.len(),
            false => self.rng.usize(1..=some.len()),
        };
        self.rng.choose_multiple(some, most)
    }

    /// A token is shown from now on; gives the time.
    pub(super) fn show(&mut self) -> u64 {
        let asked = now();
        let token = self.tokens.last_mut().expect("minted before anything");
        token.shown = token.shown.min(asked);
        asked
    }

    /// What the server said to a token shown at `asked` for channels: `None` is success.
    pub(super) fn judge(
        &mut self,
        code: Option<&str>,
        channels: &[usize],
        asked: u64,
    ) -> Result<(), String> {
        let answered = now();
        let causes = self
            .truth
            .causes(self.token(), channels, &self.client, asked, answered);
        let Some(code) = code else {
            if causes.certain {
                return Err(format!(
                    "let in at {asked}–{answered} in spite of {causes:?}"
                ));
            }
            let known = self.tokens.len() - 1;
            for token in &mut self.tokens[..known] {
                token.replaced = token.replaced.min(answered);
            }
            self.count("let in");
            return Ok(());
        };
        self.count(format!("refused: {code}"));
        match causes.codes.contains(&code) {
            true => Ok(()),
            false => Err(format!(
                "refused as {code} at {asked}–{answered}, and right is {causes:?}"
            )),
        }
    }

    /// Connects, at times to be cut.
    pub(super) async fn connect(&mut self) -> Result<Http, String> {
        let bytes = (self.rng.u8(..3) == 0).then(|| self.rng.u64(1..=30_000));
        let http = Http::cut_after(&self.endpoints[self.at], bytes).await;
        let http = http.map_err(|error| format!("cannot connect: {error}"))?;
        self.fate = Some(http.fate().clone());
        self.connected = now();
        Ok(http)
    }

    /// A connection ended: by the cut, or it must not have.
    pub(super) fn ended(&mut self) -> Result<(), String> {
        self.count("cut");
        match self.fate.as_ref().is_some_and(Fate::is_cut) {
            true => Ok(()),
            false => Err("the server ended the connection without a word".into()),
        }
    }

    /// Waits for what must come.
    pub(super) async fn wait<T>(&self, coming: impl Future<Output = T>) -> Result<T, String> {
        timeout(STALL, coming)
            .await
            .map_err(|_| format!("nothing came for {STALL:?}"))
    }

    /// The reading of a channel is asked for.
    pub(super) fn begin(&mut self, channel: usize, asked: u64) {
        let head = self.truth.channels[channel]
            .acknowledged
            .load(Ordering::SeqCst);
        self.opened[channel] = (asked, head);
        self.open.insert(channel);
        self.fresh.insert(channel);
    }

    /// Something came of which no command is the reason. `Some`: the end, with its code.
    pub(super) fn take(&mut self, told: &Value) -> Result<Option<String>, String> {
        match told["type"].as_str().unwrap_or_default() {
            "message" => self.message(told)?,
            "gap" => self.gap(told)?,
            "unsubscribed" => self.unsubscribed(told)?,
            "expiring" => self.expiring(told)?,
            "ping" => {}
            "error" if told.get("id").is_none() => return self.end(told).map(Some),
            _ => return Err(format!("what is this? {told}")),
        }
        Ok(None)
    }

    fn channel(&self, told: &Value) -> Result<usize, String> {
        let name = told["channel"].as_str().unwrap_or_default();
        let found = self
            .truth
            .channels
            .iter()
            .position(|channel| channel.name == name);
        found
            .filter(|channel| self.open.contains(channel))
            .ok_or_else(|| format!("it does not read that: {told}"))
    }

    pub(super) fn place(told: &Value) -> Result<Place, String> {
        let place = || Some((told["epoch"].as_str()?.to_owned(), told["offset"].as_u64()?));
        let (epoch, offset) = place().ok_or_else(|| format!("no place: {told}"))?;
        Ok(Place { epoch, offset })
    }

    fn message(&mut self, told: &Value) -> Result<(), String> {
        let (channel, place) = (self.channel(told)?, Self::place(told)?);
        let (opened, head) = self.opened[channel];
        let namespace = self.truth.channels[channel].namespace;
        self.places[channel] = follow(&self.places[channel], &Item::Message(place.clone()))?;
        self.fresh.remove(&channel);
        let published = published(told, &place).ok_or_else(|| format!("wrong: {told}"))?;
        if namespace == Namespace::Live && place.offset <= head {
            return Err(format!(
                "{told} is past, which is not for it: {head} were there"
            ));
        }
        let (from, to) = (published.max(opened).saturating_sub(MARGIN), now());
        let may = |token: &Token| self.truth.may(token, channel, &self.client, from, to);
        if !self.tokens.iter().any(may) {
            return Err(format!(
                "{told} came at {to}, opened at {opened}, without a right"
            ));
        }
        self.count("messages");
        Ok(())
    }

    fn gap(&mut self, told: &Value) -> Result<(), String> {
        let channel = self.channel(told)?;
        let Some(Item::Gap(gap)) = Item::of(told) else {
            return Err(format!("no gap: {told}"));
        };
        let of = &self.truth.channels[channel];
        let there = self.opened[channel].1..=of.asked.load(Ordering::SeqCst);
        let is_true = of.namespace == Namespace::Live && there.contains(&gap.to);
        if !is_true || !self.fresh.remove(&channel) {
            return Err(format!(
                "nothing is lost to it: {told}, there were {there:?}"
            ));
        }
        self.places[channel] = follow(&self.places[channel], &Item::Gap(gap))?;
        self.count("gaps");
        Ok(())
    }

    fn unsubscribed(&mut self, told: &Value) -> Result<(), String> {
        let (channel, place) = (self.channel(told)?, Self::place(told)?);
        let (opened, to) = (self.opened[channel].0, now());
        let lost = |token: &Token| self.truth.may_lose(token, channel, opened, to);
        if told["reason"] != "forbidden" || !self.tokens.iter().any(lost) {
            return Err(format!("it still may, at {to}: {told}"));
        }
        // A past that is not its own may be passed over with the end.
        if place != self.places[channel] && !self.fresh.contains(&channel) {
            return Err(format!("{told} is not where it was"));
        }
        self.open.remove(&channel);
        self.count("unsubscribed");
        Ok(())
    }

    fn expiring(&mut self, told: &Value) -> Result<(), String> {
        let ends = now() + told["in_ms"].as_u64().ok_or("no `in_ms`")?;
        let near = |token: &Token| token.shown < NEVER && token.expires.abs_diff(ends) < MARGIN;
        match self.tokens.iter().any(near) {
            true => Ok(()),
            false => Err(format!("no token ends at {ends}: {told}")),
        }
    }

    /// The stream ends: it has to be for something that happened to a token while it counted.
    fn end(&mut self, told: &Value) -> Result<String, String> {
        let code = told["code"].as_str().unwrap_or_default().to_owned();
        let (from, to) = (self.connected, now());
        let ends = |token: &Token| {
            let ends = self.truth.ends(token, &self.client, from, to);
            ends.contains(&code.as_str())
        };
        let is_true = match code.as_str() {
            "disconnected" => self.events.contains_key("deed: disconnect"),
            "forbidden" => self.open.is_empty(),
            _ => self.tokens.iter().any(ends),
        };
        self.count(format!("ended: {code}"));
        match is_true {
            true => Ok(code),
            false => Err(format!("at {to}, opened at {from}: {told}")),
        }
    }

    /// Who it is said to be.
    pub(super) fn recognised(&self, told: &Value) -> Result<(), String> {
        match told["client"] == *self.client && told["user"] == *self.user {
            true => Ok(()),
            false => Err(format!("it is {} of {}: {told}", self.client, self.user)),
        }
    }

    /// What somebody does to the tokens while a stream is open. True: a token is to be shown by it.
    pub(super) async fn deed(&mut self, shown: Shown) -> Result<bool, String> {
        if self.truth.is_done() {
            return Ok(false);
        }
        match self.rng.u8(..12) {
            0..=6 if shown == Shown::Never => {}
            0..=6 => {
                self.mint();
                if shown == Shown::ByAny && self.rng.bool() {
                    return Ok(true);
                }
                self.refresh().await?;
            }
            7 => self.revoke("user").await?,
            8 => self.revoke("token").await?,
            9 => self.revoke("client").await?,
            10 => {
                self.count("deed: disconnect");
                let target = json!({"client": self.client});
                let answer = self.administrate("/admin/disconnect", target).await;
                super::ok(answer)?;
            }
            _ => self.show_a_forged_one().await?,
        }
        Ok(false)
    }

    /// Shows the newest token for all streams of the client.
    async fn refresh(&mut self) -> Result<(), String> {
        self.count("deed: refresh");
        let asked = self.show();
        let body = json!({"session": self.session});
        let answer = self.show_by_post(body).await;
        self.answered(&answer, &[], asked)?;
        match answer.status {
            200 => self.recognised(&answer.json()),
            _ => Ok(()),
        }
    }

    /// Judges an answer of HTTP.
    pub(super) fn answered(
        &mut self,
        answer: &Answer,
        channels: &[usize],
        asked: u64,
    ) -> Result<(), String> {
        match answer.status {
            200 => self.judge(None, channels, asked),
            status @ (401 | 403) => {
                let told = answer.json();
                let code = told["code"].as_str().unwrap_or_default();
                if (status == 401) == (code == "forbidden") {
                    return Err(format!("{status} and {code} do not go together"));
                }
                self.judge(Some(code), channels, asked)
            }
            status => Err(format!("{status}: {}", answer.text())),
        }
    }

    async fn show_a_forged_one(&mut self) -> Result<(), String> {
        self.count("deed: forge");
        let headers = format!(
            "Authorization: Bearer {}\r\nTidings-Session: {}\r\n",
            forged(&self.user, now() / 1000),
            self.session
        );
        let answer = self.fetch("POST", "/session", &headers, b"").await;
        match (answer.status, answer.json()["code"].as_str()) {
            (401, Some("unauthorized")) => Ok(()),
            _ => Err(format!("a forged token: {}", answer.text())),
        }
    }

    async fn revoke(&mut self, what: &str) -> Result<(), String> {
        self.count(format!("deed: revoke {what}"));
        let (subject, target) = match what {
            "user" => (Subject::User(self.user.clone()), json!({"user": self.user})),
            "token" => {
                let id = self.token().id.clone();
                (Subject::Token(id.clone()), json!({"token": id}))
            }
            // It comes back as itself when that is over.
            _ => (
                Subject::Client(self.client.clone()),
                json!({"client": self.client, "for": 0}),
            ),
        };
        let number = self.truth.revoke(subject);
        let answer = super::ok(self.administrate("/admin/revoke", target).await)?;
        let second = |name: &str| answer[name].as_u64().ok_or(answer.to_string());
        self.truth.revoked(number, second("at")?, second("until")?);
        Ok(())
    }

    async fn administrate(&self, path: &str, body: Value) -> Answer {
        let headers = self.realm.backend();
        self.fetch("POST", path, &headers, body.to_string().as_bytes())
            .await
    }

    async fn show_by_post(&self, body: Value) -> Answer {
        let bearer = format!("Authorization: Bearer {}\r\n", self.token().text);
        let headers = format!("Content-Type: application/json\r\n{bearer}");
        self.fetch("POST", "/session", &headers, body.to_string().as_bytes())
            .await
    }

    pub(super) async fn fetch(
        &self,
        method: &str,
        path: &str,
        headers: &str,
        body: &[u8],
    ) -> Answer {
        fetch(self.endpoints[self.at].apart(), method, path, headers, body).await
    }

    /// `/channels…?…` of channels from where it is.
    pub(super) fn target(&self, wanted: &[usize]) -> String {
        let part = |&channel: &usize| {
            let name = percent(&self.truth.channels[channel].name);
            format!("name={name}&after={}", self.places[channel])
        };
        let parts: Vec<String> = wanted.iter().map(part).collect();
        format!("/channels?{}", parts.join("&"))
    }

    fn state(&self) -> String {
        let places: Vec<String> = self.places.iter().map(Place::to_string).collect();
        let tokens = self.tokens.iter().rev().take(3).collect::<Vec<_>>();
        format!(
            "  {} of {} by {} since {}, reads {:?}, at {places:?}, {tokens:#?}\n{:?}",
            self.client,
            self.user,
            self.endpoints[self.at].carrier.name(),
            self.connected,
            self.open,
            self.events
        )
    }
}

/// When a message says that it was published, if it says what it should.
fn published(told: &Value, place: &Place) -> Option<u64> {
    let (offset, time) = told["data"].as_str()?.split_once(' ')?;
    (offset == place.offset.to_string()).then_some(time.parse().ok()?)
}

//! The ways of a reader with a name: polls, Server-Sent Events, WebSocket, each by any way to show a token.

use std::collections::HashSet;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::realm::{COOKIE, ORIGIN};
use super::truth::{Channel, Namespace, Token, now};
use super::visitor::{Shown, Visitor};
use crate::http::{Answer, Http};
use crate::sse::Events;
use crate::ws::{Frame, Ws};

/// How long a short poll waits before the next.
const PACE: Duration = Duration::from_millis(5);

/// When a stream is left, and when something happens to its client.
struct Course {
    deed: Instant,
    leave: Instant,
    /// Before it is left, all that was published by then has to come.
    whole: bool,
    heads: Option<Vec<u64>>,
}

impl Visitor {
    fn course(&mut self) -> Course {
        // Some streams are left alone until their token ends.
        let (deed, leave) = match self.rng.u8(..4) {
            0 => (10_000, 4_000),
            _ => (self.rng.u64(..300), self.rng.u64(..600)),
        };
        let in_ms = |ms| Instant::now() + Duration::from_millis(ms);
        Course {
            deed: in_ms(deed),
            leave: in_ms(leave),
            whole: self.rng.u8(..3) == 0,
            heads: None,
        }
    }

    /// Whether a stream is over for its reader.
    fn is_left(&self, course: &mut Course) -> bool {
        if self.open.is_empty()
            || self.truth.is_done() && self.open.iter().all(|&c| self.is_at_end_of(c))
        {
            return true;
        }
        if Instant::now() < course.leave || self.truth.is_done() {
            return false;
        }
        if !course.whole {
            return true;
        }
        let head = |c: &Channel| c.acknowledged.load(Ordering::SeqCst);
        let heads = course
            .heads
            .get_or_insert_with(|| self.truth.channels.iter().map(head).collect());
        self.open
            .iter()
            .all(|&channel| self.places[channel].offset >= heads[channel])
    }

    fn is_time_for_a_deed(course: &mut Course) -> bool {
        let due = Instant::now() >= course.deed && course.heads.is_none();
        if due {
            // One is enough, mostly.
            course.deed += Duration::from_millis(300);
        }
        due
    }

    /// How it shows its token in a head: on purpose, or as a browser does by itself.
    fn credentials(&mut self, by_subprotocol: bool) -> String {
        let way = self.rng.u8(..3);
        let text = &self.token().text;
        let shown = match way {
            0 => format!("Cookie: a=b; {COOKIE}={text}\r\nOrigin: {ORIGIN}\r\n"),
            1 if by_subprotocol => {
                format!("Sec-WebSocket-Protocol: tidings.v1, bearer.{text}\r\n")
            }
            _ => format!("Authorization: Bearer {text}\r\n"),
        };
        format!("{shown}Tidings-Session: {}\r\n", self.session)
    }

    pub(super) async fn polls(&mut self, wanted: &[usize], long: bool) -> Result<(), String> {
        let mut http = self.connect().await?;
        let mut course = self.course();
        loop {
            let headers = self.credentials(false);
            let asked = self.show();
            self.open.clear();
            wanted
                .iter()
                .for_each(|&channel| self.begin(channel, asked));
            self.connected = asked;
            let wait = if long { "&wait=3" } else { "" };
            let target = format!(
                "{}&limit={}{wait}",
                self.target(wanted),
                self.rng.u16(1..=300)
            );
            http.request("GET", &target, &headers, b"").await;
            if long && Self::is_time_for_a_deed(&mut course) {
                // Another token is shown where it is known which of the two comes first: on a stream.
                self.deed(Shown::Never).await?;
            }
            let Some(answer) = self.wait(http.try_answer()).await? else {
                return self.ended();
            };
            self.answered(&answer, wanted, asked)?;
            if answer.status != 200 || self.take_page(&answer.json())? {
                return Ok(());
            }
            if self.is_left(&mut course) {
                return Ok(());
            }
            self.renew_mid_way();
            if !long {
                sleep(PACE).await;
            }
        }
    }

    /// A poll may come with another token than the one before.
    fn renew_mid_way(&mut self) {
        if !self.truth.is_done() && self.rng.u8(..64) == 0 {
            self.mint();
        }
    }

    /// True: it was told that it ended.
    fn take_page(&mut self, page: &Value) -> Result<bool, String> {
        let entries = page["messages"].as_array().ok_or("no messages")?;
        for entry in entries {
            if self.take(entry)?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    pub(super) async fn events(&mut self, wanted: &[usize]) -> Result<(), String> {
        let asked = self.show();
        let (ticket, headers) = match self.rng.bool() {
            true => match self.ticket(asked).await? {
                Some(ticket) => (format!("&ticket={ticket}"), format!("Origin: {ORIGIN}\r\n")),
                None => return Ok(()),
            },
            false => (String::new(), self.credentials(false)),
        };
        let mut http = self.connect().await?;
        let asked = now();
        wanted
            .iter()
            .for_each(|&channel| self.begin(channel, asked));
        let target = self.target(wanted) + &ticket;
        let headers = format!("Accept: text/event-stream\r\n{headers}");
        http.request("GET", &target, &headers, b"").await;
        let Some(head) = self.wait(http.try_head()).await? else {
            return self.ended();
        };
        if head.status != 200 {
            return self
                .refused_by_http(http, head, wanted, asked, !ticket.is_empty())
                .await;
        }
        self.judge(None, wanted, asked)?;
        self.follow_events(Events::begun(http, "")).await
    }

    async fn refused_by_http(
        &mut self,
        mut http: Http,
        head: Answer,
        wanted: &[usize],
        asked: u64,
        by_ticket: bool,
    ) -> Result<(), String> {
        let Some(answer) = self.wait(http.answer_behind(head)).await? else {
            return self.ended();
        };
        // A ticket is over with its token.
        let over = by_ticket && now() >= self.token().expires;
        if over && answer.json()["code"] == "unauthorized" {
            self.count("refused: a ticket that is over");
            return Ok(());
        }
        self.answered(&answer, wanted, asked)
    }

    async fn ticket(&mut self, asked: u64) -> Result<Option<String>, String> {
        let headers = self.credentials(false);
        let answer = self.fetch("POST", "/tickets", &headers, b"").await;
        self.answered(&answer, &[], asked)?;
        if answer.status != 200 {
            return Ok(None);
        }
        let told = answer.json();
        if told["client"] != *self.client {
            return Err(format!("the ticket is not of {}: {told}", self.client));
        }
        self.count("tickets");
        Ok(told["ticket"].as_str().map(str::to_owned))
    }

    async fn follow_events(&mut self, mut events: Events) -> Result<(), String> {
        let (mut greeted, mut course) = (false, self.course());
        loop {
            let Some(event) = self.wait(events.next()).await? else {
                return self.ended();
            };
            let told: Value = serde_json::from_str(&event.data).map_err(|e| e.to_string())?;
            match greeted {
                true if self.take(&told)?.is_some() => {
                    let after = self.wait(events.next()).await?;
                    return after.map_or(Ok(()), |event| Err(format!("after its end: {event:?}")));
                }
                true => {}
                false => self.greeted(&told)?,
            }
            greeted = true;
            if !self.open.is_empty() && self.is_left(&mut course) {
                return Ok(());
            }
            if Self::is_time_for_a_deed(&mut course) {
                self.deed(Shown::ByPost).await?;
            }
        }
    }

    /// The hello: who it is, and where its channels begin.
    fn greeted(&mut self, told: &Value) -> Result<(), String> {
        self.recognised(told)?;
        let places = told["channels"].as_object().ok_or("no hello")?;
        if places.len() != self.open.len() {
            return Err(format!("it reads {:?}: {told}", self.open));
        }
        for (name, place) in places {
            self.starts(name, place)?;
        }
        Ok(())
    }

    fn starts(&mut self, name: &str, place: &Value) -> Result<(), String> {
        let mut channels = self.truth.channels.iter();
        let channel = channels
            .position(|channel| channel.name == name)
            .ok_or("whose?")?;
        let here = Self::place(place)? == self.places[channel];
        let live = self.truth.channels[channel].namespace == Namespace::Live;
        match place["recovered"].as_bool() {
            Some(true) if here => Ok(()),
            Some(false) if live => Ok(()),
            _ => Err(format!(
                "{name} is not at {}: {place}",
                self.places[channel]
            )),
        }
    }

    pub(super) async fn socket(&mut self, wanted: &[usize]) -> Result<(), String> {
        let by_command = self.rng.bool();
        let unknown = by_command && self.rng.bool();
        let headers = match unknown {
            true => String::new(),
            false => self.credentials(true),
        };
        let http = self.connect().await?;
        let asked = if unknown { now() } else { self.show() };
        let target = match by_command {
            true => "/channels".into(),
            false => self.target(wanted),
        };
        let begun: &[usize] = if by_command { &[] } else { wanted };
        begun.iter().for_each(|&channel| self.begin(channel, asked));
        let mut ws = match self.wait(Ws::over(http, &target, &headers)).await? {
            Ok(ws) => ws,
            Err(None) => return self.ended(),
            Err(Some(answer)) => return Err(format!("no WebSocket: {answer:?}")),
        };
        let mut talk = Talk::default();
        let Some(frame) = self.wait(ws.frame()).await? else {
            return self.ended();
        };
        let told = frame.json();
        if told["type"] == "error" {
            let code = told["code"].as_str().unwrap_or_default();
            self.judge(Some(code), begun, asked)?;
            return self.closes(&mut ws, code).await;
        }
        match unknown {
            true => self.authenticate(&mut ws, &mut talk).await,
            false => {
                self.judge(None, begun, asked)?;
                self.greeted(&told)?;
            }
        }
        if by_command {
            self.subscribe(&mut ws, wanted, &mut talk).await;
        }
        self.follow_socket(ws, talk).await
    }

    async fn authenticate(&mut self, ws: &mut Ws, talk: &mut Talk) {
        self.count("deed: auth");
        talk.auth = Some(self.show());
        let token = self.token().text.clone();
        ws.command(json!({"type": "auth", "id": "auth", "token": token, "session": self.session}))
            .await;
    }

    async fn subscribe(&mut self, ws: &mut Ws, wanted: &[usize], talk: &mut Talk) {
        for &channel in wanted {
            let name = &self.truth.channels[channel].name;
            let after = self.places[channel].to_string();
            let command =
                json!({"type": "subscribe", "id": channel, "channel": name, "after": after});
            talk.asked.insert(channel);
            self.begin(channel, now());
            ws.command(command).await;
        }
    }

    async fn follow_socket(&mut self, mut ws: Ws, mut talk: Talk) -> Result<(), String> {
        let mut course = self.course();
        loop {
            let Some(frame) = self.wait(ws.frame()).await? else {
                return self.ended();
            };
            if let Some(code) = self.take_frame(&frame, &mut talk)? {
                return self.closes(&mut ws, &code).await;
            }
            let calm = talk.auth.is_none() && talk.asked.is_empty();
            if calm && self.is_left(&mut course) {
                return Ok(());
            }
            if calm && Self::is_time_for_a_deed(&mut course) && self.deed(Shown::ByAny).await? {
                self.authenticate(&mut ws, &mut talk).await;
            }
        }
    }

    fn take_frame(&mut self, frame: &Frame, talk: &mut Talk) -> Result<Option<String>, String> {
        match frame.opcode {
            1 => {}
            9 => return Ok(None),
            _ => return Err(format!("what is this? {frame:?}")),
        }
        let told = frame.json();
        let kind = told["type"].as_str().unwrap_or_default();
        match (kind, told.get("id")) {
            ("ack", Some(id)) if id == "auth" => {
                let asked = talk.auth.take().ok_or("no `auth` was sent")?;
                self.judge(None, &[], asked)?;
                self.recognised(&told)?;
            }
            ("error", Some(id)) if id == "auth" => {
                let asked = talk.auth.take().ok_or("no `auth` was sent")?;
                let code = told["code"].as_str().unwrap_or_default();
                self.judge(Some(code), &[], asked)?;
                // Nobody knows whether the commands behind it still find somebody known.
                talk.doubtful = true;
            }
            ("subscribed", Some(id)) => {
                let channel = talk.answered(id)?;
                self.starts(&self.truth.channels[channel].name.clone(), &told)?;
                self.count("subscribed");
            }
            ("error", Some(id)) => {
                let channel = talk.answered(id)?;
                self.open.remove(&channel);
                self.not_subscribed(channel, &told, talk.doubtful)?;
            }
            _ => return self.take(&told),
        }
        Ok(None)
    }

    fn not_subscribed(
        &mut self,
        channel: usize,
        told: &Value,
        doubtful: bool,
    ) -> Result<(), String> {
        let code = told["code"].as_str().unwrap_or_default();
        self.count(format!("not subscribed: {code}"));
        if doubtful && code == "unauthorized" {
            return Ok(());
        }
        let (from, to) = (self.connected, now());
        let lost = |token: &Token| self.truth.may_lose(token, channel, from, to);
        match code == "forbidden" && self.tokens.iter().any(lost) {
            true => Ok(()),
            false => Err(format!("it may subscribe: {told}")),
        }
    }

    /// The close frame behind an error.
    async fn closes(&mut self, ws: &mut Ws, code: &str) -> Result<(), String> {
        let wanted = match code {
            "unauthorized" => 4021,
            "token_expired" => 4022,
            "revoked" => 4023,
            "disconnected" => 4104,
            _ => 4003,
        };
        match self.wait(ws.frame()).await? {
            Some(frame) if frame.close_code() == Some(wanted) => Ok(()),
            Some(frame) => Err(format!("after {code} came {frame:?}")),
            None => self.ended(),
        }
    }
}

/// Commands that wait for their answers.
#[derive(Default)]
struct Talk {
    /// When `auth` was sent.
    auth: Option<u64>,
    asked: HashSet<usize>,
    doubtful: bool,
}

impl Talk {
    fn answered(&mut self, id: &Value) -> Result<usize, String> {
        let channel = id.as_u64().map(|id| id as usize);
        channel
            .filter(|channel| self.asked.remove(channel))
            .ok_or_else(|| format!("nothing was asked under {id}"))
    }
}

//! The wandering reader on WebSocket.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::reader::{Leave, Left, Reader};
use crate::checker::Place;
use crate::deflate::{HEADER, any_offer};
use crate::ws::{Frame, Ws};

/// How far the channels of one connection are read.
#[derive(Default)]
struct Reading {
    greeted: bool,
    /// Channels whose messages may come.
    open: HashSet<usize>,
}

impl Reader {
    /// Follows one connection until it is cut or enough came.
    pub(super) async fn socket(&mut self, leave: &Leave) -> Result<Left, String> {
        let http = self.connect(leave).await?;
        let by_command = self.rng.u8(..3) == 0;
        let places = self.exact();
        let target = match (by_command, self.is_single()) {
            (true, _) => "/channels".into(),
            (false, true) => format!("/channels/{}?after={}", self.path(0), places[0]),
            (false, false) => format!(
                "/channels?{}&after={}",
                self.names(),
                places.join("&after=")
            ),
        };
        let offer = match self.rng.bool() {
            true => format!("{HEADER}: {}\r\n", any_offer(&mut self.rng)),
            false => String::new(),
        };
        let mut ws = match self.wait(Ws::over(http, &target, &offer)).await? {
            Ok(ws) => ws,
            Err(None) => return self.ended(),
            Err(Some(answer)) => return Err(format!("no WebSocket: {answer:?}")),
        };
        self.begins();
        let mut reading = Reading::default();
        match by_command {
            true => self.subscribe(&mut ws, &places).await,
            false => reading.open.extend(0..self.places.len()),
        }
        let came = self.came();
        while self.came() - came < leave.messages && !self.is_done() {
            let Some(frame) = self.wait(ws.frame()).await? else {
                return self.ended();
            };
            self.take_frame(&frame, &mut reading).await?;
        }
        self.part(ws, reading).await
    }

    async fn subscribe(&self, ws: &mut Ws, places: &[String]) {
        for (channel, place) in places.iter().enumerate() {
            let name = &self.ledger.channels[channel];
            ws.command(
                json!({"type": "subscribe", "id": channel, "channel": name, "after": place}),
            )
            .await;
        }
    }

    async fn take_frame(&mut self, frame: &Frame, reading: &mut Reading) -> Result<(), String> {
        self.tally.deflated += u64::from(frame.deflated);
        match frame.opcode {
            1 => {
                let text =
                    std::str::from_utf8(&frame.payload).map_err(|error| error.to_string())?;
                self.take_text(text, reading).await
            }
            2 => {
                let (length, rest) = frame
                    .payload
                    .split_first_chunk::<2>()
                    .ok_or("a short binary frame")?;
                let (header, bytes) = rest
                    .split_at_checked(u16::from_be_bytes(*length).into())
                    .ok_or("a short header")?;
                let header = std::str::from_utf8(header).map_err(|error| error.to_string())?;
                self.take_open(header, Some(bytes), reading)
                    .await
                    .map(|_| ())
            }
            9 => Ok(()),
            _ => Err(format!("what is this? {frame:?}")),
        }
    }

    async fn take_text(&mut self, text: &str, reading: &mut Reading) -> Result<(), String> {
        if !reading.greeted {
            reading.greeted = true;
            return self.take_hello(text, reading.open.len());
        }
        if self.take_open(text, None, reading).await? {
            return Ok(());
        }
        let answer: Value =
            serde_json::from_str(text).map_err(|error| format!("{error}: {text}"))?;
        match answer["type"].as_str() {
            Some("ping") => Ok(()),
            Some("subscribed") => {
                let (channel, at) = self.answered(&answer)?;
                let recovered = answer["recovered"].as_bool().ok_or("no `recovered`")?;
                reading.open.insert(channel);
                self.take_start(&self.ledger.channels[channel].clone(), &at, recovered)
            }
            Some("unsubscribed") => {
                let (channel, at) = self.answered(&answer)?;
                reading.open.remove(&channel);
                let place = &self.places[channel];
                (at == *place)
                    .then_some(())
                    .ok_or(format!("unsubscribed at {at} and not {place}"))
            }
            _ => Err(format!("what is this? {text}")),
        }
    }

    /// A message or gap: only of a channel that is being read.
    async fn take_open(
        &mut self,
        text: &str,
        behind: Option<&[u8]>,
        reading: &Reading,
    ) -> Result<bool, String> {
        if !self.take(text, behind).await? {
            return Ok(false);
        }
        let mine = reading.open.iter().any(|&channel| {
            let name = &self.ledger.channels[channel];
            text.contains(&format!("\"channel\":\"{name}\""))
        });
        mine.then_some(true)
            .ok_or(format!("it came outside of its subscription: {text}"))
    }

    fn answered(&self, answer: &Value) -> Result<(usize, Place), String> {
        let text = |field: &str| {
            answer[field]
                .as_str()
                .ok_or(format!("no `{field}`: {answer}"))
        };
        let channel = self.channel(text("channel")?)?;
        if answer["id"] != channel {
            return Err(format!("the answer to {channel} is {answer}"));
        }
        let place = Place {
            epoch: text("epoch")?.to_owned(),
            offset: answer["offset"].as_u64().ok_or("no `offset`")?,
        };
        Ok((channel, place))
    }

    /// Leaves a connection that was not cut: abruptly, by its commands, or by the closing handshake.
    /// What comes until then counts.
    async fn part(&mut self, mut ws: Ws, mut reading: Reading) -> Result<Left, String> {
        let by_command = match self.rng.u8(..3) {
            0 => return Ok(Left::Orderly),
            1 => true,
            _ => false,
        };
        match by_command {
            true => self.unsubscribe(&mut ws, &mut reading).await,
            false => ws.send(8, &1000u16.to_be_bytes()).await,
        }
        loop {
            if by_command && reading.greeted && reading.open.is_empty() {
                return Ok(Left::Orderly);
            }
            let Some(frame) = self.wait(ws.frame()).await? else {
                return self.ended();
            };
            if frame.opcode == 8 {
                let code = frame.close_code();
                return (!by_command && code == Some(1000))
                    .then_some(Left::Orderly)
                    .ok_or(format!("closed with {code:?}"));
            }
            self.take_frame(&frame, &mut reading).await?;
        }
    }

    /// Leaves the channels. Those whose `subscribed` has not come yet are waited for by their answers.
    async fn unsubscribe(&mut self, ws: &mut Ws, reading: &mut Reading) {
        reading.open.extend(0..self.places.len());
        for (channel, name) in self.ledger.channels.iter().enumerate() {
            ws.command(json!({"type": "unsubscribe", "id": channel, "channel": name}))
                .await;
        }
    }
}

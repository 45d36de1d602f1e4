//! A publisher that changes its way at random: one message by `POST`, a batch, commands on a WebSocket,
//! and `DELETE` where an epoch is to end.
//!
//! It alone writes to its channels, so it knows the place of a message before the server does.

use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use serde_json::Value;
use tokio::time::{Instant, sleep_until};

use super::content::{content, event};
use super::ledger::Ledger;
use crate::carrier::Endpoint;
use crate::checker::Place;
use crate::deflate::{HEADER, any_offer};
use crate::http::{Answer, Http, percent};
use crate::ws::Ws;

const BATCH_MAX: usize = 20;
const PIPELINE_MAX: usize = 10;

/// One publisher.
pub struct Publisher {
    rng: Rng,
    ledger: Arc<Ledger>,
    /// Its channels that are not at their end.
    channels: Vec<usize>,
    http: Http,
    ws: Ws,
    /// Messages a second; 0 for as many as the server takes.
    rate: u64,
    sent: u64,
}

impl Publisher {
    /// A publisher of `channels`, which have begun, by any of the endpoints.
    pub async fn connect(
        endpoints: &[Endpoint],
        ledger: Arc<Ledger>,
        channels: Vec<usize>,
        rate: u64,
        mut rng: Rng,
    ) -> Self {
        // Connections of its own, which no reader severs.
        let mut any = || rng.choice(endpoints).expect("a choice").apart();
        let (http, socket) = (Http::connect(any()).await, Http::connect(any()).await);
        let offer = format!("{HEADER}: {}\r\n", any_offer(&mut rng));
        let ws = Ws::over(socket, "/channels", &offer).await;
        Self {
            rng,
            ledger,
            channels,
            http,
            ws: ws.expect("a WebSocket without channels"),
            rate,
            sent: 0,
        }
    }

    /// Publishes all that is planned.
    ///
    /// # Errors
    /// What the server answered instead of what it had to.
    pub async fn run(mut self) -> Result<(), String> {
        let hello = self
            .ws
            .json()
            .await
            .ok_or("no hello on the publisher's WebSocket")?;
        expect(&hello["type"], "hello", &hello)?;
        let began = Instant::now();
        while !self.channels.is_empty() {
            let sent = self.sent;
            match self.rng.u8(..4) {
                0 | 1 => self.single().await?,
                2 => self.batch().await?,
                _ => self.commands().await?,
            }
            self.ledger.acknowledged(self.sent - sent);
            if self.rate > 0 {
                sleep_until(began + Duration::from_secs_f64(self.sent as f64 / self.rate as f64))
                    .await;
            }
        }
        Ok(())
    }

    /// Some next messages, of channels at random, with their channels' numbers.
    async fn take(&mut self, most: usize) -> Result<Vec<(usize, Place)>, String> {
        let mut taken = Vec::new();
        let count = self.rng.usize(1..=most);
        while taken.len() < count && !self.channels.is_empty() {
            let index = self.rng.usize(..self.channels.len());
            let channel = self.channels[index];
            match self.ledger.next(channel) {
                Some(place) => taken.push((channel, place)),
                // What was taken of it stands before its end.
                None if !taken.is_empty() => break,
                None if self.ledger.has_more_epochs(channel) => self.renew(channel).await?,
                None => {
                    self.channels.swap_remove(index);
                }
            }
        }
        self.sent += taken.len() as u64;
        Ok(taken)
    }

    async fn renew(&mut self, channel: usize) -> Result<(), String> {
        let target = self.target(channel);
        self.http.request("DELETE", &target, "", b"").await;
        let answer = ok(self.http.answer().await)?;
        let epoch = answer["epoch"]
            .as_str()
            .ok_or_else(|| format!("DELETE answers {answer}"))?;
        self.ledger.begin(channel, epoch);
        Ok(())
    }

    fn target(&self, channel: usize) -> String {
        format!("/channels/{}", percent(&self.ledger.channels[channel]))
    }

    async fn single(&mut self) -> Result<(), String> {
        let Some((channel, place)) = self.take(1).await?.pop() else {
            return Ok(());
        };
        let content = content(&self.ledger.channels[channel], &place);
        let (media, body) = content.body();
        let event =
            event(&place).map_or(String::new(), |event| format!("?event={}", percent(&event)));
        let target = self.target(channel) + &event;
        self.http
            .request("POST", &target, &format!("Content-Type: {media}\r\n"), body)
            .await;
        let answer = ok(self.http.answer().await)?;
        self.receipt(&answer, channel, &place)
    }

    async fn batch(&mut self) -> Result<(), String> {
        let messages = self.take(BATCH_MAX).await?;
        if messages.is_empty() {
            return Ok(());
        }
        let list: Vec<String> = messages
            .iter()
            .map(|(channel, place)| format!("{{{}}}", self.fields(*channel, place)))
            .collect();
        let body = format!("{{\"messages\":[{}]}}", list.join(","));
        self.http
            .request(
                "POST",
                "/publish",
                "Content-Type: application/json\r\n",
                body.as_bytes(),
            )
            .await;
        let answer = ok(self.http.answer().await)?;
        for (index, (channel, place)) in messages.iter().enumerate() {
            self.receipt(&answer["results"][index], *channel, place)?;
        }
        Ok(())
    }

    async fn commands(&mut self) -> Result<(), String> {
        let messages = self.take(PIPELINE_MAX).await?;
        for (channel, place) in &messages {
            let command = format!(
                "{{\"type\":\"publish\",\"id\":{},{}}}",
                place.offset,
                self.fields(*channel, place)
            );
            self.ws.send(1, command.as_bytes()).await;
        }
        for (channel, place) in &messages {
            let ack = self
                .ws
                .json()
                .await
                .ok_or("the publisher's WebSocket ended")?;
            expect(&ack["type"], "ack", &ack)?;
            expect(&ack["id"], place.offset, &ack)?;
            self.receipt(&ack, *channel, place)?;
        }
        Ok(())
    }

    fn fields(&self, channel: usize, place: &Place) -> String {
        let name = &self.ledger.channels[channel];
        let mut fields = format!("\"channel\":\"{name}\",");
        if let Some(event) = event(place) {
            fields += &format!("\"event\":\"{event}\",");
        }
        fields + &content(name, place).fields()
    }

    fn receipt(&self, receipt: &Value, channel: usize, place: &Place) -> Result<(), String> {
        expect(
            &receipt["channel"],
            self.ledger.channels[channel].as_str(),
            receipt,
        )?;
        expect(&receipt["epoch"], place.epoch.as_str(), receipt)?;
        expect(&receipt["offset"], place.offset, receipt)
    }
}

/// The body of an answer that has to be 200.
pub fn ok(answer: Answer) -> Result<Value, String> {
    match answer.status {
        200 => Ok(answer.json()),
        status => Err(format!(
            "{status}: {}",
            String::from_utf8_lossy(&answer.body)
        )),
    }
}

fn expect(value: &Value, wanted: impl Into<Value>, whole: &Value) -> Result<(), String> {
    let wanted = wanted.into();
    match *value == wanted {
        true => Ok(()),
        false => Err(format!("expected {wanted} and not {value} in {whole}")),
    }
}

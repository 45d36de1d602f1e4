//! `format=raw`: payloads alone, both ways. What it cannot say closes the connection.

use bytes::Bytes;
use tidings_core::{Delivery, PayloadKind};
use tidings_protocol::websocket::{CloseCode, MessageKind};
use tidings_protocol::{Code, Problem, payload};

use super::{Done, WebSocket};
use crate::charge::{charge, delivered};
use crate::publish;

impl WebSocket {
    /// Publishes what the client sent.
    pub(super) fn publish_raw(&mut self, kind: MessageKind, data: Bytes) {
        let Some(raw) = &self.raw else { return };
        let payload = match kind {
            MessageKind::Text => payload::guess(data),
            MessageKind::Binary => payload::payload(PayloadKind::Binary, data),
        };
        let publisher = self.publisher();
        let (channel, echo) = (raw.channel.clone(), raw.echo);
        let draft = publish::raw_draft(&self.app, &publisher, channel, payload, echo);
        let charged = draft.and_then(|draft| {
            charge(&self.app, &publisher, std::slice::from_ref(&draft))?;
            Ok(draft)
        });
        let draft = match charged {
            Ok(draft) => draft,
            Err(problem) => {
                self.app.stats.refused(&problem);
                return self.fail(&problem);
            }
        };
        let app = self.app.clone();
        self.running = Some(Box::pin(async move {
            match app.hub.publish(draft, app.now()).await {
                Ok(receipt) => {
                    delivered(&app, &publisher, receipt.subscribers);
                    Done::Silence
                }
                Err(error) => {
                    let problem = error.into();
                    app.stats.refused(&problem);
                    Done::Failed(problem)
                }
            }
        }));
    }

    /// What is no message: a gap ends the connection with the position to come back with; a skip
    /// is no loss and needs no word; an end closes like every end.
    pub(super) fn tell_raw(&mut self, delivery: &Delivery) {
        if let (Delivery::Gap(..), Some(position)) = (delivery, delivery.position()) {
            let problem = Problem::new(Code::RawGap, position.to_string());
            self.app.stats.refused(&problem);
            let code = CloseCode::new(problem.code.close_code())
                .expect("the table holds valid close codes");
            self.close(code, &problem.detail);
        }
    }
}

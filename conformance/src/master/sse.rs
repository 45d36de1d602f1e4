//! The wandering reader on Server-Sent Events.

use super::reader::{Leave, Left, Reader};
use crate::http::Http;
use crate::sse::{Event, Events};

impl Reader {
    /// Follows one stream until it is cut or enough came.
    pub(super) async fn events(&mut self, leave: &Leave) -> Result<Left, String> {
        let http = self.connect(leave).await?;
        let mut events = match self.open_events(http).await? {
            Some(events) => events,
            None => return self.ended(),
        };
        self.begins();
        let came = self.came();
        let mut greeted = false;
        while self.came() - came < leave.messages && !self.is_done() {
            let id = events.last_id.clone();
            let Some(event) = self.wait(events.next()).await? else {
                return self.ended();
            };
            match greeted {
                true => self.take_event(&event, event.id != id).await?,
                false => self.take_first(&event)?,
            }
            greeted = true;
        }
        Ok(Left::Orderly)
    }

    /// Opens a stream, by the last id where there is one; `None` where it was cut before it began.
    async fn open_events(&mut self, http: Http) -> Result<Option<Events>, String> {
        let opened = match self.cursor() {
            Some(id) => {
                let target = match self.is_single() {
                    true => format!("/channels/{}", self.path(0)),
                    false => format!("/channels?{}", self.names()),
                };
                self.wait(Events::over(http, &target, &id)).await?
            }
            None if self.rng.bool() => {
                let body = format!("{{{}}}", self.channels_of_body());
                self.wait(open_by_body(http, &body)).await?
            }
            None => {
                let after = self.exact().join("&after=");
                let target = format!("/channels?{}&after={after}", self.names());
                self.wait(Events::over(http, &target, "")).await?
            }
        };
        match opened {
            Ok(events) => Ok(Some(events)),
            Err(None) => Ok(None),
            Err(Some(answer)) => Err(format!("no event stream: {answer:?}")),
        }
    }

    fn take_first(&mut self, event: &Event) -> Result<(), String> {
        if event.name != "$hello" {
            return Err(format!("the first event is no $hello: {event:?}"));
        }
        self.take_hello(&event.data, self.places.len())?;
        if self.is_single() {
            return self.took_cursor(&event.id);
        }
        // It holds the places asked for, and nothing came since.
        self.token = Some(event.id.clone());
        Ok(())
    }

    async fn take_event(&mut self, event: &Event, has_id: bool) -> Result<(), String> {
        let counts = self.take(&event.data, None).await?;
        match (counts, has_id) {
            (true, true) => self.took_cursor(&event.id),
            (true, false) if self.has_exact_cursors() => Err(format!("no id on {event:?}")),
            (true, false) => Ok(()),
            (false, _) => match event.name == "$ping" && !has_id {
                true => Ok(()),
                false => Err(format!("what is this? {event:?}")),
            },
        }
    }
}

async fn open_by_body(mut http: Http, body: &str) -> Result<Events, Option<crate::http::Answer>> {
    let headers = "Content-Type: application/json\r\nAccept: text/event-stream\r\n";
    http.request("POST", "/read", headers, body.as_bytes())
        .await;
    let head = http.try_head().await.ok_or(None)?;
    match head.status {
        200 => Ok(Events::begun(http, "")),
        _ => Err(Some(head)),
    }
}

//! Keeps a connection for a subscription: connects, waits, goes down and climbs as the connector says. While a
//! better transport is tried, the connection that stands is read on; the first frame of the other one ends it.
//! It reads no bytes and decides no rule.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, SystemTime},
};

use hyper::header::HeaderValue;
use tokio::{
    sync::Notify,
    time::{Instant, sleep, sleep_until},
};

use crate::{
    Error,
    client::Inner,
    connector::{Connector, Ended, Next},
    end::{Cause, MoveReason},
    envelope::DEFAULT_HEARTBEAT,
    event::{Event, State, Transport},
    overlap::Overlap,
    subscription::{Feed, Gone, SubscribeOptions},
    transport::{Opening, Report, Running, Task, secret},
};

/// How often the clock is looked at for a sleep of the machine.
const TICK: Duration = Duration::from_secs(5);

/// What the subscription stands on.
#[derive(Debug)]
enum Present {
    /// A connection that is being made, or is `open`.
    Running(Running, bool),
    Waiting(Instant),
}

/// The other transports that are tried beside it, best first.
#[derive(Debug)]
struct Trial {
    running: Running,
    next: VecDeque<Transport>,
}

/// Why nothing more is to be kept.
enum Over {
    Done,
    Gone,
    Failed(Error),
}

impl From<Gone> for Over {
    fn from(_: Gone) -> Self {
        Self::Gone
    }
}

/// What happened.
enum Happening {
    Present(Option<Report>),
    Trial(Option<Report>),
    Refresh,
    Due,
}

pub(crate) struct Supervisor {
    inner: Arc<Inner>,
    options: Arc<SubscribeOptions>,
    feed: Feed,
    connector: Connector,
    session: Option<HeaderValue>,
    trial: Option<Trial>,
    overlap: Overlap,
    refresh: Arc<Notify>,
    /// What the next connection tells of the move before it.
    moved: Option<String>,
}

impl Supervisor {
    pub(crate) fn new(
        inner: Arc<Inner>,
        options: SubscribeOptions,
        feed: Feed,
        refresh: Arc<Notify>,
        session: Option<HeaderValue>,
    ) -> Self {
        let connector = Connector::new(options.transport, inner.timings.clone());
        Self {
            inner,
            options: Arc::new(options),
            feed,
            connector,
            session,
            trial: None,
            overlap: Overlap::default(),
            refresh,
            moved: None,
        }
    }

    /// Keeps a connection until all channels end, the server refuses for good, or the reader is gone.
    pub(crate) async fn run(mut self) {
        let _watch = Task(tokio::spawn(watch_clock(self.refresh.clone())));
        let over = self.keep().await;
        if let Over::Failed(error) = over {
            self.feed.fail(error).await;
        }
    }

    async fn keep(&mut self) -> Over {
        let mut present = match self.connect().await {
            Ok(present) => present,
            Err(over) => return over,
        };
        loop {
            let happening = self.next(&mut present).await;
            present = match self.take(happening, present).await {
                Ok(present) => present,
                Err(over) => return over,
            };
        }
    }

    async fn next(&mut self, present: &mut Present) -> Happening {
        let due = match present {
            Present::Waiting(until) => Some(*until),
            Present::Running(_, true) if self.trial.is_none() => {
                self.connector.climb_at().map(Instant::from_std)
            }
            Present::Running(..) => None,
        };
        tokio::select! {
            report = report_of(present) => Happening::Present(report),
            report = tried(&mut self.trial) => Happening::Trial(report),
            () = self.refresh.notified() => Happening::Refresh,
            () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => Happening::Due,
        }
    }

    async fn take(&mut self, happening: Happening, present: Present) -> Result<Present, Over> {
        match (happening, present) {
            (Happening::Present(report), Present::Running(running, open)) => {
                self.present(report, running, open).await
            }
            (Happening::Trial(report), present) => self.tried(report, present).await,
            (Happening::Due, Present::Waiting(_)) => self.connect().await,
            (Happening::Due, present) => {
                self.try_out(self.connector.above().iter().copied().collect());
                Ok(present)
            }
            (Happening::Refresh, present) => self.start_anew(present).await,
            (Happening::Present(_), waiting) => Ok(waiting),
        }
    }

    /// Begins a connection on the present rung.
    async fn connect(&mut self) -> Result<Present, Over> {
        let transport = self.connector.rung();
        self.feed.tell(State::Connecting(transport)).await?;
        let moved = self.moved.take();
        Ok(Present::Running(self.start(transport, moved), false))
    }

    fn start(&self, transport: Transport, moved: Option<String>) -> Running {
        let opening = Opening {
            transport,
            places: self.feed.places.clone(),
            session: self.session.clone(),
            moved,
        };
        Running::start(&self.inner, &self.options, opening)
    }

    /// Takes what the connection says on which the subscription stands.
    async fn present(
        &mut self,
        report: Option<Report>,
        running: Running,
        open: bool,
    ) -> Result<Present, Over> {
        match report {
            Some(Report::Open) => {
                self.feed.tell(State::Open(running.transport)).await?;
                return Ok(Present::Running(running, true));
            }
            Some(Report::Event(event)) => self.event(event).await?,
            Some(Report::Cursor(cursor)) => self.feed.take_cursor(cursor).await?,
            Some(Report::Session(session)) => self.session = Some(session),
            Some(Report::Ended(ended, cause)) => return self.ended(&ended, cause).await,
            None => {
                let error = Error::Lost("the reading task of the client panicked".into());
                return Err(Over::Failed(error));
            }
        }
        Ok(Present::Running(running, open))
    }

    async fn event(&mut self, event: Event) -> Result<(), Over> {
        match &event {
            Event::Hello(hello) => {
                let session = hello.session.as_deref().and_then(secret);
                self.session = session.or(self.session.take());
            }
            Event::Message(message)
                if message.position.is_none() && self.overlap.is_second(message) =>
            {
                return Ok(());
            }
            _ => {}
        }
        Ok(self.feed.pass(event).await?)
    }

    async fn ended(&mut self, ended: &Ended, cause: Cause) -> Result<Present, Over> {
        let from = self.connector.rung();
        let now = Instant::now().into_std();
        match self.connector.ended(ended, now, fastrand::f64()) {
            Next::Done => Err(Over::Done),
            Next::Final | Next::Failed => Err(over(cause)),
            Next::Retry { delay, moved } => {
                let reason = cause.reason();
                self.feed.tell(State::Waiting { reason, delay }).await?;
                if let Some(reason) = moved {
                    self.moved = Some(format!("{from}.{reason}"));
                    let to = self.connector.rung();
                    self.feed.tell(State::Moved { from, to, reason }).await?;
                }
                Ok(Present::Waiting(Instant::now() + delay))
            }
        }
    }

    /// Tries transports beside the present one; those of before are forgotten.
    fn try_out(&mut self, mut next: VecDeque<Transport>) {
        let from = self.connector.rung();
        self.trial = next.pop_front().map(|transport| {
            self.overlap.begin();
            let moved = (transport != from).then(|| format!("{from}.{}", MoveReason::Climbed));
            let running = self.start(transport, moved);
            Trial { running, next }
        });
    }

    /// Takes what the connection says that is tried.
    async fn tried(&mut self, report: Option<Report>, present: Present) -> Result<Present, Over> {
        match (report, self.trial.take()) {
            (Some(Report::Open), Some(trial)) => {
                // The old one ends here, and nothing that it has read and not told counts.
                drop(present);
                return self.hand_over(trial.running).await;
            }
            (Some(Report::Ended(..)) | None, Some(trial)) if trial.next.is_empty() => {
                self.overlap.given_up();
                let now = Instant::now().into_std();
                self.connector.climbed(None, now, fastrand::f64());
            }
            (Some(Report::Ended(..)) | None, Some(trial)) => self.try_out(trial.next),
            // Before the first frame comes a session at most, for a poll that is the first to need one.
            (Some(Report::Session(session)), trial) => {
                self.session.get_or_insert(session);
                self.trial = trial;
            }
            (_, trial) => self.trial = trial,
        }
        Ok(present)
    }

    async fn hand_over(&mut self, running: Running) -> Result<Present, Over> {
        let (from, to) = (self.connector.rung(), running.transport);
        self.overlap.handed_over();
        let now = Instant::now().into_std();
        self.connector.climbed(Some(to), now, fastrand::f64());
        self.moved = None;
        if from != to {
            let reason = MoveReason::Climbed;
            self.feed.tell(State::Moved { from, to, reason }).await?;
        }
        self.feed.tell(State::Open(to)).await?;
        Ok(Present::Running(running, true))
    }

    /// The network is another one, or the machine slept.
    async fn start_anew(&mut self, present: Present) -> Result<Present, Over> {
        self.connector.network_changed(Instant::now().into_std());
        if matches!(present, Present::Waiting(_)) {
            return self.connect().await;
        }
        let mut transports: VecDeque<Transport> = self.connector.above().iter().copied().collect();
        transports.push_back(self.connector.rung());
        self.try_out(transports);
        Ok(present)
    }
}

async fn report_of(present: &mut Present) -> Option<Report> {
    match present {
        Present::Running(running, _) => running.next().await,
        Present::Waiting(_) => std::future::pending().await,
    }
}

async fn tried(trial: &mut Option<Trial>) -> Option<Report> {
    match trial {
        Some(trial) => trial.running.next().await,
        None => std::future::pending().await,
    }
}

fn over(cause: Cause) -> Over {
    match cause {
        Cause::Closed | Cause::Asked(_) => Over::Done,
        Cause::Final(error)
        | Cause::AtOnce(error)
        | Cause::Passing(error)
        | Cause::Unreachable(error)
        | Cause::Lost(error)
        | Cause::Blocked(error)
        | Cause::Broken(error)
        | Cause::Mute(error)
        | Cause::Cut(error)
        | Cause::Silent(error) => Over::Failed(error),
    }
}

/// Notifies after every sleep of the machine or stop of the process. The connection of before may be dead, and no
/// timer has run that would tell.
async fn watch_clock(slept: Arc<Notify>) {
    let mut before = SystemTime::now();
    loop {
        sleep(TICK).await;
        let now = SystemTime::now();
        if has_jumped(before, now) {
            slept.notify_one();
        }
        before = now;
    }
}

/// Whether far more time went by between two ticks than one.
fn has_jumped(before: SystemTime, now: SystemTime) -> bool {
    // A clock that was set back tells nothing.
    now.duration_since(before)
        .is_ok_and(|elapsed| elapsed > TICK + DEFAULT_HEARTBEAT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sleep_is_a_clock_that_jumped() {
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000);
        assert!(!has_jumped(at, at + TICK));
        assert!(!has_jumped(at, at + TICK + DEFAULT_HEARTBEAT));
        assert!(has_jumped(at, at + Duration::from_secs(31)));
        assert!(!has_jumped(at, at - Duration::from_secs(3_600)), "set back");
    }
}

use super::*;
use crate::error::Refusal;

/// A connector with its own clock; jitter is off (`random` is 1).
struct Fake {
    connector: Connector,
    now: Instant,
}

impl Fake {
    fn new(transport: Transport) -> Self {
        Self {
            connector: Connector::new(transport, Timings::default()),
            now: Instant::now(),
        }
    }

    fn end(&mut self, cause: Cause, lived: Option<u64>, floor: Option<Duration>) -> Verdict {
        let lived_for = Duration::from_secs(lived.unwrap_or(0));
        self.now += lived_for;
        let ended = Ended {
            cause,
            lived: lived_for,
            proved: lived.is_some(),
            floor,
        };
        self.connector.ended(ended, self.now, 1.0)
    }

    fn delay(&mut self, cause: Cause, lived: Option<u64>) -> Duration {
        match self.end(cause, lived, None) {
            Verdict::Retry { delay, .. } => delay,
            other => panic!("{other:?}"),
        }
    }
}

fn lost() -> Error {
    Error::Lost("reset".into())
}

fn late() -> Error {
    Error::Timeout {
        what: "no first frame",
        after: Duration::from_secs(5),
    }
}

fn foreign() -> Error {
    Error::Foreign("a page".into())
}

const MS: fn(u64) -> Duration = Duration::from_millis;

#[test]
fn delays_double_up_to_the_maximum() {
    let mut fake = Fake::new(Transport::Sse);
    let delays: Vec<_> = (0..9)
        .map(|_| fake.delay(Cause::Unreachable(lost()), None))
        .collect();
    let expected = [
        500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000,
    ]
    .map(MS);
    assert_eq!(delays, expected);
}

#[test]
fn jitter_is_full_and_floors_hold() {
    let mut backoff = Backoff::new(MS(500), MS(30_000));
    assert_eq!(backoff.next(0.0, None), Duration::ZERO);
    assert_eq!(backoff.next(0.5, None), MS(500));
    assert_eq!(backoff.next(0.0, Some(MS(2_000))), MS(2_000));
    assert_eq!(backoff.next(1.0, Some(MS(2_000))), MS(4_000));
    for _ in 0..100 {
        backoff.next(1.0, None);
    }
    assert_eq!(
        backoff.next(1.0, None),
        MS(30_000),
        "a long outage overflows nothing"
    );
}

#[test]
fn only_a_connection_that_lived_resets_the_backoff() {
    let mut fake = Fake::new(Transport::WebSocket);
    assert_eq!(fake.delay(Cause::Lost(lost()), Some(4)), MS(500));
    assert_eq!(fake.delay(Cause::Lost(lost()), Some(4)), MS(1_000));
    assert_eq!(fake.delay(Cause::Lost(lost()), Some(5)), MS(500));
    assert_eq!(fake.delay(Cause::Unreachable(lost()), None), MS(1_000));
}

#[test]
fn an_unreachable_server_never_moves_the_ladder() {
    let mut fake = Fake::new(Transport::Auto);
    for _ in 0..50 {
        fake.delay(Cause::Unreachable(lost()), None);
        assert_eq!(fake.connector.transport(), Transport::WebSocket);
    }
    fake.delay(Cause::Passing(lost()), None);
    fake.delay(Cause::Lost(lost()), Some(1));
    assert_eq!(fake.connector.transport(), Transport::WebSocket);
}

#[test]
fn unfit_rungs_are_left_at_once_down_to_the_last() {
    let mut fake = Fake::new(Transport::Auto);
    for expected in [Transport::Sse, Transport::LongPoll, Transport::Poll] {
        assert_eq!(fake.delay(Cause::Unfit(late()), None), Duration::ZERO);
        assert_eq!(fake.connector.transport(), expected);
    }
    assert_eq!(
        fake.delay(Cause::Unfit(late()), None),
        MS(500),
        "nothing works: from the top, later"
    );
    assert_eq!(fake.connector.transport(), Transport::WebSocket);
}

#[test]
fn what_never_was_the_server_ends_at_the_last_rung() {
    let mut fake = Fake::new(Transport::Auto);
    for _ in 0..3 {
        fake.delay(Cause::Unfit(foreign()), None);
    }
    assert!(matches!(
        fake.end(Cause::Unfit(foreign()), None, None),
        Verdict::Fail(Error::Foreign(_))
    ));
    let mut fake = Fake::new(Transport::Sse);
    assert!(matches!(
        fake.end(Cause::Unfit(foreign()), None, None),
        Verdict::Fail(Error::Foreign(_))
    ));
    let mut fake = Fake::new(Transport::Sse);
    fake.delay(Cause::Lost(lost()), Some(1));
    fake.delay(Cause::Unfit(foreign()), None);
}

#[test]
fn breaking_twice_unproved_speaks_against_a_rung() {
    let mut fake = Fake::new(Transport::Auto);
    fake.delay(Cause::Broken(lost()), None);
    fake.delay(Cause::Lost(lost()), Some(1));
    fake.delay(Cause::Broken(lost()), None);
    assert_eq!(
        fake.connector.transport(),
        Transport::WebSocket,
        "a proof in between clears the record"
    );
    fake.delay(Cause::Broken(lost()), None);
    assert_eq!(fake.connector.transport(), Transport::Sse);
}

#[test]
fn the_top_is_tried_again_later() {
    let mut fake = Fake::new(Transport::Auto);
    fake.delay(Cause::Unfit(late()), None);
    fake.delay(Cause::Lost(lost()), Some(599));
    assert_eq!(fake.connector.transport(), Transport::Sse);
    fake.delay(Cause::Lost(lost()), Some(1));
    assert_eq!(fake.connector.transport(), Transport::WebSocket);
}

#[test]
fn the_servers_wishes_are_kept_within_reason() {
    let mut fake = Fake::new(Transport::Auto);
    assert_eq!(fake.delay(Cause::Asked(MS(1_234)), Some(1)), MS(1_234));
    assert_eq!(
        fake.delay(Cause::Asked(MS(86_400_000)), Some(1)),
        Timings::default().hint_max
    );
    let floor = Some(MS(7_000));
    let Verdict::Retry { delay, .. } = fake.end(Cause::Passing(lost()), None, floor) else {
        panic!("no retry")
    };
    assert_eq!(delay, MS(7_000));
}

#[test]
fn at_once_is_no_loop() {
    let mut fake = Fake::new(Transport::WebSocket);
    assert_eq!(fake.delay(Cause::AtOnce(lost()), Some(1)), Duration::ZERO);
    assert_eq!(fake.delay(Cause::AtOnce(lost()), Some(1)), MS(1_000));
    assert_eq!(fake.delay(Cause::AtOnce(lost()), Some(60)), Duration::ZERO);
}

#[test]
fn ends_are_ends() {
    let mut fake = Fake::new(Transport::Auto);
    assert!(matches!(
        fake.end(Cause::AllClosed, Some(1), None),
        Verdict::Done
    ));
    let refusal = Refusal {
        status: Some(403),
        ..Refusal::default()
    };
    let verdict = fake.end(Cause::Final(refusal.into()), None, None);
    assert!(matches!(verdict, Verdict::Fail(error) if error.status() == Some(403)));
}

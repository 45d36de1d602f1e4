use super::*;

fn at(ms: u64) -> Now {
    Now {
        monotonic: ms,
        unix: 1_000_000 + ms,
    }
}

/// To be used within 30 s, and over after 100 s.
fn ticket(n: u8) -> Ticket {
    Ticket {
        digest: [n; 32],
        holder: vec![n].into(),
        first_use_by: at(30_000).unix,
        until: at(100_000).unix,
    }
}

fn tickets() -> Tickets {
    let mut tickets = Tickets::new(2);
    tickets.issue(ticket(1), at(0)).unwrap();
    tickets
}

const APP: Option<&str> = Some("https://app.example.com");

#[test]
fn the_first_use_binds_the_origin_and_later_ones_continue() {
    let mut tickets = tickets();
    let mut redeem = |origin, ms| tickets.redeem(&[1; 32], origin, at(ms));
    let used = |first| {
        let holder = vec![1].into();
        Ok(Redeemed { holder, first })
    };
    assert_eq!(redeem(APP, 30_000), used(true));
    assert_eq!(redeem(APP, 30_000), Err(TicketError::InUse), "a race");
    assert_eq!(redeem(APP, 30_999), Err(TicketError::InUse));
    assert_eq!(redeem(None, 31_000), Err(TicketError::OtherOrigin));
    assert_eq!(redeem(APP, 31_000), used(false));
    assert_eq!(redeem(APP, 31_001), used(false), "only the first excludes");
    assert_eq!(redeem(APP, 100_000), used(false));
    assert_eq!(redeem(APP, 100_001), Err(TicketError::TooLate));
}

#[test]
fn no_origin_is_an_origin_too() {
    let mut tickets = tickets();
    assert!(tickets.redeem(&[1; 32], None, at(0)).unwrap().first);
    let other = tickets.redeem(&[1; 32], APP, at(5_000));
    assert_eq!(other, Err(TicketError::OtherOrigin));
    assert!(!tickets.redeem(&[1; 32], None, at(5_000)).unwrap().first);
}

#[test]
fn a_first_use_must_come_in_time() {
    let mut tickets = tickets();
    let late = tickets.redeem(&[1; 32], APP, at(30_001));
    assert_eq!(late, Err(TicketError::TooLate));
    let unknown = tickets.redeem(&[2; 32], APP, at(0));
    assert_eq!(unknown, Err(TicketError::Unknown));
    tickets.sweep(at(30_000));
    assert_eq!(tickets.len(), 1);
    tickets.sweep(at(30_001));
    assert_eq!((tickets.len(), tickets.ends.len()), (0, 0));
    let swept = tickets.redeem(&[1; 32], APP, at(0));
    assert_eq!(swept, Err(TicketError::Unknown));
}

#[test]
fn their_number_is_bounded_and_those_that_are_over_make_room() {
    let mut tickets = tickets();
    tickets.redeem(&[1; 32], APP, at(0)).unwrap();
    tickets.issue(ticket(2), at(0)).unwrap();
    let full = tickets.issue(ticket(3), at(30_000));
    assert_eq!(full, Err(BrokerError::TooManyTickets));
    tickets.issue(ticket(2), at(0)).expect("it is issued again");
    assert_eq!((tickets.len(), tickets.ends.len()), (2, 2));
    tickets.issue(ticket(3), at(30_001)).expect("2 is over");
    let used = tickets.redeem(&[1; 32], APP, at(30_001));
    assert!(!used.unwrap().first, "1 was used in time and stays");
    assert_eq!((tickets.len(), tickets.ends.len()), (2, 2));
}

use super::*;

fn quotas(change: impl FnOnce(&mut Limits)) -> Quotas {
    let mut limits = Limits {
        burst: Duration::from_secs(10),
        publishes_per_client: 100,
        ..Limits::default()
    };
    change(&mut limits);
    Quotas::new(&limits)
}

fn address(text: &str) -> Key<'static> {
    Key::Address(AddressKey::of(text.parse().unwrap()))
}

const CLIENT: Key<'static> = Key::Client(ClientId(7));

fn ms(milliseconds: u64) -> Result<(), Duration> {
    Err(Duration::from_millis(milliseconds))
}

#[test]
fn a_burst_at_once_and_the_rate_for_long() {
    let quotas = quotas(|_| ());
    let publish = |cost, now| quotas.take(Quota::Publishes, CLIENT, cost, now);
    for _ in 0..1000 {
        assert_eq!(publish(1, 5_000), Ok(()));
    }
    assert_eq!(publish(1, 5_000), ms(10));
    assert_eq!(publish(7, 5_000), ms(70), "nothing was taken by a refusal");
    assert_eq!(publish(1, 5_009), ms(1));
    assert_eq!(publish(1, 5_010), Ok(()));
    let taken = (5_011..25_011)
        .filter(|&now| publish(1, now).is_ok())
        .count();
    assert_eq!(taken, 2_000);
    assert_eq!(publish(1000, 35_010), Ok(()), "and it fills up again");
}

#[test]
fn after_the_time_that_is_told_it_works() {
    let quotas = quotas(|limits| limits.publishes_per_client = 3);
    let mut now = 0;
    let mut waits = 0;
    for cost in [30, 1, 29, 2, 5, 30, 31, 1].repeat(50) {
        while let Err(wait) = quotas.take(Quota::Publishes, CLIENT, cost, now) {
            let before = now + wait.as_millis() as u64;
            if before > now + 1 {
                let early = quotas.check(Quota::Publishes, CLIENT, cost, before - 1);
                assert!(early.is_err(), "{cost} at {now}");
            }
            now += wait.as_nanos().div_ceil(1_000_000) as u64;
            waits += 1;
            assert_eq!(quotas.check(Quota::Publishes, CLIENT, cost, now), Ok(()));
        }
    }
    assert!(waits > 300, "{waits}");
}

#[test]
fn more_than_ever_fits_is_paid_for_afterwards() {
    let quotas = quotas(|_| ());
    let publish = |cost, now| quotas.take(Quota::Publishes, CLIENT, cost, now);
    assert_eq!(publish(1, 0), Ok(()));
    assert_eq!(publish(5_000, 0), ms(10), "it needs all there is");
    assert_eq!(publish(5_000, 10), Ok(()));
    assert_eq!(publish(1, 10), ms(40_010));
    assert_eq!(publish(1, 40_020), Ok(()));
    assert_eq!(publish(u32::MAX, u64::MAX), Ok(()));
}

#[test]
fn nobody_spends_what_is_another_s() {
    let quotas = quotas(|limits| {
        limits.publishes_per_user = 100;
        limits.publishes_per_address = 100;
        limits.publish_bytes_per_client = 100;
    });
    let buckets = [
        (Quota::Publishes, CLIENT),
        (Quota::PublishBytes, CLIENT),
        (Quota::Publishes, Key::User("7")),
        (Quota::Publishes, Key::User("8")),
        (Quota::Publishes, address("0.0.0.7")),
        (Quota::Publishes, address("2001:db8::7")),
    ];
    for (quota, key) in buckets {
        assert_eq!(quotas.take(quota, key, 1000, 0), Ok(()), "{key:?}");
        assert!(quotas.take(quota, key, 1, 0).is_err(), "{key:?}");
    }
    let neighbour = address("2001:db8::8");
    assert!(quotas.take(Quota::Publishes, neighbour, 1, 0).is_err());
    assert_eq!(quotas.len(), buckets.len());
}

#[test]
fn guesses_are_ten_a_minute() {
    let quotas = quotas(|_| ());
    let one = address("192.0.2.1");
    let fail = |now| quotas.take(Quota::AuthFailures, one, 1, now);
    assert!((0..10).all(|_| fail(0).is_ok()));
    assert_eq!(fail(0), ms(6_000));
    assert_eq!(quotas.check(Quota::AuthFailures, one, 1, 5_999), ms(1));
    assert_eq!(quotas.check(Quota::AuthFailures, one, 1, 6_000), Ok(()));
    assert_eq!(fail(6_000), Ok(()));
}

#[test]
fn zero_is_no_bound_and_costs_no_memory() {
    let quotas = quotas(|limits| limits.publishes_per_client = 0);
    for _ in 0..10 {
        assert_eq!(quotas.take(Quota::Publishes, CLIENT, u32::MAX, 0), Ok(()));
    }
    let nobody_s = quotas.take(Quota::AuthFailures, CLIENT, u32::MAX, 0);
    assert_eq!((nobody_s, quotas.is_empty()), (Ok(()), true));
}

#[test]
fn a_fast_rate_is_exact_enough() {
    let quotas = quotas(|limits| limits.publish_bytes_per_client = 1 << 30);
    let take = |cost, now| quotas.take(Quota::PublishBytes, CLIENT, cost, now);
    let taken = (0..100_000).filter(|_| take(1 << 20, 0).is_ok()).count();
    assert!((10_239..=10_240).contains(&taken), "{taken} of 10 GiB");
}

#[test]
fn full_buckets_are_forgotten() {
    let quotas = quotas(|_| ());
    for client in 0..1000 {
        let cost = if client % 2 == 0 { 10 } else { 20 };
        let key = Key::Client(ClientId(client));
        quotas.take(Quota::Publishes, key, cost, 0).unwrap();
    }
    quotas.sweep(99);
    assert_eq!(quotas.len(), 1000);
    quotas.sweep(100);
    assert_eq!(quotas.len(), 500);
    quotas.sweep(200);
    assert!(quotas.is_empty());
}

#[test]
fn memory_is_bounded_and_who_did_most_is_remembered() {
    let quotas = quotas(|_| ());
    let worst: Vec<_> = (0..100).map(|n| Key::Client(ClientId(n))).collect();
    for key in &worst {
        quotas.take(Quota::Publishes, *key, 1000, 0).unwrap();
    }
    for client in 100..2 * Limits::QUOTAS as u64 {
        let key = Key::Client(ClientId(client));
        quotas.take(Quota::Publishes, key, 1, 0).unwrap();
        assert!(client % 4096 != 0 || quotas.len() <= Limits::QUOTAS);
    }
    assert!(quotas.len() <= Limits::QUOTAS);
    for key in &worst {
        assert_eq!(quotas.take(Quota::Publishes, *key, 1, 0), ms(10));
    }
}

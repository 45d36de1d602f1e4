//! The scenarios of `conformance/connector`, which the other clients run, too.

use std::{fs, path::PathBuf};

use serde::Deserialize;

use super::*;

#[derive(Deserialize)]
struct Scenario {
    name: String,
    #[serde(default)]
    options: Options,
    steps: Vec<Step>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Options {
    rung: Option<String>,
    max_attempts: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    at_ms: u64,
    ended: Option<ToldEnd>,
    climb: Option<ToldClimb>,
    network: Option<String>,
    random: Option<f64>,
    then: Then,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ToldEnd {
    end: String,
    lived_ms: Option<u64>,
    heartbeat_ms: Option<u64>,
    floor_ms: Option<u64>,
    #[serde(default)]
    probe: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ToldClimb {
    worked: Option<String>,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Then {
    stop: Option<String>,
    rung: Option<String>,
    delay_ms: Option<u64>,
    moved: Option<String>,
    climb_at_ms: Option<u64>,
}

/// A connector with its own clock.
struct Fake {
    connector: Connector,
    start: Instant,
}

impl Fake {
    fn take(&mut self, step: &Step) -> Then {
        let now = self.start + Duration::from_millis(step.at_ms);
        let random = step.random.unwrap_or(0.5);
        let mut then = Then::default();
        if let Some(ended) = &step.ended {
            match self.connector.ended(&ended.read(), now, random) {
                Next::Done => return stop("done"),
                Next::Final => return stop("final"),
                Next::Failed => return stop("failed"),
                Next::Retry { delay, moved } => {
                    then.delay_ms = Some(millis(delay));
                    then.moved = moved.map(|reason| reason.as_str().to_owned());
                }
            }
        } else if let Some(climb) = &step.climb {
            let worked = climb.worked.as_deref();
            let worked: Option<Transport> = worked.map(|rung| rung.parse().expect("a rung"));
            self.connector.climbed(worked, now, random);
            then.moved = worked.map(|_| MoveReason::Climbed.to_string());
        } else {
            assert_eq!(step.network.as_deref(), Some("changed"));
            self.connector.network_changed(now);
        }
        then.rung = Some(self.connector.rung().to_string());
        let climb_at = self.connector.climb_at();
        then.climb_at_ms = climb_at.map(|at| millis(at - self.start));
        then
    }
}

fn stop(how: &str) -> Then {
    Then {
        stop: Some(how.to_owned()),
        ..Then::default()
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).expect("short")
}

impl ToldEnd {
    fn read(&self) -> Ended {
        Ended {
            end: end(&self.end),
            lived: self.lived_ms.map(Duration::from_millis),
            heartbeat: Duration::from_millis(self.heartbeat_ms.unwrap_or(25_000)),
            floor: self.floor_ms.map(Duration::from_millis),
            probe: self.probe,
        }
    }
}

fn end(name: &str) -> End {
    match name {
        "closed" => End::Closed,
        "final" => End::Final,
        "asked" => End::Asked,
        "at_once" => End::AtOnce,
        "passing" => End::Passing,
        "unreachable" => End::Unreachable,
        "lost" => End::Lost,
        "blocked" => End::Blocked,
        "broken" => End::Broken,
        "mute" => End::Mute,
        "cut" => End::Cut,
        "silent" => End::Silent,
        other => panic!("no such end: {other}"),
    }
}

#[test]
fn every_scenario_goes_as_written() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../conformance/connector");
    let files = fs::read_dir(folder).expect("the folder of the scenarios");
    let files = files.map(|file| file.expect("a file").path());
    let is_json = |file: &PathBuf| {
        file.extension()
            .is_some_and(|extension| extension == "json")
    };
    let mut count = 0;
    for file in files.filter(is_json) {
        count += 1;
        let text = fs::read_to_string(&file).expect("a text");
        let scenario: Scenario = serde_json::from_str(&text)
            .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let named = file.file_stem().is_some_and(|stem| *stem == *scenario.name);
        assert!(named, "{} is named {:?}", file.display(), scenario.name);
        run(&scenario);
    }
    assert!(count >= 25, "{count} scenarios");
}

fn run(scenario: &Scenario) {
    let rung = scenario.options.rung.as_deref().unwrap_or("auto");
    let timings = Timings {
        max_attempts: scenario.options.max_attempts,
        ..Timings::default()
    };
    let mut fake = Fake {
        connector: Connector::new(rung.parse().expect("a rung"), timings),
        start: Instant::now(),
    };
    for (number, step) in scenario.steps.iter().enumerate() {
        let then = fake.take(step);
        assert_eq!(then, step.then, "{}, step {}", scenario.name, number + 1);
    }
}

#[test]
fn a_long_outage_overflows_nothing() {
    let ms = Duration::from_millis;
    let mut backoff = Backoff::new(ms(500), ms(30_000));
    for _ in 0..100 {
        backoff.next(1.0, None);
    }
    assert_eq!(backoff.next(1.0, None), ms(30_000));
}

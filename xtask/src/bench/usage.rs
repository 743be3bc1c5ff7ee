//! What a run used, from what was seen of it. Pure.

use inoculate_core::plan::Cost;
use inoculate_stack::Request;
use serde::Deserialize;

/// The function that is called once in each round.
const ROUND_STEP: &str = "observe";

/// The states that are entered once in each round.
const ROUND_STATES: [&str; 3] = ["Round", "Observe", "Go on?"];

/// What the functions of Inoculate are called, before the step.
const PREFIX: &str = "inoculate-";

/// What `run_cost.py` tells of a run.
#[derive(Debug, Deserialize)]
pub(super) struct Execution {
    /// How the execution ended, as Step Functions says it.
    pub(super) status: String,
    /// Its output, or why it failed.
    pub(super) output: String,
    /// Its history: the type of each event, and the state of those that enter one.
    pub(super) events: Vec<(String, String)>,
    /// The invocations of the five functions.
    pub(super) invocations: Vec<Invocation>,
    /// What CloudWatch Logs would bill.
    pub(super) log_bytes: u32,
}

/// An invocation: the step, the billed milliseconds, the memory of the function in MB.
#[derive(Debug, Deserialize)]
pub(super) struct Invocation(pub(super) String, pub(super) u32, pub(super) u32);

/// What a run used, and what of it grows with the rounds.
#[derive(Debug, PartialEq)]
pub(super) struct Usage {
    /// How often the system was looked at.
    pub(super) rounds: u32,
    /// Used in all the rounds together.
    pub(super) in_rounds: Cost,
    /// Used before and after them.
    pub(super) outside: Cost,
    /// Requests to DynamoDB and CloudWatch that were answered with an error; they are not counted.
    pub(super) refused: usize,
}

impl Usage {
    /// Adds up what was seen of a run.
    pub(super) fn of(execution: &Execution, requests: &[Request]) -> Self {
        let mut usage = Usage {
            rounds: 0,
            in_rounds: Cost::default(),
            outside: Cost::default(),
            refused: 0,
        };
        usage.add_transitions(&execution.events);
        for Invocation(step, billed_ms, memory_mb) in &execution.invocations {
            let part = usage.part(step == ROUND_STEP);
            part.requests += 1.0;
            part.gigabyte_secs += f64::from(*billed_ms) / 1000.0 * f64::from(*memory_mb) / 1024.0;
        }
        for request in requests {
            let Some(step) = request.by.strip_prefix(PREFIX) else {
                continue;
            };
            usage.refused += usize::from(request.refused);
            let part = usage.part(step == ROUND_STEP);
            part.read_units += request.read;
            part.write_units += request.write;
            part.metrics += request.metrics;
        }
        usage
    }

    /// Step Functions bills each state that is entered, and each retry of one.
    fn add_transitions(&mut self, events: &[(String, String)]) {
        let count = |wanted: &str| events.iter().filter(|(kind, _)| kind == wanted).count() as f64;
        for (kind, state) in events {
            if kind.ends_with("StateEntered") {
                self.part(ROUND_STATES.contains(&state.as_str())).transitions += 1.0;
                self.rounds += u32::from(state == "Observe");
            }
        }
        self.outside.transitions += (count("TaskScheduled") - count("TaskStateEntered")).max(0.0);
    }

    fn part(&mut self, in_round: bool) -> &mut Cost {
        if in_round {
            &mut self.in_rounds
        } else {
            &mut self.outside
        }
    }

    /// What the run used, with its price.
    pub(super) fn total(&self) -> Cost {
        self.with_rounds(self.rounds)
    }

    /// What one round used, with its price.
    pub(super) fn per_round(&self) -> Cost {
        sum(&Cost::default(), &self.in_rounds, 1.0 / f64::from(self.rounds.max(1)))
    }

    /// What a run of this many rounds uses, if each is like the average round of this run. With its price.
    pub(super) fn with_rounds(&self, rounds: u32) -> Cost {
        sum(&self.outside, &self.per_round(), f64::from(rounds))
    }

    /// What there must be of every run and was not seen: then something is not counted.
    pub(super) fn nothing_of(&self) -> Option<&'static str> {
        let total = self.total();
        let parts = [
            ("state transitions", total.transitions),
            ("Lambda requests", total.requests),
            ("Lambda time", total.gigabyte_secs),
            ("DynamoDB writes", total.write_units),
            ("DynamoDB reads", total.read_units),
            ("metrics", total.metrics),
        ];
        parts.iter().find(|(_, used)| *used <= 0.0).map(|(name, _)| *name)
    }
}

/// `a + factor * b`, priced.
fn sum(a: &Cost, b: &Cost, factor: f64) -> Cost {
    Cost {
        transitions: a.transitions + factor * b.transitions,
        requests: a.requests + factor * b.requests,
        gigabyte_secs: a.gigabyte_secs + factor * b.gigabyte_secs,
        write_units: a.write_units + factor * b.write_units,
        read_units: a.read_units + factor * b.read_units,
        metrics: a.metrics + factor * b.metrics,
        alarm_hours: a.alarm_hours + factor * b.alarm_hours,
        usd: 0.0,
    }
    .priced()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(by: &str, read: f64, write: f64, metrics: f64) -> Request {
        Request {
            by: by.to_owned(),
            service: String::new(),
            operation: String::new(),
            refused: false,
            read,
            write,
            metrics,
        }
    }

    fn events(events: &[(&str, &str)]) -> Vec<(String, String)> {
        let event = |(kind, state): &(&str, &str)| ((*kind).to_owned(), (*state).to_owned());
        events.iter().map(event).collect()
    }

    fn usage() -> Usage {
        let round = [
            ("WaitStateEntered", "Round"),
            ("WaitStateExited", ""),
            ("TaskStateEntered", "Observe"),
            ("TaskScheduled", ""),
            ("ChoiceStateEntered", "Go on?"),
        ];
        let open = [
            ("TaskStateEntered", "Open"),
            ("TaskScheduled", ""),
            ("TaskScheduled", ""),
        ];
        let execution = Execution {
            status: "SUCCEEDED".to_owned(),
            output: String::new(),
            events: events(&[&open[..], &round[..], &round[..]].concat()),
            invocations: vec![
                Invocation("baseline".to_owned(), 1000, 512),
                Invocation("observe".to_owned(), 100, 1024),
                Invocation("observe".to_owned(), 300, 1024),
            ],
            log_bytes: 0,
        };
        let requests = [
            request("inoculate-baseline", 2.0, 4.0, 1.0),
            request("inoculate-observe", 1.0, 3.0, 1.0),
            request("inoculate-observe", 2.0, 3.0, 1.0),
            request("", 100.0, 100.0, 100.0),
            request("shop-payments", 100.0, 100.0, 100.0),
        ];
        Usage::of(&execution, &requests)
    }

    #[test]
    fn what_was_seen_adds_up() {
        let Usage {
            rounds,
            in_rounds,
            outside,
            ..
        } = usage();
        assert_eq!(rounds, 2);
        // The state and its retry.
        assert_eq!((outside.transitions, in_rounds.transitions), (2.0, 6.0));
        assert_eq!((outside.requests, in_rounds.requests), (1.0, 2.0));
        assert_eq!((outside.gigabyte_secs, in_rounds.gigabyte_secs), (0.5, 0.4));
        assert_eq!((outside.write_units, in_rounds.write_units), (4.0, 6.0));
        assert_eq!((outside.read_units, in_rounds.read_units), (2.0, 3.0));
        assert_eq!((outside.metrics, in_rounds.metrics), (1.0, 2.0));
    }

    #[test]
    fn a_longer_run_has_more_rounds_of_the_same_kind() {
        let ten = usage().with_rounds(10);
        assert_eq!((ten.transitions, ten.requests), (2.0 + 30.0, 1.0 + 10.0));
        assert_eq!((ten.write_units, ten.read_units), (4.0 + 30.0, 2.0 + 15.0));
        assert!(ten.usd > usage().total().usd);
    }

    #[test]
    fn what_is_missing_is_named() {
        assert_eq!(usage().nothing_of(), None);
        let mut blind = usage();
        (blind.in_rounds.metrics, blind.outside.metrics) = (0.0, 0.0);
        assert_eq!(blind.nothing_of(), Some("metrics"));
    }
}

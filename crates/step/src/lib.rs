//! What the five steps share: their start as a Lambda function, and the way they change the record of a run.
//!
//! | look in | for |
//! |---|---|
//! | [`serve`] | from `main` to a handler: configuration, clients, logs, errors with stable names |
//! | [`environment`] | the environment variables of a step |
//! | [`log`] | the lines of the log, and which run they are about |
//! | [`record`] | loading a run and adding an event to it |
//! | [`leases`] | what the leases of a run say, and how they are renewed |
//! | [`alarms`] | the alarms that a run makes for itself |
//! | [`measure`] | the measures of an experiment in a window, judged |
//! | [`restore`] | putting back what a run changed |
//! | `tell` | telling people and programs what happened |

pub mod alarms;
pub mod environment;
pub mod leases;
pub mod log;
pub mod measure;
pub mod record;
pub mod restore;
mod serve;
mod tell;

use inoculate_core::experiment::Experiment;
use inoculate_core::names::RunId;
use inoculate_core::ports::Ports;
use inoculate_core::run::{Cause, Ending, Run, Status};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use inoculate_aws::connect::Aws;
pub use serve::{StartError, deployment, run, serve};

/// What a step is run with.
#[derive(Clone)]
pub struct Step {
    /// The outside world.
    pub ports: Ports,
    /// Names this attempt: the id of the Lambda request. A retry by the platform is another attempt.
    pub attempt: String,
}

/// The input of the steps that need nothing but the run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunInput {
    /// The run.
    pub run_id: RunId,
}

/// What the state machine does next. The only thing that its choices look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Next {
    /// Let the baseline window pass, then measure it.
    Measure,
    /// Put the faults in place.
    Inject,
    /// AWS is still carrying out a change: wait a moment and run the same step again.
    Settle,
    /// Let a round pass, then look at the system.
    Observe,
    /// Roll everything back.
    Rollback,
    /// Let the system recover, then give the verdict.
    Evaluate,
    /// The run is over.
    End,
}

/// An ending of a step that decides to roll back.
pub fn ending(status: Status, cause: Cause, detail: impl Into<String>) -> Option<Ending> {
    Some(Ending {
        status,
        cause,
        detail: detail.into(),
    })
}

/// Why a run ends that is outside of its time windows; `None` while one is open. One that injected nothing yet is refused.
pub fn window_closed(run: &Run, now: Timestamp) -> Option<Ending> {
    let closed = run.closes_at.filter(|closes| now >= *closes)?;
    let status = match run.injecting_at {
        Some(_) => Status::Aborted,
        None => Status::Refused,
    };
    ending(
        status,
        Cause::WindowClosed,
        format!("the time window closed at {closed:.0}"),
    )
}

/// How long to wait before the next look while the faults are there, in seconds: a round, or what is left of the longest
/// time, counted from when the first fault may have been there, or until the time window closes. At least 1.
pub fn wait_secs(experiment: &Experiment, run: &Run, now: Timestamp) -> u32 {
    let since = run.injecting_at.map_or(0, |since| now.duration_since(since).as_secs());
    let of_longest = i64::from(experiment.blast_radius.longest.secs()) - since;
    // Rounded up: a look just before the closing would find the window open.
    let until_closed = |closes: Timestamp| (closes.duration_since(now).as_millis() + 999).div_euclid(1000);
    let of_window = run
        .closes_at
        .and_then(|closes| i64::try_from(until_closed(closes)).ok());
    let left = of_window.map_or(of_longest, |of_window| of_longest.min(of_window));
    let round = experiment.windows.round.secs();
    u32::try_from(left.max(1)).map_or(round, |left| left.min(round))
}

#[cfg(test)]
mod tests {
    use super::*;
    use inoculate_core::run::{Event, NewRun};

    #[test]
    fn neither_the_longest_time_nor_the_window_is_exceeded_by_a_round() {
        let experiment: Experiment = serde_json::from_value(serde_json::json!({
            "name": "e", "hypothesis": "h",
            "blast_radius": { "functions": ["f"], "percent": 100, "longest": "20s" },
            "windows": { "baseline": "20s", "round": "15s", "recovery": "20s" },
            "faults": [], "steady_state": []
        }))
        .unwrap();
        let start = Timestamp::UNIX_EPOCH;
        let new = NewRun {
            id: "r".parse().unwrap(),
            experiment: "e".into(),
            digest: String::new(),
            execution_arn: None,
            functions: vec![],
        };
        let (mut run, _) = Run::open(new, String::new(), start);
        for event in [Event::BaselineHeld, Event::InjectionBegan] {
            run = run.after(&event, start).unwrap();
        }
        for (elapsed, wait) in [(0, 15), (5, 15), (6, 14), (19, 1), (20, 1), (500, 1)] {
            let now = start + jiff::SignedDuration::from_secs(elapsed);
            assert_eq!(wait_secs(&experiment, &run, now), wait, "after {elapsed} seconds");
        }
        run.closes_at = Some(start + jiff::SignedDuration::from_millis(7_300));
        for (elapsed, wait, closed) in [(0, 8, false), (5, 3, false), (7, 1, false), (8, 1, true), (19, 1, true)] {
            let now = start + jiff::SignedDuration::from_secs(elapsed);
            assert_eq!(wait_secs(&experiment, &run, now), wait, "after {elapsed} seconds");
            let ending = window_closed(&run, now);
            assert_eq!(ending.is_some(), closed, "after {elapsed} seconds");
            assert!(ending.is_none_or(|ending| ending.status == Status::Aborted));
        }
    }
}

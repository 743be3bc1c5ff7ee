//! The alarms that runs make for themselves: what they are called, and which of them nobody needs any more.
//!
//! An alarm of a run is called `STACK-run-RUN-NUMBER`. The name leads back to the run without a record of the alarm: from the
//! message that says that it went to ALARM, and from the list of alarms that the sweep looks through.

use jiff::{SignedDuration, Timestamp};

use crate::experiment::{AbortAlarm, Experiment, MAX_ABORT_ALARMS};
use crate::names::RunId;
use crate::run::{Phase, Run};

/// How old an alarm is before it may be a stray. Its maker looks at the run after it has made one, and is over before this:
/// a test holds it to be longer than a step may run.
pub const SETTLED_AFTER: SignedDuration = SignedDuration::from_secs(120);

/// An alarm that a run makes for itself.
#[derive(Debug, Clone, PartialEq)]
pub struct NewAlarm {
    /// Its name.
    pub name: String,
    /// What it is, for people who come across it.
    pub description: String,
    /// When it goes to ALARM.
    pub when: AbortAlarm,
}

/// An alarm that a run made for itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MadeAlarm {
    /// Its name.
    pub name: String,
    /// When it was made, or made again.
    pub changed_at: Timestamp,
}

/// What the names of all alarms of runs begin with, in this stack.
pub fn prefix(stack: &str) -> String {
    format!("{stack}-run-")
}

/// The name of one alarm of a run. Numbers are from 1, in the order of the experiment.
fn name(stack: &str, run_id: &RunId, number: usize) -> String {
    format!("{}{run_id}-{number}", prefix(stack))
}

/// The alarms that a run of this experiment makes for itself.
pub fn of_run(stack: &str, run_id: &RunId, experiment: &Experiment) -> Vec<NewAlarm> {
    let alarms = experiment.guards.abort_when.iter().enumerate();
    let new = |(index, when): (usize, &AbortAlarm)| NewAlarm {
        name: name(stack, run_id, index + 1),
        description: format!(
            "Ends run {run_id} of the experiment {} when {when}. Inoculate made it and deletes it after the run.",
            experiment.name
        ),
        when: when.clone(),
    };
    alarms.map(new).collect()
}

/// The names of [`of_run`].
pub fn names_of_run(stack: &str, run_id: &RunId, experiment: &Experiment) -> Vec<String> {
    (1..=experiment.guards.abort_when.len())
        .map(|number| name(stack, run_id, number))
        .collect()
}

/// The run that an alarm of this name belongs to; `None` when it is not an alarm of a run of this stack.
pub fn run_of(stack: &str, alarm: &str) -> Option<RunId> {
    let (run_id, number) = alarm.strip_prefix(&prefix(stack))?.rsplit_once('-')?;
    let (run_id, number): (RunId, usize) = (run_id.parse().ok()?, number.parse().ok()?);
    let is_one = (1..=MAX_ABORT_ALARMS).contains(&number) && name(stack, &run_id, number) == alarm;
    is_one.then_some(run_id)
}

/// Whether nobody needs an alarm any more that belongs to this run, or to one of which there is no record.
///
/// Not before some time has passed: a step that a rollback overtook may just have made it, and deletes it itself.
pub fn is_stray(alarm: &MadeAlarm, run: Option<&Run>, now: Timestamp) -> bool {
    let is_over = run.is_none_or(|run| run.phase >= Phase::RolledBack);
    is_over && now.duration_since(alarm.changed_at) >= SETTLED_AFTER
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::{Cause, Ending, Event, NewRun, Status};

    #[test]
    fn a_name_leads_back_to_its_run_and_to_no_other() {
        for run in [
            "payments-20261121-x",
            "a",
            "r-1",
            "r-1-1",
            "..",
            "-",
            "a-run-b-1",
            &"x".repeat(80),
        ] {
            let run_id: RunId = run.parse().unwrap();
            for number in [1, MAX_ABORT_ALARMS] {
                let name = name("inoculate", &run_id, number);
                assert_eq!(run_of("inoculate", &name), Some(run_id.clone()), "{name}");
                assert!(name.len() <= 255, "{name}");
                assert_eq!(run_of("inoculat", &name), None, "{name} in another stack");
            }
        }
    }

    #[test]
    fn other_alarms_belong_to_no_run() {
        for alarm in [
            "",
            "customers are unhappy",
            "inoculate-rollback-errors",
            "inoculate-run-",
            "inoculate-run-r",
            "inoculate-run-r-",
            "inoculate-run-r-0",
            "inoculate-run-r-01",
            "inoculate-run-r-+1",
            "inoculate-run-r-11",
            "inoculate-run-r-errors",
            "inoculate-run--1",
            "inoculate-run-a b-1",
            "Inoculate-run-r-1",
            " inoculate-run-r-1",
        ] {
            assert_eq!(run_of("inoculate", alarm), None, "{alarm:?}");
        }
    }

    fn run_in(phase: Phase) -> Run {
        let new = NewRun {
            id: "r".parse().unwrap(),
            experiment: "e".into(),
            digest: String::new(),
            execution_arn: None,
            functions: vec![],
        };
        let (mut run, _) = Run::open(new, String::new(), Timestamp::UNIX_EPOCH);
        let ending = Ending {
            status: Status::Aborted,
            cause: Cause::Alarm,
            detail: String::new(),
        };
        let events = [
            Event::BaselineHeld,
            Event::InjectionBegan,
            Event::Injected,
            Event::RollbackBegan { ending },
            Event::RolledBack,
        ];
        for event in events {
            if run.phase < phase {
                run = run.after(&event, Timestamp::UNIX_EPOCH).unwrap();
            }
        }
        assert_eq!(run.phase, phase);
        run
    }

    #[test]
    fn only_old_alarms_of_runs_that_are_over_are_strays() {
        let alarm = MadeAlarm {
            name: "inoculate-run-r-1".into(),
            changed_at: Timestamp::UNIX_EPOCH,
        };
        let after = |secs| Timestamp::UNIX_EPOCH + SignedDuration::from_secs(secs);
        let old = SETTLED_AFTER.as_secs();
        for (phase, over) in [
            (Phase::Opened, false),
            (Phase::Steady, false),
            (Phase::Injecting, false),
            (Phase::Injected, false),
            (Phase::RollingBack, false),
            (Phase::RolledBack, true),
        ] {
            let run = run_in(phase);
            assert_eq!(is_stray(&alarm, Some(&run), after(old)), over, "{phase:?}");
            assert!(!is_stray(&alarm, Some(&run), after(old - 1)), "{phase:?}");
        }
        assert!(is_stray(&alarm, None, after(old)));
        assert!(!is_stray(&alarm, None, after(old - 1)));
    }
}

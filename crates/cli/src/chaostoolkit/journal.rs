//! A run as a journal of Chaos Toolkit, for what reads journals.
//!
//! Source: <https://chaostoolkit.org/reference/api/journal/>, and `initialize_run_journal` and `execute_activity` of
//! chaostoolkit-lib 1.44.

use inoculate_core::experiment::{Experiment, Fault};
use inoculate_core::judge::{Finding, Verdict};
use inoculate_core::ports::Measured;
use inoculate_core::run::{Cause, Run, Status};
use inoculate_core::undo::{UndoRecord, UndoState};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::render::text::{clean, limits};
use inoculate_core::details::RunDetails;

/// The version of chaostoolkit-lib whose journals these are like. Its reports look at it.
const CHAOSLIB: &str = "1.44.0";

/// The journal of a run that is over; `None` while it is under way.
///
/// Every activity names `inoculate` as what provided it, and shows the run: an experiment that somebody takes out of the
/// journal and starts with Chaos Toolkit changes nothing. What Chaos Toolkit has no place for is under `inoculate`.
pub fn journal(details: &RunDetails) -> Option<Value> {
    let run = &details.run;
    let end = run.closed_at?;
    let results = &details.results;
    let during = results
        .evaluation
        .as_ref()
        .and_then(|evaluation| evaluation.during.as_ref());
    let state = |measured: &Measured| steady_state(run, measured);
    let mut journal = json!({
        "chaoslib-version": CHAOSLIB,
        "platform": "AWS Lambda",
        "node": format!("inoculate {}", env!("CARGO_PKG_VERSION")),
        "experiment": experiment(details),
        "start": run.opened_at,
        "status": status(run),
        "deviated": run.verdict == Some(Verdict::Deviated),
        "steady_states": {
            "before": results.baseline.as_ref().map(state),
            "after": during.map(state),
            "during": results.observations.iter().map(state).collect::<Vec<_>>(),
        },
        "run": injections(details),
        "rollbacks": rollbacks(details),
        "inoculate": { "run": run, "evaluation": results.evaluation },
    });
    journal["end"] = json!(end);
    journal["duration"] = json!(end.duration_since(run.opened_at).as_secs_f64());
    Some(journal)
}

/// The status in the words of Chaos Toolkit, to which an experiment that finds no steady state has failed.
fn status(run: &Run) -> &'static str {
    let cause = run.ending.as_ref().map(|ending| ending.cause);
    match run.status {
        Status::Running | Status::Completed => "completed",
        Status::Refused if cause == Some(Cause::NotSteady) => "failed",
        Status::Refused | Status::Aborted => "aborted",
        Status::Failed | Status::RollbackFailed => "failed",
    }
}

/// The experiment in the words of Chaos Toolkit, and valid to it where `inoculate` is installed.
fn experiment(details: &RunDetails) -> Value {
    let run = &details.run;
    let hypothesis = details
        .experiment
        .as_ref()
        .map(|experiment| clean(&experiment.hypothesis));
    let hypothesis = hypothesis.unwrap_or_else(|| "The experiment could not be read.".to_owned());
    let shown = details.results.baseline.as_ref();
    let probes = shown
        .into_iter()
        .flat_map(|measured| &measured.findings)
        .map(|finding| probe(run, finding));
    let actions = faults(details).map(|fault| action(run, &in_words(details, fault.0, fault.1)));
    json!({
        "version": "1.0.0",
        "title": run.experiment,
        "description": hypothesis,
        "tags": ["inoculate"],
        "steady-state-hypothesis": { "title": hypothesis, "probes": probes.collect::<Vec<_>>() },
        "method": actions.collect::<Vec<_>>(),
        "rollbacks": [action(run, ROLLBACK)],
    })
}

/// What a rollback is called where no setting was changed.
const ROLLBACK: &str = "take the faults away";

fn faults(details: &RunDetails) -> impl Iterator<Item = (usize, &Fault)> {
    let faults = details.experiment.as_ref().map(|Experiment { faults, .. }| faults);
    faults.into_iter().flatten().enumerate()
}

/// A fault in a few words, with the values where it changed a setting.
fn in_words(details: &RunDetails, number: usize, fault: &Fault) -> String {
    match undo_record(details, number) {
        Some(UndoRecord {
            function,
            setting,
            before,
            set,
            ..
        }) => clean(&format!("{setting} of {function}: {before} -> {set}")),
        None => format!("{} in {}", fault.kind(), fault.function()),
    }
}

fn undo_record(details: &RunDetails, number: usize) -> Option<&UndoRecord> {
    details
        .faults
        .iter()
        .find(|record| usize::try_from(record.number) == Ok(number))
}

/// What provides every activity. It only shows the run.
fn provider(run: &Run) -> Value {
    json!({ "type": "process", "path": "inoculate", "arguments": format!("show {}", run.id) })
}

fn action(run: &Run, name: &str) -> Value {
    json!({ "type": "action", "name": name, "provider": provider(run) })
}

/// A measure as a probe. The judge is more than a comparison, so what is tolerated is its verdict; the limits are in the
/// name.
fn probe(run: &Run, finding: &Finding) -> Value {
    let name = clean(&format!("{}, {}", finding.measure, limits(finding)));
    json!({ "type": "probe", "name": name, "tolerance": Verdict::Upheld, "provider": provider(run) })
}

/// What was found in a window. `null` where the data cannot tell: to Chaos Toolkit, that is neither met nor not met yet.
fn steady_state(run: &Run, measured: &Measured) -> Value {
    let met = |verdict: Verdict| match verdict {
        Verdict::Upheld => json!(true),
        Verdict::Deviated => json!(false),
        Verdict::Inconclusive => Value::Null,
    };
    let window = measured.window;
    let probes = measured.findings.iter().map(|finding| {
        let mut done = done(probe(run, finding), window.from, window.until, None);
        done["output"] = json!(finding.verdict);
        done["tolerance_met"] = met(finding.verdict);
        done["finding"] = json!(finding);
        done
    });
    json!({
        "steady_state_met": met(inoculate_core::judge::overall(&measured.findings)),
        "probes": probes.collect::<Vec<_>>(),
    })
}

/// An activity that was carried out, or failed for a reason.
fn done(activity: Value, start: Timestamp, end: Timestamp, failed: Option<String>) -> Value {
    let mut run = json!({
        "activity": activity,
        "output": null,
        "start": start,
        "end": end,
        "duration": end.duration_since(start).as_secs_f64(),
        "status": if failed.is_some() { "failed" } else { "succeeded" },
    });
    if let Some(why) = failed {
        run["exception"] = json!([clean(&why)]);
    }
    run
}

/// The faults that were put in place, or may have been.
fn injections(details: &RunDetails) -> Vec<Value> {
    let run = &details.run;
    let Some(start) = run.injecting_at else {
        return Vec::new();
    };
    let end = run.injected_at.or(run.rollback_at).unwrap_or(start);
    let never = run
        .injected_at
        .is_none()
        .then(|| "the faults were never all in place".to_owned());
    let each = faults(details).map(|(number, fault)| {
        let activity = action(run, &in_words(details, number, fault));
        let mut done = done(activity, start, end, never.clone());
        done["output"] = json!({ "fault": fault, "setting": undo_record(details, number) });
        done
    });
    each.collect()
}

/// What was put back, and whether the steady state came back.
fn rollbacks(details: &RunDetails) -> Vec<Value> {
    let run = &details.run;
    let (Some(start), Some(_)) = (run.rollback_at, run.injecting_at) else {
        return Vec::new();
    };
    let end = run.rolled_back_at.unwrap_or(start);
    let settings = details.faults.iter().map(|record| {
        let name = format!("{} of {} back to {}", record.setting, record.function, record.before);
        let mut done = done(action(run, &clean(&name)), start, record.at.max(start), left(record));
        done["output"] = json!(record);
        done
    });
    let mut all: Vec<Value> = settings.collect();
    if all.is_empty() {
        all.push(done(action(run, ROLLBACK), start, end, None));
    }
    let recovery = details
        .results
        .evaluation
        .as_ref()
        .and_then(|evaluation| evaluation.recovery.as_ref());
    if let Some(measured) = recovery {
        let state = steady_state(run, measured);
        all.extend(state["probes"].as_array().into_iter().flatten().cloned());
    }
    all
}

/// Why a setting is not as it was; `None` when it is.
fn left(record: &UndoRecord) -> Option<String> {
    match record.state {
        UndoState::Restored | UndoState::NotApplied => None,
        UndoState::Foreign { found } => Some(format!(
            "somebody else set it to {found} in the meantime, so it was left alone"
        )),
        UndoState::Gone => Some("it does not exist any more".to_owned()),
        UndoState::Intended | UndoState::Applied | UndoState::Restoring => {
            Some(format!("it is not back: {}", record.by_hand()))
        }
    }
}

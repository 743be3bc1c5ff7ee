//! One run: what came of it, and everything that is recorded of it.

use inoculate_core::judge::Verdict;
use inoculate_core::ports::Evaluation;
use inoculate_core::run::Status;
use inoculate_core::undo::UndoRecord;
use inoculate_core::words::{self, standing, undone};
use jiff::Timestamp;

use super::findings::evidence;
use super::journal::entry;
use super::style::Style;
use super::text::{clock, field, secs_between, time, wrap};
use inoculate_core::details::RunDetails;

/// Everything that is recorded of a run.
pub fn everything(details: &RunDetails, now: Timestamp, style: Style) -> String {
    let journal = details
        .journal
        .iter()
        .map(|one| entry(one, details.run.opened_at, style));
    let journal: Vec<String> = journal.collect();
    let mut parts = vec![result(details, now, style)];
    parts.extend(own_alarms(details, style));
    if !journal.is_empty() {
        parts.push(format!("{}\n{}", style.bold("journal"), journal.join("\n")));
    }
    parts.join("\n\n")
}

/// The alarms that the run makes for itself while its faults are there.
fn own_alarms(details: &RunDetails, style: Style) -> Option<String> {
    let alarms = &details.experiment.as_ref()?.guards.abort_when;
    let lines: Vec<String> = alarms.iter().map(|alarm| wrap("  ", &alarm.to_string())).collect();
    (!lines.is_empty()).then(|| format!("{}\n{}", style.bold("alarms of its own"), lines.join("\n")))
}

/// What came of a run, with the evidence.
pub fn result(details: &RunDetails, now: Timestamp, style: Style) -> String {
    let mut parts = vec![head(details, now, style)];
    if !details.faults.is_empty() {
        let faults: Vec<String> = details.faults.iter().map(|fault| changed(fault, style)).collect();
        parts.push(format!("{}\n{}", style.bold("faults"), faults.join("\n")));
    }
    let results = &details.results;
    if let Some(baseline) = &results.baseline {
        parts.push(evidence("baseline", baseline, style));
    }
    let during = results
        .evaluation
        .as_ref()
        .and_then(|evaluation| evaluation.during.as_ref());
    if let Some(during) = during {
        parts.push(evidence("with the faults", during, style));
    } else if let Some(latest) = results.observations.last() {
        let title = format!("with the faults, round {}", results.observations.len());
        parts.push(evidence(&title, latest, style));
    }
    if let Some(recovery) = results
        .evaluation
        .as_ref()
        .and_then(|evaluation| evaluation.recovery.as_ref())
    {
        parts.push(evidence("after the rollback", recovery, style));
    }
    parts.extend(what_to_do(details));
    parts.join("\n\n")
}

fn head(details: &RunDetails, now: Timestamp, style: Style) -> String {
    let run = &details.run;
    let mut lines = vec![
        painted("run", run.id.as_str(), |text| style.bold(text)),
        field("experiment", &run.experiment),
    ];
    if let Some(experiment) = &details.experiment {
        lines.push(field("hypothesis", &experiment.hypothesis));
    }
    let took = clock(secs_between(run.opened_at, run.closed_at.unwrap_or(now)));
    let took = match run.closed_at {
        Some(_) => format!("{}, took {took}", time(run.opened_at)),
        None => format!("{}, {took} ago", time(run.opened_at)),
    };
    lines.push(field("started", &took));
    // While it matters: what is over by then was not ended by it.
    if let Some(closes_at) = run.closes_at.filter(|_| run.rollback_at.is_none()) {
        lines.push(field(
            "window",
            &format!("closes {}, and ends the run", time(closes_at)),
        ));
    }
    lines.extend(run.unchecked.iter().map(|what| field("not checked", what)));
    lines.push(painted("status", &standing(run), |text| style.status(run.status, text)));
    let evaluation = details.results.evaluation.as_ref();
    // The verdict often gives the same reason; once is enough.
    let is_said = |detail: &str| evaluation.is_some_and(|evaluation| evaluation.because.contains(detail));
    if let Some(ending) = run.ending.as_ref().filter(|ending| !is_said(&ending.detail)) {
        lines.push(field("ended by", &ending.detail));
    }
    if let Some(evaluation) = evaluation {
        lines.extend(verdict(evaluation, style));
    }
    lines.join("\n")
}

/// A field whose value is painted after it was laid out, since colour has no width.
fn painted(label: &str, value: &str, paint: impl Fn(&str) -> String) -> String {
    field(label, value).replacen(value, &paint(value), 1)
}

fn verdict(evaluation: &Evaluation, style: Style) -> Vec<String> {
    let mut lines = vec![
        painted("verdict", &evaluation.verdict.to_string(), |text| {
            style.verdict(evaluation.verdict, text)
        }),
        field("because", &evaluation.because),
    ];
    if let Some(recovered) = evaluation.recovered {
        lines.push(painted("recovered", words::recovered(recovered), |text| {
            style.verdict(recovered, text)
        }));
    }
    lines
}

fn changed(fault: &UndoRecord, style: Style) -> String {
    let UndoRecord {
        number,
        function,
        setting,
        before,
        set,
        ..
    } = fault;
    let label = format!("  {number}");
    let change = field(&label, &format!("{function}: {setting} {before} -> {set}"));
    let state = undone(&fault.state);
    let paint = |text: &str| {
        if fault.state.is_settled() {
            style.good(text)
        } else {
            style.unsure(text)
        }
    };
    format!("{change}\n{}", painted("", &state, paint))
}

/// The commands that a person may want next, each on a line of its own, to be copied.
fn what_to_do(details: &RunDetails) -> Option<String> {
    let run = &details.run;
    match run.status {
        Status::RollbackFailed => {
            let unsettled = details.faults.iter().filter(|fault| !fault.state.is_settled());
            let by_hand = unsettled.map(|fault| format!("\n  {}", fault.by_hand()));
            let by_hand: String = by_hand.collect();
            Some(format!(
                "A setting is not back. Try again:\n  inoculate rollback {}\nor put it back by hand:{by_hand}",
                run.id
            ))
        }
        _ if is_still_harmed(details) => Some(
            "The faults are gone, but the steady state is not back: see to the system.\n\
             What is not as it was is under `after the rollback`."
                .to_owned(),
        ),
        Status::Running if run.ending.is_none() => Some(format!("End it now:\n  inoculate abort {}", run.id)),
        _ => None,
    }
}

/// Whether the system did not come back within its recovery window, whatever the verdict.
fn is_still_harmed(details: &RunDetails) -> bool {
    let evaluation = details.results.evaluation.as_ref();
    evaluation.and_then(|evaluation| evaluation.recovered) == Some(Verdict::Deviated)
}

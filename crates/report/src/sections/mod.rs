//! What a report says, in the order in which people want to know it. One file a part.

mod advice;
mod callers;
mod dependencies;
mod experiment;
mod faults;
mod journal;
mod looks;
mod measures;
mod result;
mod rollback;
mod time_line;

use inoculate_core::details::RunDetails;
use inoculate_core::judge::Finding;
use inoculate_core::ports::Measured;
use jiff::Timestamp;

use crate::document::{At, Document, Inline, Line, line, text};

/// The report of a run as data. `now` counts for a run that is not over.
pub fn document(details: &RunDetails, now: Timestamp) -> Document {
    let sections = [
        Some(result::section(details, now)),
        measures::section(details, now),
        advice::section(details),
        Some(time_line::section(details, now)),
        faults::section(details),
        callers::section(details),
        dependencies::section(details),
        rollback::section(details, now),
        rollback::recovery(details),
        experiment::section(details),
        journal::section(details),
    ];
    let evaluation = details.results.evaluation.as_ref();
    let hypothesis = details
        .experiment
        .as_ref()
        .map(|experiment| experiment.hypothesis.clone());
    Document {
        title: format!("Experiment {}", details.run.experiment),
        verdict: evaluation
            .map(|evaluation| Inline::Verdict(evaluation.verdict, At::root().key("results/evaluation/verdict"))),
        hypothesis: hypothesis.map(|said| vec![Inline::Said(said, At::root().key("experiment/hypothesis"))]),
        sections: sections.into_iter().flatten().collect(),
        // What is recorded can be written as JSON: it came as such.
        json: serde_json::to_string(details).unwrap_or_default(),
    }
}

/// What was measured in a window, with where it is in the record.
#[derive(Clone)]
struct Window<'a> {
    name: Line,
    measured: &'a Measured,
    at: At,
}

impl Window<'_> {
    /// What was found for a measure, and where that is.
    fn finding(&self, measure: &str) -> Option<(&Finding, At)> {
        let findings = &self.measured.findings;
        let index = findings
            .iter()
            .position(|finding| finding.measure.as_str() == measure)?;
        Some((&findings[index], self.at.key("findings").item(index)))
    }
}

fn baseline(details: &RunDetails) -> Option<Window<'_>> {
    let measured = details.results.baseline.as_ref()?;
    let at = At::root().key("results/baseline");
    Some(Window {
        name: line("baseline"),
        measured,
        at,
    })
}

/// The rounds, in order.
fn rounds(details: &RunDetails) -> impl Iterator<Item = Window<'_>> {
    let observations = details.results.observations.iter().enumerate();
    observations.map(|(index, measured)| Window {
        name: line(format!("round {}", index + 1)),
        measured,
        at: At::root().key("results/observations").item(index),
    })
}

/// What was measured of the whole time of the faults; until it is known, the latest round.
fn with_faults(details: &RunDetails) -> Option<Window<'_>> {
    let during = details
        .results
        .evaluation
        .as_ref()
        .and_then(|evaluation| evaluation.during.as_ref());
    let whole = during.map(|measured| Window {
        name: line("with the faults"),
        measured,
        at: At::root().key("results/evaluation/during"),
    });
    whole.or_else(|| rounds(details).last())
}

fn recovery(details: &RunDetails) -> Option<Window<'_>> {
    let measured = details.results.evaluation.as_ref()?.recovery.as_ref()?;
    let at = At::root().key("results/evaluation/recovery");
    Some(Window {
        name: line("after the rollback"),
        measured,
        at,
    })
}

/// The windows that a reader wants side by side: before, with and after the faults.
fn windows(details: &RunDetails) -> Vec<Window<'_>> {
    [baseline(details), with_faults(details), recovery(details)]
        .into_iter()
        .flatten()
        .collect()
}

/// When the record has a time of the run, and where.
fn run_time(at: Option<Timestamp>, field: &str) -> Option<(Timestamp, At)> {
    at.map(|at| (at, At::root().key("run").key(field)))
}

/// A time and where it is, as words.
fn time((at, place): (Timestamp, At)) -> Inline {
    Inline::Time(at, place)
}

/// Lines as one, with commas between them.
fn joined(lines: impl IntoIterator<Item = Line>) -> Line {
    let mut all = Line::new();
    for one in lines {
        if !all.is_empty() {
            all.push(text(", "));
        }
        all.extend(one);
    }
    all
}

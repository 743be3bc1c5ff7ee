//! What CI servers are told, as snapshots.

use inoculate_core::error::Code;
use insta::assert_snapshot;

use super::*;
use crate::args::InconclusiveAs;
use crate::render::github::{Places, annotations};
use crate::render::samples;
use crate::render::style::Style;
use crate::render::text::WIDTH;
use crate::render::{junit, markdown, suite};

fn closed(details: RunDetails) -> Outcome {
    Outcome {
        experiment: details.run.experiment.parse().unwrap(),
        file: Some("experiments/throttle.yaml".into()),
        run_id: Some(details.run.id.clone()),
        end: Ended::Closed(Box::new(details)),
    }
}

fn inconclusive() -> RunDetails {
    let mut details = samples::upheld();
    details.run.verdict = Some(Verdict::Inconclusive);
    if let Some(evaluation) = &mut details.results.evaluation {
        evaluation.verdict = Verdict::Inconclusive;
        evaluation.because = "no request met the faults".to_owned();
        if let Some(finding) = evaluation.during.as_mut().and_then(|during| during.findings.last_mut()) {
            finding.verdict = Verdict::Inconclusive;
            finding.sentence = "2 of 12 points arrived; <3> & more are needed\u{1b}[31m".to_owned();
        }
    }
    details
}

fn of(end: Ended) -> Outcome {
    Outcome {
        experiment: "slow".parse().unwrap(),
        file: None,
        run_id: None,
        end,
    }
}

fn left_open(details: Option<RunDetails>) -> Ended {
    let execution = ExecutionState {
        arn: "arn".to_owned(),
        running: false,
        status: "TIMED_OUT".to_owned(),
        error: None,
        cause: None,
    };
    Ended::LeftOpen(execution, details.map(Box::new))
}

/// One of each kind.
fn every_kind() -> Vec<Outcome> {
    vec![
        closed(samples::upheld()),
        closed(samples::not_recovered()),
        closed(samples::deviated()),
        closed(inconclusive()),
        closed(samples::refused()),
        closed(samples::rollback_failed()),
        of(left_open(Some(samples::running()))),
        of(left_open(None)),
        of(Ended::Error(Error::new(
            Code::AccessDenied,
            "not allowed to start the state machine",
        ))),
        of(Ended::Interrupted),
        of(Ended::NotStarted(
            "a setting of another run is not back: see to it first".to_owned(),
        )),
    ]
}

#[test]
fn junit_of_every_kind() {
    assert_snapshot!(junit::text(&every_kind(), InconclusiveAs::Skipped).unwrap());
    let strict = junit::text(&[closed(inconclusive())], InconclusiveAs::Failure).unwrap();
    assert_snapshot!("junit_where_inconclusive_fails", strict);
}

#[test]
fn annotations_of_every_kind() {
    let places = Places {
        file: "experiments/throttle.yaml".to_owned(),
        lines: vec![
            ("failed-orders".parse().unwrap(), 12),
            ("checkout-time".parse().unwrap(), 18),
        ],
    };
    let outcomes = every_kind();
    let lines = outcomes.iter().map(|outcome| {
        let places = outcome.file.as_ref().map(|_| &places);
        format!("{}:\n{}", outcome.word(), annotations(outcome, places).join("\n"))
    });
    assert_snapshot!(lines.collect::<Vec<_>>().join("\n"));
}

#[test]
fn markdown_of_a_run_and_of_several() {
    let one = [
        closed(samples::deviated()),
        closed(samples::refused()),
        of(Ended::Interrupted),
    ];
    let texts: Vec<String> = one.iter().map(markdown::run).collect();
    assert_snapshot!("markdown_of_runs", texts.join("\n=====\n"));
    assert_snapshot!("markdown_of_several", markdown::scorecard(&every_kind()));
}

#[test]
fn the_scorecard() {
    let text = suite::scorecard(&every_kind(), Style::PLAIN);
    assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
    assert_snapshot!("scorecard", text);
    let json = suite::scorecard_json(&[closed(samples::deviated()), every_kind().remove(8)]);
    assert_snapshot!("scorecard_as_json", serde_json::to_string_pretty(&json).unwrap());
    let all = suite::scorecard_json(&every_kind());
    assert_eq!(all["exit"], Exit::RollbackFailed.number());
    let fine = suite::scorecard_json(&[closed(samples::upheld())]);
    assert_eq!(fine["exit"], 0);
}

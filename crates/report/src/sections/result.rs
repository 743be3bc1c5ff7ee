//! What came of a run.

use inoculate_core::details::RunDetails;
use inoculate_core::run::{Phase, Run, Status};
use inoculate_core::words;
use jiff::Timestamp;

use super::{run_time, time};
use crate::document::{At, Block, Inline, Length, Line, Section, line, text};

pub(super) fn section(details: &RunDetails, now: Timestamp) -> Section {
    let mut blocks = vec![Block::Facts(facts(details, now))];
    blocks.extend(what_to_do(details));
    Section {
        id: "result",
        heading: "Result",
        blocks,
    }
}

fn facts(details: &RunDetails, now: Timestamp) -> Vec<(&'static str, Line)> {
    let run = &details.run;
    let at = At::root().key("run");
    let mut facts = verdict(details);
    facts.push(("status", standing(run)));
    let evaluation = details.results.evaluation.as_ref();
    // The verdict often gives the same reason; once is enough.
    let is_said = |detail: &str| evaluation.is_some_and(|evaluation| evaluation.because.contains(detail));
    if let Some(ending) = run.ending.as_ref().filter(|ending| !is_said(&ending.detail)) {
        facts.push((
            "ended by",
            vec![Inline::Said(ending.detail.clone(), at.key("ending/detail"))],
        ));
    }
    facts.push(("run", vec![Inline::Code(run.id.to_string())]));
    facts.push(("started", vec![time((run.opened_at, at.key("opened_at")))]));
    let closed = run_time(run.closed_at, "closed_at");
    let took = Length {
        from: (run.opened_at, at.key("opened_at")),
        until: closed.clone().map_or((now, None), |(closed, at)| (closed, Some(at))),
    };
    let name = if closed.is_some() { "took" } else { "under way for" };
    facts.push((name, vec![Inline::Length(took)]));
    // While it matters: what is over by then was not ended by it.
    if let Some(closes) = run_time(run.closes_at, "closes_at").filter(|_| run.rollback_at.is_none()) {
        facts.push((
            "window",
            vec![text("closes "), time(closes), text(", and ends the run")],
        ));
    }
    for (index, what) in run.unchecked.iter().enumerate() {
        facts.push((
            "not checked",
            vec![Inline::Said(what.clone(), at.key("unchecked").item(index))],
        ));
    }
    facts.extend(
        run.execution_arn
            .iter()
            .map(|arn| ("execution", vec![Inline::Code(arn.clone())])),
    );
    facts
}

fn verdict(details: &RunDetails) -> Vec<(&'static str, Line)> {
    let Some(evaluation) = &details.results.evaluation else {
        return vec![("verdict", line("none yet"))];
    };
    let at = At::root().key("results/evaluation");
    let mut facts = vec![
        ("verdict", vec![Inline::Verdict(evaluation.verdict, at.key("verdict"))]),
        (
            "because",
            vec![Inline::Said(evaluation.because.clone(), at.key("because"))],
        ),
    ];
    facts.extend(
        evaluation
            .recovered
            .map(|recovered| ("recovered", line(words::recovered(recovered)))),
    );
    facts
}

/// How a run stands and, while it is not over, what it is doing.
fn standing(run: &Run) -> Line {
    let status = Inline::Status(run.status, At::root().key("run/status"));
    let words = words::standing(run);
    match words.split_once(", ").filter(|_| run.phase != Phase::Closed) {
        Some((_, doing)) => vec![status, text(format!(", {doing}"))],
        None => vec![status],
    }
}

/// What a person has to see to.
fn what_to_do(details: &RunDetails) -> Vec<Block> {
    let run = &details.run;
    if run.status != Status::RollbackFailed {
        return vec![];
    }
    let unsettled = details.faults.iter().filter(|fault| !fault.state.is_settled());
    vec![
        Block::Paragraph(line("A setting is not back. Try again:")),
        Block::Commands(vec![format!("inoculate rollback {}", run.id)]),
        Block::Paragraph(line("or put it back by hand:")),
        Block::Commands(unsettled.map(|fault| fault.by_hand()).collect()),
    ]
}

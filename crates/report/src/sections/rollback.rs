//! How and when everything was put back, and whether the system recovered.

use inoculate_core::details::RunDetails;
use inoculate_core::run::Event;
use inoculate_core::words;
use jiff::Timestamp;

use super::faults::change;
use super::{recovery as after_rollback, run_time, time};
use crate::document::{At, Block, Inline, Length, Line, Section, line, text};

/// `None` while there is no rollback.
pub(super) fn section(details: &RunDetails, now: Timestamp) -> Option<Section> {
    let run = &details.run;
    let began = run_time(run.rollback_at, "rollback_at")?;
    let back = run_time(run.rolled_back_at, "rolled_back_at");
    let mut facts: Vec<(&'static str, Line)> = vec![];
    if let Some(ending) = &run.ending {
        facts.push((
            "why",
            vec![Inline::Said(ending.detail.clone(), At::root().key("run/ending/detail"))],
        ));
    }
    facts.push(("began", vec![time(began.clone())]));
    facts.push(match back.clone() {
        Some(back) => ("everything was back", vec![time(back)]),
        None => ("everything was back", line("not yet")),
    });
    let took = Length {
        from: began,
        until: back.map_or((now, None), |(back, at)| (back, Some(at))),
    };
    let name = if run.rolled_back_at.is_some() {
        "took"
    } else {
        "under way for"
    };
    facts.push((name, vec![Inline::Length(took)]));
    let mut blocks = vec![Block::Facts(facts)];
    let changes = details.faults.iter().enumerate();
    let changes = changes.map(|(index, record)| vec![Inline::Of(change(record), At::root().key("faults").item(index))]);
    let failures = details
        .journal
        .iter()
        .enumerate()
        .filter_map(|(index, entry)| match &entry.event {
            Event::RollbackFailed { detail } => {
                let at = At::root().key("journal").item(index).key("detail");
                Some(vec![text("failed: "), Inline::Said(detail.clone(), at)])
            }
            _ => None,
        });
    let lines: Vec<Line> = changes.chain(failures).collect();
    if !lines.is_empty() {
        blocks.push(Block::List(lines));
    }
    if details
        .experiment
        .as_ref()
        .is_some_and(|experiment| experiment.uses_layer())
    {
        let words = "What the layer does ends with its lease, which the rollback takes away; \
                     without a reading it ends by itself.";
        blocks.push(Block::Paragraph(line(words)));
    }
    Some(Section {
        id: "rollback",
        heading: "Rollback",
        blocks,
    })
}

/// Whether the steady state came back; `None` when nobody looked.
pub(super) fn recovery(details: &RunDetails) -> Option<Section> {
    let recovered = details.results.evaluation.as_ref()?.recovered?;
    let at = At::root().key("results/evaluation/recovered");
    let mut blocks = vec![Block::Paragraph(vec![
        Inline::Verdict(recovered, at),
        text(format!(": {}", words::recovered(recovered))),
    ])];
    if let Some(window) = after_rollback(details) {
        let times = window.at.key("window");
        blocks.push(Block::Paragraph(vec![
            text("Looked at from "),
            time((window.measured.window.from, times.key("from"))),
            text(" until "),
            time((window.measured.window.until, times.key("until"))),
            text("."),
        ]));
    }
    Some(Section {
        id: "recovery",
        heading: "Recovery",
        blocks,
    })
}

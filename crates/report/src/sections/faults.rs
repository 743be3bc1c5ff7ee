//! What was injected, and how often.

use inoculate_core::details::RunDetails;
use inoculate_core::experiment::Fault;
use inoculate_core::undo::UndoRecord;
use inoculate_core::words::undone;

use super::with_faults;
use crate::document::{At, Block, Inline, Line, Number, Section, Table, line, number_or_dash, text};

/// `None` when it is not known what should have been injected.
pub(super) fn section(details: &RunDetails) -> Option<Section> {
    let experiment = details.experiment.as_ref()?;
    let at = At::root().key("experiment/faults");
    let rows = experiment.faults.iter().enumerate();
    let rows = rows.map(|(index, fault)| {
        vec![
            vec![Inline::Code(fault.kind().to_owned())],
            vec![Inline::Of(fault.describe(), at.item(index))],
            met(details, fault),
            became(details, index, fault),
        ]
    });
    let table = Table::new(
        &["kind", "what", "requests that met a fault", "what became of it"],
        rows.collect(),
    );
    let percent = At::root().key("experiment/blast_radius/percent");
    let percent = Number::amount(Some(experiment.blast_radius.percent), Some("percent"), percent);
    let who = vec![
        text("For "),
        percent.map_or_else(|| text("some"), Inline::Number),
        text(" of requests."),
    ];
    Some(Section {
        id: "faults",
        heading: "What was injected",
        blocks: vec![Block::Paragraph(who), Block::Table(table)],
    })
}

/// How often a request of the function met a fault. Nobody counts those that meet a changed setting.
fn met(details: &RunDetails, fault: &Fault) -> Line {
    if !fault.is_of_invocations() {
        return line("not counted");
    }
    let Some(window) = with_faults(details) else {
        return line("none");
    };
    let seen = window.measured.seen.iter().enumerate();
    let mut seen = seen.filter(|(_, seen)| seen.function == *fault.function());
    let counted = seen.next().map(|(index, seen)| {
        let at = window.at.key("seen").item(index).key("experimental");
        vec![
            Inline::Number(Number::count(seen.experimental.injected, at.key("injected"))),
            text(" of "),
            Inline::Number(Number::count(seen.experimental.requests, at.key("requests"))),
            text(" of the experimental group"),
        ]
    });
    counted.unwrap_or_else(|| number_or_dash(None))
}

/// What became of a fault: of a setting what its undo record says, of invocations how the run stands.
fn became(details: &RunDetails, index: usize, fault: &Fault) -> Line {
    let records = details.faults.iter().enumerate();
    let mut records = records.filter(|(_, record)| record.number as usize == index);
    if let Some((place, record)) = records.next() {
        return vec![Inline::Of(change(record), At::root().key("faults").item(place))];
    }
    let run = &details.run;
    line(match (run.injecting_at, run.rolled_back_at) {
        (None, _) => "never put in place",
        (Some(_), Some(_)) if fault.is_of_invocations() => "taken out of the leases",
        (Some(_), Some(_)) => "never put in place",
        (Some(_), None) if fault.is_of_invocations() => "in the leases of the layer, as far as is known",
        (Some(_), None) => "not put in place yet",
    })
}

/// What a record changed, and how far it is.
pub(super) fn change(record: &UndoRecord) -> String {
    let UndoRecord {
        function,
        setting,
        before,
        set,
        state,
        ..
    } = record;
    format!("{function}: {setting} {before} -> {set}; {}", undone(state))
}

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
            met(details, &experiment.faults, fault),
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
fn met(details: &RunDetails, faults: &[Fault], fault: &Fault) -> Line {
    if !fault.is_of_invocations() {
        return line("not counted");
    }
    let Some(window) = with_faults(details) else {
        return line(match details.run.injecting_at {
            None if is_over(details) => "none",
            Some(_) if details.run.closed_at.is_some() => "–",
            _ => "not counted yet",
        });
    };
    let seen = window.measured.seen.iter().enumerate();
    let mut seen = seen.filter(|(_, seen)| seen.function == *fault.function());
    let Some((index, seen)) = seen.next() else {
        return number_or_dash(None);
    };
    let at = window.at.key("seen").item(index).key("experimental");
    let mut counted = vec![
        Inline::Number(Number::count(seen.experimental.injected, at.key("injected"))),
        text(" of "),
        Inline::Number(Number::count(seen.experimental.requests, at.key("requests"))),
        text(" of the experimental group"),
    ];
    // The layer counts requests, not which of the faults of its function they met.
    let of_same = |other: &&Fault| other.is_of_invocations() && other.function() == fault.function();
    if faults.iter().filter(of_same).count() > 1 {
        counted.extend([
            text(", all faults of "),
            Inline::Code(fault.function().to_string()),
            text(" together"),
        ]);
    }
    counted
}

/// Whether no fault can come any more.
fn is_over(details: &RunDetails) -> bool {
    details.run.rollback_at.is_some() || details.run.closed_at.is_some()
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
        (None, _) if is_over(details) => "never put in place",
        (None, _) => "not put in place yet",
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{self, at};

    fn met_of(details: &RunDetails) -> Line {
        let faults = &details.experiment.as_ref().unwrap().faults;
        met(details, faults, &faults[0])
    }

    fn became_of(details: &RunDetails) -> Line {
        became(details, 0, &details.experiment.as_ref().unwrap().faults[0])
    }

    #[test]
    fn what_nobody_has_counted_yet_is_not_none() {
        let mut details = samples::layered_under_way(&[]);
        assert_eq!(met_of(&details), line("not counted yet"));
        details.run.closed_at = Some(at(300));
        assert_eq!(met_of(&details), line("–"));

        let mut details = samples::layered_under_way(&[]);
        details.run.injecting_at = None;
        assert_eq!(met_of(&details), line("not counted yet"));
        assert_eq!(became_of(&details), line("not put in place yet"));
        details.run.rollback_at = Some(at(300));
        assert_eq!(met_of(&details), line("none"));
        assert_eq!(became_of(&details), line("never put in place"));
    }

    #[test]
    fn a_number_is_of_all_faults_of_a_function_when_it_has_several() {
        let last = |details: &RunDetails| met_of(details).last().cloned().unwrap();
        let mut details = samples::layered_under_way(&[(60, 12)]);
        assert_eq!(last(&details), text(" of the experimental group"));
        let faults = &mut details.experiment.as_mut().unwrap().faults;
        let elsewhere = serde_json::json!({ "kind": "hang", "function": "shop-checkout" });
        let setting = serde_json::json!({ "kind": "timeout", "function": "shop-payments", "timeout": "1s" });
        faults.extend([elsewhere, setting].map(|fault| serde_json::from_value(fault).unwrap()));
        assert_eq!(last(&details), text(" of the experimental group"));
        let faults = &mut details.experiment.as_mut().unwrap().faults;
        faults.push(faults[0].clone());
        assert_eq!(last(&details), text(" together"));
    }
}

//! When what happened: the phases of a run and its faults.

use inoculate_core::details::RunDetails;
use inoculate_core::experiment::Fault;
use inoculate_core::run::{Event, JournalEntry};
use jiff::Timestamp;

use super::{run_time, time};
use crate::chart::{Bar, TimeLine};
use crate::document::{At, Block, Inline, Length, Section, Table, line};

/// A time and where it is; nowhere when it is that of the report.
type Until = (Timestamp, Option<At>);

pub(super) fn section(details: &RunDetails, now: Timestamp) -> Section {
    let bars: Vec<Bar> = phases(details, now).into_iter().chain(faults(details, now)).collect();
    let rows = bars.iter().map(|bar| {
        let Length { from, until } = &bar.length;
        vec![
            line(if bar.is_fault { "fault" } else { "phase" }),
            vec![Inline::Code(bar.name.clone())],
            vec![time(from.clone())],
            match &until.1 {
                Some(at) => vec![time((until.0, at.clone()))],
                None => line("not over"),
            },
            vec![Inline::Length(bar.length.clone())],
        ]
    });
    let table = Table::new(&["", "what", "from", "until", "lasted"], rows.collect());
    let rounds = details
        .journal
        .iter()
        .filter(|entry| matches!(entry.event, Event::Observed { .. }));
    let time_line = TimeLine {
        opened_at: details.run.opened_at,
        rounds: rounds.map(|entry| entry.at).collect(),
        bars,
    };
    let note = "A thin line is a round: a look at the system while the faults are there.";
    Section {
        id: "time-line",
        heading: "Time line",
        blocks: vec![
            Block::TimeLine(time_line),
            Block::Paragraph(line(note)),
            Block::Table(table),
        ],
    }
}

fn phases(details: &RunDetails, now: Timestamp) -> Vec<Bar> {
    let run = &details.run;
    let opened = run_time(Some(run.opened_at), "opened_at");
    let held = entry_time(details, |entry| entry.event == Event::BaselineHeld);
    let injecting = run_time(run.injecting_at, "injecting_at");
    let injected = run_time(run.injected_at, "injected_at");
    let rollback = run_time(run.rollback_at, "rollback_at");
    let back = run_time(run.rolled_back_at, "rolled_back_at");
    let closed = run_time(run.closed_at, "closed_at");
    let after = if run.injected_at.is_some() {
        "recovery"
    } else {
        "closing"
    };
    // Each with the times that can end it, the earliest first.
    let phases = [
        ("baseline", opened, [held, rollback.clone()]),
        (
            "putting faults in place",
            injecting,
            [injected.clone(), rollback.clone()],
        ),
        ("faults in place", injected, [rollback.clone(), None]),
        ("rolling back", rollback, [back.clone(), None]),
        (after, back, [closed.clone(), None]),
    ];
    let phases = phases.into_iter().filter_map(|(name, from, ends)| {
        let end = ends.into_iter().flatten().next().or_else(|| closed.clone());
        Some(bar(name, false, from?, end, now))
    });
    phases.collect()
}

/// Each fault from when it was there, as far as the journal says, until it was gone for sure.
fn faults(details: &RunDetails, now: Timestamp) -> Vec<Bar> {
    let run = &details.run;
    let Some(experiment) = &details.experiment else {
        return vec![];
    };
    let gone = run_time(run.rolled_back_at, "rolled_back_at");
    let bars = experiment.faults.iter().enumerate().filter_map(|(index, fault)| {
        let (from, until) = if fault.is_of_invocations() {
            (run_time(run.injecting_at, "injecting_at"), gone.clone())
        } else {
            (applied(details, index), settled(details, index))
        };
        Some(bar(&name(fault), true, from?, until, now))
    });
    bars.collect()
}

fn name(fault: &Fault) -> String {
    format!("{} of {}", fault.kind(), fault.function())
}

fn applied(details: &RunDetails, index: usize) -> Option<(Timestamp, At)> {
    entry_time(
        details,
        |entry| matches!(entry.event, Event::FaultApplied { undo } if undo as usize == index),
    )
}

fn settled(details: &RunDetails, index: usize) -> Option<(Timestamp, At)> {
    entry_time(
        details,
        |entry| matches!(entry.event, Event::UndoSettled { undo, .. } if undo as usize == index),
    )
}

/// When an entry of the journal was written, and where that is.
fn entry_time(details: &RunDetails, is: impl Fn(&JournalEntry) -> bool) -> Option<(Timestamp, At)> {
    let index = details.journal.iter().position(is)?;
    let at = details.journal.get(index)?.at;
    Some((at, At::root().key("journal").item(index).key("at")))
}

fn bar(name: &str, is_fault: bool, from: (Timestamp, At), until: Option<(Timestamp, At)>, now: Timestamp) -> Bar {
    let until: Until = until.map_or((now, None), |(until, at)| (until, Some(at)));
    Bar {
        name: name.to_owned(),
        is_fault,
        length: Length { from, until },
    }
}

//! What happened and when.

use inoculate_core::run::{Event, JournalEntry, Status};
use inoculate_core::undo::UndoState;
use jiff::Timestamp;

use super::style::Style;
use super::text::{clock, secs_between, wrap};

/// One entry, with the time since the run was recorded.
pub fn entry(entry: &JournalEntry, opened_at: Timestamp, style: Style) -> String {
    let since = format!("+{}", clock(secs_between(opened_at, entry.at)));
    let (what, detail) = words(&entry.event);
    let text = wrap(&format!("  {since:>8} {what:<16} "), &detail);
    text.replacen(&what, &in_colour(&entry.event, &what, style), 1)
}

/// One entry as it comes. What a round saw is left to its measures, which follow.
pub fn news(entry: &JournalEntry, opened_at: Timestamp, style: Style) -> String {
    let event = match &entry.event {
        Event::Observed { round, .. } => Event::Observed {
            round: *round,
            seen: String::new(),
        },
        other => other.clone(),
    };
    let entry = JournalEntry { event, ..entry.clone() };
    self::entry(&entry, opened_at, style)
}

fn in_colour(event: &Event, what: &str, style: Style) -> String {
    match event {
        Event::RollbackFailed { .. } => style.bad(what),
        Event::RollbackBegan { ending } => style.status(ending.status, what),
        Event::Closed { verdict, .. } => style.verdict(*verdict, what),
        _ => style.bold(what),
    }
}

fn words(event: &Event) -> (String, String) {
    let (what, detail) = match event {
        Event::Opened { experiment } => ("opened", format!("experiment {experiment}; measuring the baseline")),
        Event::BaselineHeld => ("baseline held", "the steady state holds".to_owned()),
        Event::InjectionBegan => ("injection began", String::new()),
        Event::FaultIntended { undo, what } => return (format!("fault {undo}"), format!("about to change: {what}")),
        Event::FaultApplied { undo } => return (format!("fault {undo}"), "in place, read back".to_owned()),
        Event::Injected => ("injected", "every fault is in place".to_owned()),
        Event::Observed { round, seen } => return (format!("round {round}"), seen.clone()),
        Event::RollbackBegan { ending } => ("rollback began", because(ending.status, &ending.detail)),
        Event::UndoBegan { undo } => return (format!("fault {undo}"), "about to be put back".to_owned()),
        Event::UndoSettled { undo, state } => return (format!("fault {undo}"), undone(state)),
        Event::RollbackFailed { detail } => ("rollback failed", detail.clone()),
        Event::RolledBack => ("rolled back", "nothing of the run is left in any target".to_owned()),
        Event::Closed { status, verdict } => ("closed", format!("{status}, verdict: {verdict}")),
    };
    (what.to_owned(), detail)
}

fn because(status: Status, detail: &str) -> String {
    match status {
        Status::Completed | Status::Running => detail.to_owned(),
        Status::Refused | Status::Aborted | Status::Failed | Status::RollbackFailed => format!("{status}: {detail}"),
    }
}

/// How far an undo is, in words.
pub fn undone(state: &UndoState) -> String {
    match state {
        UndoState::Intended => "written down, perhaps in place".to_owned(),
        UndoState::Applied => "in place".to_owned(),
        UndoState::Restoring => "being put back".to_owned(),
        UndoState::Restored => "restored, read back".to_owned(),
        UndoState::NotApplied => "never put in place".to_owned(),
        UndoState::Gone => "gone, together with the function or mapping".to_owned(),
        UndoState::Foreign { found } => format!("left as somebody else set it meanwhile: {found}"),
    }
}

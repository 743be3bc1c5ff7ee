//! What happened and when.

use inoculate_core::run::{Event, JournalEntry};
use inoculate_core::words::happened;
use jiff::Timestamp;

use super::style::Style;
use super::text::{clock, secs_between, wrap};

/// One entry, with the time since the run was recorded.
pub fn entry(entry: &JournalEntry, opened_at: Timestamp, style: Style) -> String {
    let since = format!("+{}", clock(secs_between(opened_at, entry.at)));
    let (what, detail) = happened(&entry.event);
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

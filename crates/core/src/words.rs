//! What is recorded of a run in words, the same wherever people read it: on a terminal and in a report.

use jiff::Timestamp;

use crate::judge::{Finding, Limits, Verdict, rounded};
use crate::notice::is_unsafe;
use crate::run::{Event, Phase, Run, Status};
use crate::undo::UndoState;

/// The text on one line, without characters that act: records hold words of others, and a terminal obeys escape codes.
pub fn clean(text: &str) -> String {
    text.chars()
        .map(|letter| if is_unsafe(letter) { ' ' } else { letter })
        .collect()
}

/// A length of time: `0:07`, `12:30`, `1:02:03`.
pub fn clock(secs: i64) -> String {
    let secs = secs.max(0);
    let (hours, minutes, secs) = (secs / 3600, secs / 60 % 60, secs % 60);
    if hours > 0 {
        format!("{hours}:{minutes:02}:{secs:02}")
    } else {
        format!("{minutes}:{secs:02}")
    }
}

/// Seconds between two times.
pub fn secs_between(from: Timestamp, until: Timestamp) -> i64 {
    until.duration_since(from).as_secs()
}

/// A time to the second, in UTC.
pub fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// `1 point`, `2 points`.
pub fn count(number: usize, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {what}{plural}")
}

/// A number with the unit of its measure.
pub fn amount(value: Option<f64>, unit: Option<&str>) -> String {
    let number = value.map_or("no value".to_owned(), rounded);
    match unit.filter(|_| value.is_some()) {
        Some(unit) => format!("{number} {unit}"),
        None => number,
    }
}

/// The limits that were applied to a measure.
pub fn limits(finding: &Finding) -> String {
    let unit = finding.unit.as_deref();
    match finding.limits {
        Limits {
            low: Some(low),
            high: Some(high),
        } => {
            format!("{} to {}", rounded(low), amount(Some(high), unit))
        }
        Limits {
            low: Some(low),
            high: None,
        } => format!("at least {}", amount(Some(low), unit)),
        Limits {
            low: None,
            high: Some(high),
        } => format!("at most {}", amount(Some(high), unit)),
        Limits { low: None, high: None } => "no limit yet".to_owned(),
    }
}

/// How a run stands and what it is doing.
pub fn standing(run: &Run) -> String {
    let phase = match run.phase {
        Phase::Opened => "measuring the baseline",
        Phase::Steady => "the steady state holds, faults come next",
        Phase::Injecting => "putting faults in place",
        Phase::Injected => "faults are in place",
        Phase::RollingBack => "rolling back",
        Phase::RolledBack => "everything is back, recovering",
        Phase::Closed => return run.status.to_string(),
    };
    format!("{}, {phase}", run.status)
}

/// Whether the steady state came back after the faults, in words.
pub fn recovered(recovered: Verdict) -> &'static str {
    match recovered {
        Verdict::Upheld => "yes, the steady state is back",
        Verdict::Inconclusive => "unknown, the data cannot tell",
        Verdict::Deviated => "NO, the steady state is not back",
    }
}

/// What an event of the journal says: what happened, and the rest; which is empty when there is no more to say.
pub fn happened(event: &Event) -> (String, String) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_are_read_at_a_glance() {
        let texts: Vec<String> = [-1, 7, 750, 3723].into_iter().map(clock).collect();
        assert_eq!(texts, ["0:00", "0:07", "12:30", "1:02:03"]);
    }
}

//! Schedules, and when each starts next.

use inoculate_core::schedule::{LATEST_SECS, Schedule};
use jiff::Timestamp;
use serde::Serialize;

use super::style::Style;
use super::text::{clean, count, field, time};
use crate::when::TimeZone;

/// A schedule with its next starts.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Upcoming {
    /// The schedule.
    #[serde(flatten)]
    pub schedule: Schedule,
    /// Its next starts, soonest first; none when it is over or switched off.
    #[serde(rename = "next_starts")]
    pub starts: Vec<Timestamp>,
    /// Whether they could be computed: somebody else may have written what only the scheduler understands.
    #[serde(skip)]
    pub computed: bool,
}

impl Upcoming {
    /// How many starts are shown.
    pub const SHOWN: usize = 3;
}

/// What was made.
pub fn added(upcoming: &Upcoming, style: Style) -> String {
    let late = upcoming.schedule.flexible_minutes.unwrap_or(0) * 60 + LATEST_SECS;
    let late = field(
        "a late start",
        &format!(
            "is refused when it comes more than {} minutes after its time",
            late / 60
        ),
    );
    format!("scheduled {}\n{late}", lines(upcoming, style).join("\n"))
}

/// All schedules.
pub fn list(all: &[Upcoming], style: Style) -> String {
    if all.is_empty() {
        return "no schedules yet; make one with `inoculate schedule add`".to_owned();
    }
    let mut blocks: Vec<String> = all.iter().map(|upcoming| lines(upcoming, style).join("\n")).collect();
    blocks.push(style.dim(&count(all.len(), "schedule")));
    blocks.join("\n\n")
}

fn lines(upcoming: &Upcoming, style: Style) -> Vec<String> {
    let schedule = &upcoming.schedule;
    let off = if schedule.enabled { "" } else { " (switched off)" };
    let experiment = schedule
        .experiment()
        .map_or_else(|| "one in its input".to_owned(), clean);
    let mut lines = vec![
        format!("{}{off}", style.bold(schedule.name.as_str())),
        field("experiment", &experiment),
        field("when", &format!("{} in {}", schedule.expression, schedule.time_zone)),
    ];
    if let Some(minutes) = schedule.flexible_minutes {
        lines.push(field(
            "flexible",
            &format!("within {} after it", count_minutes(minutes)),
        ));
    }
    for (label, at) in [("from", schedule.from), ("until", schedule.until)] {
        lines.extend(at.map(|at| field(label, &shown(at, schedule))));
    }
    let next = match upcoming.starts.split_first() {
        None if !upcoming.computed => field("next starts", "as the scheduler understands it"),
        None => field("next starts", "none"),
        Some((first, others)) => {
            let others = others.iter().map(|at| field("", &shown(*at, schedule)));
            let first = field("next starts", &shown(*first, schedule));
            std::iter::once(first).chain(others).collect::<Vec<_>>().join("\n")
        }
    };
    lines.push(next);
    lines
}

fn count_minutes(minutes: u32) -> String {
    count(usize::try_from(minutes).unwrap_or(usize::MAX), "minute")
}

/// A time on the clock of the schedule, and in UTC where that is another one.
fn shown(at: Timestamp, schedule: &Schedule) -> String {
    match schedule.time_zone.parse::<TimeZone>() {
        Ok(zone) if zone.name() != "UTC" => format!("{} ({})", zone.shown(at), time(at)),
        Ok(zone) => zone.shown(at),
        Err(_) => time(at),
    }
}

#[cfg(test)]
mod tests {
    use inoculate_core::schedule::input;
    use serde_json::json;

    use super::*;

    fn upcoming() -> Upcoming {
        let at = |text: &str| text.parse().unwrap();
        Upcoming {
            schedule: Schedule {
                name: "weekly".parse().unwrap(),
                input: input(&"payments-throttled".parse().unwrap(), Some(15)),
                expression: "cron(0 10 ? * TUE *)".to_owned(),
                time_zone: "Europe/Berlin".to_owned(),
                flexible_minutes: Some(15),
                from: None,
                until: Some(at("2026-12-31T22:59:59Z")),
                enabled: true,
                made_at: Some(at("2026-11-01T00:00:00Z")),
            },
            starts: ["2026-11-24T09:00:00Z", "2026-12-01T09:00:00Z", "2026-12-08T09:00:00Z"]
                .map(at)
                .to_vec(),
            computed: true,
        }
    }

    #[test]
    fn what_was_made_is_shown_with_its_next_starts() {
        insta::assert_snapshot!(added(&upcoming(), Style::PLAIN));
    }

    #[test]
    fn schedules_are_listed_whoever_made_them() {
        let mut by_hand = upcoming();
        by_hand.schedule.name = "by-hand".parse().unwrap();
        by_hand.schedule.input = json!({ "experiment": { "name": "inline" } });
        by_hand.schedule.expression = "cron(0 10 ? * TUE#9 *)".to_owned();
        by_hand.schedule.time_zone = "UTC".to_owned();
        by_hand.schedule.flexible_minutes = None;
        by_hand.schedule.until = None;
        by_hand.schedule.enabled = false;
        by_hand.starts.clear();
        let mut unknown = by_hand.clone();
        unknown.computed = false;
        unknown.schedule.name = "unknown".parse().unwrap();
        unknown.schedule.enabled = true;
        insta::assert_snapshot!(list(&[by_hand, unknown, upcoming()], Style::PLAIN));
        assert_eq!(
            list(&[], Style::PLAIN),
            "no schedules yet; make one with `inoculate schedule add`"
        );
    }
}

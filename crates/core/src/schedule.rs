//! Schedules: when a saved experiment starts by itself, and which starts come too late.
//!
//! EventBridge Scheduler keeps a schedule and starts the state machine with its input. A start that could not be delivered in
//! time must not happen later, when nobody expects it. So the scheduler drops it after [`LONGEST_DELIVERY_SECS`], and the
//! input says for when it was meant: the step that opens a run refuses one that comes too late ([`too_late`]).

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::error::Result;
use crate::names::{ExperimentName, ScheduleName};

/// How long the scheduler may try to deliver a start, in seconds: the least that it takes.
///
/// Source: <https://docs.aws.amazon.com/scheduler/latest/APIReference/API_RetryPolicy.html>
pub const LONGEST_DELIVERY_SECS: i32 = 60;

/// How often the scheduler tries again to deliver a start: a start whose answer was lost would happen twice.
pub const DELIVERY_RETRIES: i32 = 0;

/// How late a start may open its run, in seconds, beside the flexible window: a minute because the scheduler keeps time to the
/// minute only, one to deliver it, one for the retries of the opening.
///
/// Source: <https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html>
pub const LATEST_SECS: u32 = 180;

/// The widest flexible window, in minutes.
///
/// Source: <https://docs.aws.amazon.com/scheduler/latest/APIReference/API_FlexibleTimeWindow.html>
pub const WIDEST_FLEXIBLE_MINUTES: u32 = 1440;

/// The time for which a start was meant; the scheduler puts it there.
///
/// Source: <https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-schedule-context-attributes.html>
pub const SCHEDULED_TIME: &str = "<aws.scheduler.scheduled-time>";

/// For when a start was meant, and how late it may come: the field `schedule` of the input of the state machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Start {
    /// The time, as the scheduler writes it.
    scheduled_at: String,
    /// How late it may come, in seconds.
    within_secs: u32,
}

/// The input of the state machine for a saved experiment that a schedule starts.
pub fn input(experiment: &ExperimentName, flexible_minutes: Option<u32>) -> Value {
    let start = Start {
        scheduled_at: SCHEDULED_TIME.to_owned(),
        within_secs: flexible_minutes
            .unwrap_or(0)
            .saturating_mul(60)
            .saturating_add(LATEST_SECS),
    };
    json!({ "experiment": experiment, "schedule": start })
}

/// Why a start must not happen any more, in words; `None` when it came in time, or no schedule made it.
///
/// `schedule` is that field of the input. One that cannot be read is too late: nobody can say that it is not.
pub fn too_late(schedule: &Value, now: Timestamp) -> Option<String> {
    if schedule.is_null() {
        return None;
    }
    let start: Start = match serde_json::from_value(schedule.clone()) {
        Ok(start) => start,
        Err(error) => return Some(format!("the input does not say for when the start was meant: {error}")),
    };
    let Ok(scheduled_at) = start.scheduled_at.parse::<Timestamp>() else {
        let at = start.scheduled_at;
        return Some(format!(
            "the input does not say for when the start was meant: {at:?} is no time"
        ));
    };
    let late = now.duration_since(scheduled_at);
    (late > SignedDuration::from_secs(start.within_secs.into())).then(|| {
        format!(
            "the start was meant for {scheduled_at:.0} and came {} seconds later; at most {} are allowed",
            late.as_secs(),
            start.within_secs
        )
    })
}

/// A schedule that starts runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    /// Its name.
    pub name: ScheduleName,
    /// What the state machine is started with: as [`input`] has it, or as somebody else wrote it.
    pub input: Value,
    /// When, as the scheduler writes it: `cron(...)`, `rate(...)` or `at(...)`.
    pub expression: String,
    /// The time zone of the expression, as an IANA name.
    pub time_zone: String,
    /// Within how many minutes after its time a start may happen; `None` for at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flexible_minutes: Option<u32>,
    /// From when on it starts runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// Until when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// Whether it is switched on.
    pub enabled: bool,
    /// When it was made; `None` before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made_at: Option<Timestamp>,
}

impl Schedule {
    /// The saved experiment that it starts; `None` when its input names none.
    pub fn experiment(&self) -> Option<&str> {
        self.input.get("experiment").and_then(Value::as_str)
    }
}

/// The schedules of a stack. Only the command makes and removes them, so they are not in [`crate::ports::Ports`].
#[async_trait]
pub trait Schedules: Send + Sync {
    /// Makes a schedule.
    ///
    /// # Errors
    /// [`crate::error::Code::Conflict`] when there is one of this name, which is left as it is;
    /// [`crate::error::Code::StackMissing`] when the stack has no group for schedules.
    async fn add(&self, schedule: &Schedule) -> Result<()>;

    /// All of them, by name. One that is removed in this moment may be missing.
    ///
    /// # Errors
    /// As above.
    async fn list(&self) -> Result<Vec<Schedule>>;

    /// Removes a schedule; false when there is none of this name. Runs that it started go on.
    async fn remove(&self, name: &ScheduleName) -> Result<bool>;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    /// The input as it comes, with the time that the scheduler puts in.
    fn started_for(time: &str, flexible_minutes: Option<u32>) -> Value {
        let input = input(&"throttle".parse().unwrap(), flexible_minutes).to_string();
        let input: Value = serde_json::from_str(&input.replace(SCHEDULED_TIME, time)).unwrap();
        assert_eq!(input["experiment"], "throttle");
        input["schedule"].clone()
    }

    #[test]
    fn a_start_is_too_late_after_its_window_and_three_minutes() {
        let time = "2026-03-22T18:00:00Z";
        for (flexible, now, late) in [
            (None, "2026-03-22T17:59:59Z", false),
            (None, "2026-03-22T18:03:00Z", false),
            (None, "2026-03-22T18:03:01Z", true),
            (Some(15), "2026-03-22T18:18:00Z", false),
            (Some(15), "2026-03-22T18:18:01Z", true),
            (Some(15), "2026-03-23T18:00:00Z", true),
        ] {
            let why = too_late(&started_for(time, flexible), at(now));
            assert_eq!(why.is_some(), late, "{flexible:?} {now}: {why:?}");
        }
        let why = too_late(&started_for(time, None), at("2026-03-22T19:00:00Z"));
        assert_eq!(
            why.as_deref(),
            Some("the start was meant for 2026-03-22T18:00:00Z and came 3600 seconds later; at most 180 are allowed")
        );
    }

    #[test]
    fn nobody_can_say_that_an_unreadable_start_is_in_time() {
        let now = at("2026-03-22T18:00:00Z");
        let mut typo = started_for("2026-03-22T18:00:00Z", None);
        typo["wihtin_secs"] = json!(1);
        for unreadable in [
            started_for(SCHEDULED_TIME, None),
            started_for("tomorrow", None),
            typo,
            json!({ "scheduled_at": "2026-03-22T18:00:00Z" }),
            json!({}),
            json!("2026-03-22T18:00:00Z"),
        ] {
            let why = too_late(&unreadable, now).unwrap_or_else(|| panic!("{unreadable}"));
            assert!(why.starts_with("the input does not say for when"), "{why}");
        }
        assert_eq!(too_late(&Value::Null, now), None, "nobody scheduled it");
    }
}

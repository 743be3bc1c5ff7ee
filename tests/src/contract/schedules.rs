//! Schedules.

use inoculate_core::error::Code;
use inoculate_core::names::ScheduleName;
use inoculate_core::schedule::{Schedule, input};

use super::Fixture;
use crate::build;

fn schedule(name: &str) -> Schedule {
    Schedule {
        name: build::name(name),
        input: input(&build::name("throttle"), Some(15)),
        expression: "cron(0 10 ? * TUE *)".to_owned(),
        time_zone: "Europe/Berlin".to_owned(),
        flexible_minutes: Some(15),
        from: Some(build::second(4_000_000_000)),
        until: Some(build::second(4_100_000_000)),
        enabled: true,
        made_at: None,
    }
}

/// The schedule of this name as it is listed, without when it was made.
async fn listed(fixture: &dyn Fixture, name: &ScheduleName) -> Option<Schedule> {
    let all = fixture.schedules().list().await.unwrap();
    assert!(all.is_sorted_by(|one, other| one.name < other.name), "{all:?}");
    let mut found = all.into_iter().find(|found| found.name == *name)?;
    assert!(found.made_at.take().is_some(), "{found:?}");
    Some(found)
}

/// All that it can have, and as little as it can have.
pub async fn a_schedule_is_listed_as_it_was_made(fixture: &dyn Fixture) {
    let full = schedule(&fixture.unique("full"));
    fixture.schedules().add(&full).await.unwrap();
    let bare = Schedule {
        name: build::name(&fixture.unique("bare")),
        input: input(&build::name("throttle"), None),
        expression: "rate(3650 days)".to_owned(),
        time_zone: "UTC".to_owned(),
        flexible_minutes: None,
        from: Some(build::second(4_000_000_000)),
        until: None,
        ..full.clone()
    };
    fixture.schedules().add(&bare).await.unwrap();
    for made in [full, bare] {
        assert_eq!(listed(fixture, &made.name).await, Some(made));
    }
}

/// A second one of its name is refused, and the first is as it was.
pub async fn a_schedule_is_not_replaced(fixture: &dyn Fixture) {
    let first = schedule(&fixture.unique("first"));
    fixture.schedules().add(&first).await.unwrap();
    let second = Schedule {
        expression: "cron(0 11 ? * WED *)".to_owned(),
        ..first.clone()
    };
    let error = fixture.schedules().add(&second).await.unwrap_err();
    assert_eq!(error.code, Code::Conflict, "{error}");
    assert_eq!(listed(fixture, &first.name).await, Some(first));
}

/// That there is none is an answer, not an error.
pub async fn a_schedule_is_removed_once(fixture: &dyn Fixture) {
    let made = schedule(&fixture.unique("removed"));
    fixture.schedules().add(&made).await.unwrap();
    for there in [true, false] {
        assert_eq!(fixture.schedules().remove(&made.name).await.unwrap(), there);
        assert_eq!(listed(fixture, &made.name).await, None);
    }
}

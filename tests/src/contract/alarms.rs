//! Alarms: those of others, and those that runs make for themselves.

use inoculate_core::error::Code;
use inoculate_core::ports::AlarmState;
use inoculate_core::run_alarms::{MadeAlarm, NewAlarm, names_of_run, of_run, prefix};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::Fixture;
use crate::build;

/// Unknown alarms are left out.
pub async fn alarms_are_in_the_order_asked_for_and_each_once(fixture: &dyn Fixture) {
    let base = fixture.unique("alarm");
    let name = |which: &str| format!("{base}-{which}");
    fixture.make_alarm(&name("quiet"), false).await;
    fixture.make_alarm(&name("loud"), true).await;
    let asked = ["quiet", "unknown", "loud", "quiet"].map(name);
    let states = fixture.ports().alarms.states(&asked).await.unwrap();
    let found: Vec<_> = states
        .iter()
        .map(|state| (state.name.clone(), state.in_alarm))
        .collect();
    assert_eq!(found, [(name("quiet"), false), (name("loud"), true)]);
    assert_eq!(fixture.ports().alarms.states(&[]).await.unwrap(), []);
}

/// Two alarms that a run of this name makes for itself. Their metrics never have data.
pub fn alarms_of(fixture: &dyn Fixture, run: &str) -> Vec<NewAlarm> {
    let metric = build::metric("Never", run, "Sum");
    let experiment = build::experiment_with(|value| {
        value["blast_radius"]["longest"] = json!("2m");
        value["guards"] = json!({ "abort_when": [
            { "metric": metric, "above": 5 },
            { "metric": metric, "period": "10s", "below": 0.5, "points": "2 of 3", "missing_data": "bad" },
        ] });
    });
    let (stack, run_id) = (&fixture.ports().stack, build::name(run));
    let alarms = of_run(stack, &run_id, &experiment);
    let names: Vec<_> = alarms.iter().map(|alarm| alarm.name.clone()).collect();
    assert_eq!(names, names_of_run(stack, &run_id, &experiment));
    alarms
}

async fn make(fixture: &dyn Fixture, run: &str) -> Vec<String> {
    let alarms = alarms_of(fixture, run);
    for alarm in &alarms {
        fixture.ports().alarms.make(alarm).await.unwrap();
    }
    alarms.into_iter().map(|alarm| alarm.name).collect()
}

/// Those that runs made whose names begin so.
async fn made(fixture: &dyn Fixture, beginning: &str) -> Vec<MadeAlarm> {
    fixture.ports().alarms.made(beginning).await.unwrap()
}

async fn states(fixture: &dyn Fixture, names: &[String]) -> Vec<AlarmState> {
    fixture.ports().alarms.states(names).await.unwrap()
}

fn names_of(alarms: &[MadeAlarm]) -> Vec<&str> {
    alarms.iter().map(|alarm| alarm.name.as_str()).collect()
}

/// The clock of CloudWatch need not be ours, and it tells whole seconds.
fn is_about(time: Timestamp, now: Timestamp) -> bool {
    let apart = now.duration_since(time).abs();
    apart < SignedDuration::from_secs(60)
}

/// Whether it ends a run is not said before there is data.
pub async fn an_alarm_that_is_made_is_quiet_and_listed(fixture: &dyn Fixture) {
    let run = fixture.unique("made");
    let names = make(fixture, &run).await;
    let states = states(fixture, &names).await;
    assert_eq!(states.len(), 2, "{states:?}");
    assert!(states.iter().all(|state| !state.in_alarm), "{states:?}");
    let made = made(fixture, &format!("{}{run}-", prefix(&fixture.ports().stack))).await;
    assert_eq!(names_of(&made), names);
    let now = fixture.ports().clock.now();
    assert!(
        made.iter().all(|alarm| is_about(alarm.changed_at, now)),
        "{made:?} at {now}"
    );
}

/// A step that is run again makes what is there already, and must not quieten what ends the run.
pub async fn an_alarm_made_again_is_one_and_keeps_its_state(fixture: &dyn Fixture) {
    let run = fixture.unique("again");
    let names = make(fixture, &run).await;
    fixture.set_alarm(&names[0], true).await;
    make(fixture, &run).await;
    let loud: Vec<_> = states(fixture, &names)
        .await
        .iter()
        .map(|state| state.in_alarm)
        .collect();
    assert_eq!(loud, [true, false]);
    let made = made(fixture, &format!("{}{run}-", prefix(&fixture.ports().stack))).await;
    assert_eq!(names_of(&made), names);
}

/// Also when only some of them are not there.
pub async fn alarms_are_deleted_and_so_is_what_is_not_there(fixture: &dyn Fixture) {
    let (run, other) = (fixture.unique("deleted"), fixture.unique("kept"));
    let (names, kept) = (make(fixture, &run).await, make(fixture, &other).await);
    let alarms = &fixture.ports().alarms;
    alarms.delete(&names[..1]).await.unwrap();
    for _ in 0..2 {
        alarms.delete(&names).await.unwrap();
        assert_eq!(states(fixture, &names).await, []);
        assert_eq!(
            made(fixture, &format!("{}{run}-", prefix(&fixture.ports().stack))).await,
            []
        );
    }
    alarms.delete(&[]).await.unwrap();
    assert_eq!(states(fixture, &kept).await.len(), 2, "others were deleted, too");
}

/// Somebody may call an alarm as we call ours. It does not tell our topic, so it is not ours.
pub async fn alarms_of_others_are_not_listed(fixture: &dyn Fixture) {
    let run = fixture.unique("foreign");
    let beginning = format!("{}{run}", prefix(&fixture.ports().stack));
    fixture.make_alarm(&format!("{beginning}-1"), false).await;
    assert_eq!(made(fixture, &beginning).await, []);
}

/// It is never written so, and would be an alarm that cannot end anything.
pub async fn an_alarm_without_a_limit_is_refused(fixture: &dyn Fixture) {
    let mut alarm = alarms_of(fixture, &fixture.unique("limitless")).remove(0);
    alarm.when.above = None;
    let error = fixture.ports().alarms.make(&alarm).await.unwrap_err();
    assert_eq!(error.code, Code::InvalidExperiment);
    assert_eq!(states(fixture, &[alarm.name]).await, []);
}

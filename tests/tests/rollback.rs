//! The rollback while others are at it too, and all the ways it is asked for.
#![expect(clippy::unwrap_used, reason = "a test says what it found by panicking")]

use std::sync::Arc;

use inoculate_core::error::{Code, Result};
use inoculate_core::names::{FunctionName, RunId};
use inoculate_core::run::{Cause, Phase, Run, Status};
use inoculate_core::setting::{Setting, SettingValue};
use inoculate_core::undo::{Injector, UndoRecord, UndoState};
use inoculate_rollback::Output;
use inoculate_step::restore::{Look, Restored};
use inoculate_step::{Next, Step};
use inoculate_tests::World;
use inoculate_tests::build::{self, PAYMENTS};
use inoculate_tests::fail::{Failing, How};
use inoculate_tests::machine::{Machine, execution_ended};
use inoculate_tests::memory::FunctionState;
use serde_json::{Value, json};

/// The notice of a CloudWatch alarm as SNS hands it to a function.
///
/// Source: <https://docs.aws.amazon.com/lambda/latest/dg/with-sns.html> and
/// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-actions.html>
fn alarm_notice(alarm: &str, state: &str) -> Value {
    let message = json!({
        "AlarmName": alarm,
        "AlarmDescription": null,
        "AWSAccountId": "123456789012",
        "NewStateValue": state,
        "NewStateReason": "Threshold Crossed: 1 datapoint [7.0] was greater than the threshold (1.0).",
        "StateChangeTime": "2026-03-14T12:00:00.000+0000",
        "Region": "EU (Ireland)",
        "OldStateValue": "OK"
    });
    topic_message(&message)
}

fn topic_message(message: &Value) -> Value {
    json!({ "Records": [{ "EventSource": "aws:sns", "EventVersion": "1.0", "Sns": {
        "Type": "Notification", "TopicArn": "arn:aws:sns:eu-west-1:123456789012:inoculate-abort",
        "Subject": "ALARM", "Message": message.to_string()
    } }] })
}

async fn deliver(world: &Arc<World>, event: Value) -> Result<Output> {
    let step = Step {
        ports: world.ports(),
        attempt: "event".to_owned(),
    };
    inoculate_rollback::handle(step, event).await
}

/// A world with functions of these names, whose updates take two seconds.
fn world_of(functions: &[&str]) -> Arc<World> {
    let world = build::hardened_shop();
    for name in functions {
        world.add_function(name, FunctionState::new(name));
    }
    world.change(|state| state.updates_take = jiff::SignedDuration::from_secs(2));
    world.set_alarm("unhappy", false);
    world
}

/// A run whose faults are in place: the timeout and the memory of a function, guarded by the alarm `unhappy`.
async fn injected(world: &Arc<World>, id: &str, function: &str) -> RunId {
    let mut experiment = build::experiment_value();
    experiment["blast_radius"]["functions"] = json!([function]);
    experiment["guards"] = json!({ "alarms": ["unhappy"] });
    experiment["faults"] = json!([
        { "kind": "timeout", "function": function, "timeout": "1s" },
        { "kind": "memory", "function": function, "memory_mb": 128 },
    ]);
    let mut tasks = 3;
    loop {
        let run_id: RunId = build::name(&format!("{id}-{tasks}"));
        let mut machine = Machine::new(world, world.ports(), run_id.clone());
        machine.stop_before = Some(tasks);
        assert_eq!(machine.execute(&experiment).await, None);
        if world.run(&run_id).run.phase == Phase::Injected {
            return run_id;
        }
        deliver(world, execution_ended(&run_id, "ABORTED")).await.unwrap();
        tasks += 1;
    }
}

fn settings(world: &World, function: &str) -> (u32, u32) {
    let function = world.function(function);
    (function.timeout_secs, function.memory_mb)
}

fn record_of(world: &World, id: &RunId) -> Run {
    world.run(id).run
}

#[tokio::test]
async fn an_alarm_rolls_back_every_run_that_names_it_and_only_those() {
    let world = world_of(&["one", "two"]);
    let one = injected(&world, "one", "one").await;
    let two = injected(&world, "two", "two").await;

    deliver(&world, alarm_notice("another", "ALARM")).await.unwrap();
    assert_eq!(record_of(&world, &one).phase, Phase::Injected);

    deliver(&world, alarm_notice("unhappy", "ALARM")).await.unwrap();
    for (id, function) in [(&one, "one"), (&two, "two")] {
        assert_eq!(settings(&world, function), (3, 256), "{function} is not back at once");
        let run = record_of(&world, id);
        assert_eq!(run.phase, Phase::RolledBack);
        let ending = run.ending.unwrap();
        assert_eq!((ending.status, ending.cause), (Status::Aborted, Cause::Alarm));
        assert!(ending.detail.contains("Threshold Crossed"), "{}", ending.detail);
    }
}

#[tokio::test]
async fn a_run_that_cannot_be_rolled_back_does_not_keep_the_others() {
    let world = world_of(&["one", "two"]);
    injected(&world, "one", "one").await;
    injected(&world, "two", "two").await;
    let failing = Failing::over(world.ports());
    failing.fail_every("runs.experiment", How::Before, Code::AccessDenied);
    let step = Step {
        ports: failing.ports(),
        attempt: "event".to_owned(),
    };
    let error = inoculate_rollback::handle(step, alarm_notice("unhappy", "ALARM"))
        .await
        .unwrap_err();
    assert_eq!(error.code, Code::AccessDenied, "SNS must deliver it again");

    let failing = Failing::over(world.ports());
    failing.fail_call(2, How::Before, Code::AccessDenied);
    let step = Step {
        ports: failing.ports(),
        attempt: "event".to_owned(),
    };
    inoculate_rollback::handle(step, alarm_notice("unhappy", "ALARM"))
        .await
        .unwrap_err();
    let back = ["one", "two"].map(|function| settings(&world, function) == (3, 256));
    assert_eq!(
        back.iter().filter(|back| **back).count(),
        1,
        "the run that could be rolled back was not"
    );

    deliver(&world, alarm_notice("unhappy", "ALARM")).await.unwrap();
    assert_eq!((settings(&world, "one"), settings(&world, "two")), ((3, 256), (3, 256)));
}

#[tokio::test]
async fn an_alarm_that_is_over_asks_for_nothing() {
    let world = world_of(&["one"]);
    let id = injected(&world, "one", "one").await;
    for state in ["OK", "INSUFFICIENT_DATA"] {
        let output = deliver(&world, alarm_notice("unhappy", state)).await.unwrap();
        assert_eq!(output.next, Next::End);
    }
    assert_eq!(record_of(&world, &id).phase, Phase::Injected);
}

#[tokio::test]
async fn a_message_on_the_topic_waits_until_everything_is_back() {
    let world = world_of(&["one"]);
    let id = injected(&world, "one", "one").await;
    let output = deliver(&world, topic_message(&json!({ "run_id": id }))).await.unwrap();
    assert!(output.settled);
    assert_eq!(settings(&world, "one"), (3, 256));
    assert_eq!(record_of(&world, &id).ending.unwrap().cause, Cause::Operator);
}

#[tokio::test]
async fn what_is_no_request_is_an_error_and_changes_nothing() {
    let world = world_of(&["one"]);
    let id = injected(&world, "one", "one").await;
    for event in [
        json!({}),
        json!({ "run_id": 7 }),
        json!({ "run_id": "a#b" }),
        json!({ "run_id": id, "caller": "nobody" }),
        json!({ "run_id": id, "ending": { "status": "fine" } }),
        json!({ "Records": [{ "Sns": { "Message": "hello" } }] }),
    ] {
        let error = deliver(&world, event.clone()).await.unwrap_err();
        assert_eq!(error.code, Code::Internal, "{event}");
    }
    assert_eq!(record_of(&world, &id).phase, Phase::Injected);
    let unknown = deliver(&world, json!({ "run_id": "never-started" })).await.unwrap();
    assert_eq!((unknown.next, unknown.settled), (Next::End, true));
}

#[tokio::test]
async fn a_deploy_that_puts_the_old_value_back_is_somebody_else() {
    let world = world_of(&["one"]);
    let id = injected(&world, "one", "one").await;
    set_timeout(&world, "one", 3);
    deliver(&world, execution_ended(&id, "ABORTED")).await.unwrap();
    let records = world.run(&id).undo;
    let found = SettingValue::Seconds(3);
    assert_eq!(
        records[&0].state,
        UndoState::Foreign { found },
        "the run did not put it back"
    );
    assert_eq!(records[&1].state, UndoState::Restored);
    assert!(
        world.look(|state| state.notices.iter().any(|(subject, _)| subject.contains("aborted"))),
        "nobody was told"
    );
}

/// The fault: a function times out after 1 second instead of 3.
fn shortened() -> UndoRecord {
    UndoRecord {
        setting: Setting::Timeout,
        before: SettingValue::Seconds(3),
        set: SettingValue::Seconds(1),
        ..build::undo(0, UndoState::Restoring)
    }
}

fn set_timeout(world: &World, function: &str, secs: u32) {
    let name: FunctionName = build::name(function);
    world.change(|state| state.functions.get_mut(&name).unwrap().timeout_secs = secs);
}

/// A deploy between the look and the change: it is kept, and the next look finds it.
#[tokio::test]
async fn a_deploy_at_the_worst_moment_is_kept() {
    let world = build::shop();
    set_timeout(&world, PAYMENTS, 1);
    let step = Step {
        ports: world.ports(),
        attempt: "test".to_owned(),
    };
    assert_eq!(step.look(&shortened(), Injector::Ended).await.unwrap(), Look::Changed);
    set_timeout(&world, PAYMENTS, 7);
    assert_eq!(step.put_back(&shortened()).await.unwrap(), Restored::Pending);
    let found = SettingValue::Seconds(7);
    let look = step.look(&shortened(), Injector::Ended).await.unwrap();
    assert_eq!(look, Look::Settled(UndoState::Foreign { found }));
    assert_eq!(world.function(PAYMENTS).timeout_secs, 7);
}

/// Two rollbacks at once: both look, one puts it back, the other finds it done.
#[tokio::test]
async fn two_rollbacks_at_once_put_it_back_once() {
    let world = build::shop();
    set_timeout(&world, PAYMENTS, 1);
    let step = |attempt: &str| Step {
        ports: world.ports(),
        attempt: attempt.to_owned(),
    };
    let (one, other) = (step("one"), step("other"));
    for step in [&one, &other] {
        assert_eq!(step.look(&shortened(), Injector::Ended).await.unwrap(), Look::Changed);
    }
    for step in [&one, &other] {
        let restored = step.put_back(&shortened()).await.unwrap();
        assert_eq!(restored, Restored::Settled(UndoState::Restored));
    }
    assert_eq!(world.function(PAYMENTS).timeout_secs, 3);
}

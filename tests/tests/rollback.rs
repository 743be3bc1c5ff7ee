//! The rollback while others are at it too, and all the ways it is asked for.
#![expect(clippy::unwrap_used, reason = "a test says what it found by panicking")]

use std::sync::Arc;
use std::time::Duration;

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

/// The same as EventBridge hands it to a function.
///
/// Source: <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch-and-eventbridge.html>
fn alarm_event(alarm: &str, state: &str) -> Value {
    json!({
        "version": "0",
        "id": "c4c1c1c9-6542-e61b-6ef0-8c4d36933a92",
        "detail-type": "CloudWatch Alarm State Change",
        "source": "aws.cloudwatch",
        "account": "123456789012",
        "time": "2026-03-14T12:00:00Z",
        "region": "eu-west-1",
        "resources": [format!("arn:aws:cloudwatch:eu-west-1:123456789012:alarm:{alarm}")],
        "detail": {
            "alarmName": alarm,
            "configuration": { "description": "customers are unhappy", "metrics": [] },
            "previousState": { "reason": "fine", "timestamp": "2026-03-14T11:00:00.000+0000", "value": "OK" },
            "state": {
                "reason": "Threshold Crossed: 1 datapoint [7.0] was greater than the threshold (1.0).",
                "reasonData": "{}",
                "timestamp": "2026-03-14T12:00:00.000+0000",
                "value": state
            }
        }
    })
}

/// The two ways in which an alarm tells of itself.
const NEWS: [fn(&str, &str) -> Value; 2] = [alarm_notice, alarm_event];

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
    experiment["guards"] = build::alarms_of_its_own();
    experiment["guards"]["alarms"] = json!(["unhappy"]);
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
    for news in NEWS {
        let world = world_of(&["one", "two"]);
        let one = injected(&world, "one", "one").await;
        let two = injected(&world, "two", "two").await;

        deliver(&world, news("another", "ALARM")).await.unwrap();
        assert_eq!(record_of(&world, &one).phase, Phase::Injected);

        deliver(&world, news("unhappy", "ALARM")).await.unwrap();
        for (id, function) in [(&one, "one"), (&two, "two")] {
            assert_eq!(settings(&world, function), (3, 256), "{function} is not back at once");
            let run = record_of(&world, id);
            assert_eq!(run.phase, Phase::RolledBack);
            let ending = run.ending.unwrap();
            assert_eq!((ending.status, ending.cause), (Status::Aborted, Cause::Alarm));
            assert!(ending.detail.contains("Threshold Crossed"), "{}", ending.detail);
        }
    }
}

/// A run that waits long, as while AWS is carrying out an update, must not prolong the faults of the others.
#[tokio::test(start_paused = true)]
async fn a_run_that_hangs_does_not_keep_an_alarm_from_the_others() {
    let names = ["one", "two"];
    let scene = async || {
        let world = world_of(&names);
        for name in names {
            injected(&world, name, name).await;
        }
        let failing = Failing::over(world.ports());
        let step = Step {
            ports: failing.ports(),
            attempt: "event".to_owned(),
        };
        (
            world,
            failing,
            inoculate_rollback::handle(step, alarm_event("unhappy", "ALARM")),
        )
    };
    let (_, rehearsal, rolled_back) = scene().await;
    rolled_back.await.unwrap();
    let calls = rehearsal.calls();
    let first = calls.iter().find(|call| call.name == "targets.replace").unwrap();

    let (world, failing, rolled_back) = scene().await;
    failing.interrupt(first.number, std::future::pending());
    let outcome = tokio::time::timeout(Duration::from_secs(600), rolled_back).await;
    assert!(outcome.is_err(), "the one that hangs is waited for");
    let back = names.map(|name| settings(&world, name) == (3, 256));
    assert_eq!(back.iter().filter(|back| **back).count(), 1, "{back:?}");
}

/// Every alarm of the account comes here, so one that concerns nobody costs one query.
#[tokio::test]
async fn while_no_run_is_open_an_alarm_costs_one_query() {
    for news in NEWS {
        let world = world_of(&[]);
        let failing = Failing::over(world.ports());
        let step = Step {
            ports: failing.ports(),
            attempt: "event".to_owned(),
        };
        inoculate_rollback::handle(step, news("any", "ALARM")).await.unwrap();
        let calls: Vec<_> = failing.calls().iter().map(|call| call.name).collect();
        assert_eq!(calls, ["runs.open"]);
    }
}

/// Whatever the list of open runs says, and whether or not their experiments can be read.
#[tokio::test]
async fn an_alarm_that_a_run_made_for_itself_rolls_back_that_run_alone() {
    for (news, number) in NEWS.into_iter().flat_map(|news| [(news, 1), (news, 2)]) {
        let world = world_of(&["one", "two"]);
        let one = injected(&world, "one", "one").await;
        let two = injected(&world, "two", "two").await;
        let others = [
            format!("other-run-{one}-1"),
            format!("inoculate-run-{one}-0"),
            format!("inoculate-run-{one}x-1"),
        ];
        for other in others {
            deliver(&world, news(&other, "ALARM")).await.unwrap();
            assert_eq!(record_of(&world, &one).phase, Phase::Injected, "{other}");
        }
        let alarm = format!("inoculate-run-{one}-{number}");
        deliver(&world, news(&alarm, "OK")).await.unwrap();
        assert_eq!(record_of(&world, &one).phase, Phase::Injected);

        let failing = Failing::over(world.ports());
        failing.fail_every("runs.open", How::Before, Code::AccessDenied);
        let step = Step {
            ports: failing.ports(),
            attempt: "event".to_owned(),
        };
        inoculate_rollback::handle(step, news(&alarm, "ALARM")).await.unwrap();
        assert_eq!(settings(&world, "one"), (3, 256));
        let ending = record_of(&world, &one).ending.unwrap();
        assert_eq!((ending.status, ending.cause), (Status::Aborted, Cause::Alarm));
        assert!(ending.detail.contains(&alarm), "{}", ending.detail);
        assert_eq!(record_of(&world, &two).phase, Phase::Injected);
        let left: Vec<String> = world.look(|state| state.made_alarms.keys().cloned().collect());
        assert_eq!(
            left,
            [format!("inoculate-run-{two}-1"), format!("inoculate-run-{two}-2")]
        );
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
    for (news, state) in NEWS
        .into_iter()
        .flat_map(|news| ["OK", "INSUFFICIENT_DATA"].map(|state| (news, state)))
    {
        let output = deliver(&world, news("unhappy", state)).await.unwrap();
        assert_eq!(output.next, Next::End);
    }
    assert_eq!(record_of(&world, &id).phase, Phase::Injected);
}

/// An execution that ends outside of its steps, in each of the ways of Step Functions.
#[tokio::test]
async fn however_an_execution_ends_everything_is_back_and_the_record_is_closed() {
    for (ended, status) in [
        ("ABORTED", Status::Aborted),
        ("FAILED", Status::Failed),
        ("TIMED_OUT", Status::Failed),
    ] {
        let world = world_of(&["one"]);
        let id = injected(&world, "one", "one").await;
        deliver(&world, execution_ended(&id, ended)).await.unwrap();
        assert_eq!(settings(&world, "one"), (3, 256), "{ended}");
        let run = record_of(&world, &id);
        let cause = run.ending.as_ref().unwrap().cause;
        assert_eq!(
            (run.phase, run.status, cause),
            (Phase::Closed, status, Cause::ExecutionEnded)
        );
    }
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
        json!({ "detail-type": "CloudWatch Alarm State Change", "detail": { "state": { "value": "ALARM" } } }),
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
        world.look(|state| state.notices.iter().any(|notice| notice.subject().contains("aborted"))),
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

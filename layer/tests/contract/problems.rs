//! What the layer could not do for a run arrives in the table.

use std::time::Duration;

use inoculate_core::layer::Caps;
use inoculate_layer::intercept::Interceptor;
use serde_json::{Value, json};

use crate::support::dynamo::Mood;
use crate::support::leased::{ARN, Leased, START_MS, lease, skip, with};
use crate::support::seen;

/// Longer than anything takes that should not happen.
const A_WHILE: Duration = Duration::from_millis(200);

const THROTTLED: Mood = Mood::Answers(
    400,
    r#"{"__type":"com.amazonaws.dynamodb.v20120810#ThrottlingException"}"#,
);

fn crash() -> Value {
    json!([{ "fault": { "kind": "crash", "at": "before" } }])
}

fn at_most(max_percent: f64) -> Caps {
    Caps {
        disabled: false,
        max_percent,
    }
}

/// What was written about a run that this lease is of, once.
async fn told(lease: &Value, caps: Caps) -> Value {
    let leased = Leased::capped(lease, caps).await;
    let mut written = leased.dynamo.wrote(1).await;
    assert_eq!(written.len(), 1);
    written.remove(0)
}

#[tokio::test]
async fn a_refused_lease_is_told_to_its_run() {
    for (name, value, reason) in [
        ("schema_version", json!(2), "schema version 2 is later than 1"),
        ("percent", json!(101), "percent should be from 0 to 100"),
        (
            "function_arn",
            json!("arn:other"),
            "it is for another function: arn:other",
        ),
    ] {
        let item = told(&with(lease(&skip()), name, value), at_most(100.0)).await;
        let problems = item["problems"].as_array().unwrap();
        let problem = problems[0].as_str().unwrap();
        assert!(
            problems.len() == 1 && problem.starts_with("the lease is refused: ") && problem.contains(reason),
            "{problems:?}"
        );
        let environment = item["environment"].as_str().unwrap();
        assert_eq!(item["SK"], format!("shop#{environment}#problems"));
        assert!(item["PK"].as_str().unwrap().starts_with("RUN#r-1#SKETCH#"));
        assert_eq!(
            (&item["function_arn"], &item["run_id"], &item["schema_version"]),
            (&json!(ARN), &json!("r-1"), &json!(1))
        );
        assert_eq!(item["written_at_ms"], START_MS);
        assert_eq!(item["expires_at"], START_MS / 1000 + 120 * 24 * 3600);
    }
}

#[tokio::test]
async fn a_problem_is_written_once() {
    let refused = with(lease(&skip()), "expires_at_ms", START_MS + 600_000);
    let mut leased = Leased::new(&with(refused, "schema_version", 2)).await;
    for round in 2..7 {
        leased.clock.pass(10_000);
        assert!(!leased.is_injected("{}").await);
        leased.readings(round).await;
    }
    tokio::time::sleep(A_WHILE).await;
    assert_eq!(leased.dynamo.tried_writes(), 1);
}

#[tokio::test]
async fn what_is_nobodys_problem_is_not_written() {
    let later = || with(lease(&skip()), "schema_version", 2);
    let mut plain = lease(&skip());
    plain.as_object_mut().unwrap().remove("stage");
    for (why, item) in [
        ("no lease", Value::Null),
        ("no run", with(lease(&skip()), "run_id", Value::Null)),
        ("no name of a run", with(lease(&skip()), "run_id", "a b")),
        ("released", with(later(), "role", "released")),
        ("expired", with(later(), "expires_at_ms", START_MS)),
        ("nothing for the layer", plain),
    ] {
        let mut leased = Leased::new(&item).await;
        for _ in 0..3 {
            leased.clock.pass(10_000);
            assert!(!leased.is_injected("{}").await);
        }
        leased.readings(4).await;
        leased.agent.shutdown(Duration::from_secs(5)).await;
        assert_eq!(leased.dynamo.tried_writes(), 0, "{why}");
    }
}

/// A function that has written one problem, and has another one that it is too soon to write.
async fn with_one_in_line() -> Leased {
    let refused = |version| {
        let lease = with(lease(&skip()), "schema_version", version);
        with(lease, "expires_at_ms", START_MS + 600_000)
    };
    let leased = Leased::new(&refused(2)).await;
    leased.dynamo.wrote(1).await;
    leased.put(&refused(3));
    // Time to read for the wall clock, and too soon to write for the steady one.
    leased.clock.jump(10_000);
    leased.agent.attention();
    leased.readings(2).await;
    tokio::time::sleep(A_WHILE).await;
    assert_eq!(leased.dynamo.tried_writes(), 1);
    leased
}

#[tokio::test]
async fn what_is_in_line_is_written_when_it_is_time_with_no_invocation_under_way() {
    let leased = with_one_in_line().await;
    leased.clock.pass(3_000);
    let written = leased.dynamo.wrote(2).await;
    assert_eq!(written[0]["SK"], written[1]["SK"]);
    assert_eq!(written[1]["problems"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn what_is_in_line_is_written_at_shutdown() {
    let leased = with_one_in_line().await;
    leased.agent.shutdown(Duration::from_secs(5)).await;
    assert_eq!(leased.dynamo.written()[1]["problems"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_lost_write_is_tried_again_with_the_next_reading() {
    let leased = with_one_in_line().await;
    leased.dynamo.behave(THROTTLED);
    leased.clock.pass(3_000);
    seen("a write that is refused", || {
        (leased.dynamo.tried_writes() == 2).then_some(())
    })
    .await;
    for _ in 0..3 {
        leased.clock.pass(3_000);
        tokio::time::sleep(A_WHILE).await;
    }
    assert_eq!(leased.dynamo.tried_writes(), 2, "not in a loop");
    leased.dynamo.behave(Mood::Well);
    leased.clock.pass(10_000);
    leased.agent.attention();
    let written = leased.dynamo.wrote(2).await;
    assert_eq!(written[1]["problems"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn an_extension_finishes_the_write_before_the_environment_is_frozen() {
    let leased = Leased::new(&Value::Null).await;
    leased.put(&with(lease(&skip()), "schema_version", 2));
    leased.clock.pass(10_000);
    leased.agent.settle(Some(ARN), START_MS + 900_000).await;
    assert_eq!(leased.dynamo.written().len(), 1);
}

#[tokio::test]
async fn a_write_that_hangs_holds_nothing_up() {
    let mut leased = with_one_in_line().await;
    leased.dynamo.behave(Mood::Hangs);
    leased.clock.pass(3_000);
    seen("a write that hangs", || {
        (leased.dynamo.tried_writes() == 2).then_some(())
    })
    .await;
    for _ in 0..3 {
        assert!(!leased.is_injected("{}").await);
    }
    assert_eq!(leased.dynamo.written().len(), 1);
}

#[tokio::test]
async fn a_fault_that_cannot_begin_is_told_beside_what_was_seen() {
    let mut leased = Leased::new(&lease(&crash())).await;
    assert!(
        !leased.is_injected("{}").await,
        "the process of the runtime is not known"
    );
    leased.agent.shutdown(Duration::from_secs(5)).await;
    let written = leased.dynamo.written();
    let problems: Vec<&Value> = written.iter().filter_map(|item| item.get("problems")).collect();
    assert_eq!(
        problems,
        [&json!([
            "the fault crash cannot begin: the process of the runtime is not known"
        ])]
    );
    let sketches = written.iter().filter(|item| item["stage"] == "injection");
    let partitions: Vec<&Value> = sketches.map(|item| &item["PK"]).collect();
    assert!(!partitions.is_empty() && partitions.iter().all(|partition| **partition == written[0]["PK"]));
}

#[tokio::test]
async fn a_cap_of_the_owner_is_told_while_a_run_asks_for_more() {
    let item = told(&lease(&skip()), at_most(5.0)).await;
    assert_eq!(
        item["problems"],
        json!(["the owner allows at most 5 percent, and the run asks for 100"])
    );
    let observing = with(with(lease(&skip()), "role", "observe"), "stage", "baseline");
    for (why, item, caps) in [
        ("enough is allowed", with(lease(&skip()), "percent", 5), at_most(5.0)),
        ("no fault is asked for", observing, at_most(5.0)),
        (
            "disabled",
            lease(&skip()),
            Caps {
                disabled: true,
                ..at_most(5.0)
            },
        ),
    ] {
        let leased = Leased::capped(&item, caps).await;
        leased.agent.shutdown(Duration::from_secs(5)).await;
        let written = leased.dynamo.written();
        assert!(written.iter().all(|item| item.get("problems").is_none()), "{why}");
    }
}

//! The lease: without one that is unexpired and fresh there is no fault.

use std::time::{Duration, Instant};

use inoculate_core::layer::Caps;
use inoculate_layer::intercept::{Attention, Interceptor};
use serde_json::{Value, json};

use crate::support::dynamo::Mood;
use crate::support::leased::{Leased, START_MS, lease, skip, with};
use crate::support::{seen, soon};

/// Faults that sleep for longer than a test lasts.
fn sleep() -> Value {
    json!([{ "fault": { "kind": "latency", "delay": { "distribution": "fixed", "ms": 600_000 }, "at": "before" } }])
}

#[tokio::test]
async fn a_lease_injects_and_requests_are_signed() {
    let mut leased = Leased::new(&lease(&skip())).await;
    // The runtime's poll stays open, since the handler never sees these events.
    assert!(leased.is_injected("{}").await);
    let authorization = &leased.dynamo.authorizations()[0];
    let expected = "AWS4-HMAC-SHA256 Credential=AKID/19700112/eu-west-1/dynamodb/aws4_request, SignedHeaders=\
        content-type;host;x-amz-date;x-amz-security-token;x-amz-target, Signature=";
    assert!(authorization.starts_with(expected), "{authorization}");
}

#[tokio::test]
async fn what_is_not_a_good_lease_for_this_function_injects_nothing() {
    let good = || lease(&skip());
    for (why, item) in [
        ("deleted", Value::Null),
        ("released", with(good(), "role", "released")),
        ("observing", with(good(), "role", "observe")),
        ("expired", with(good(), "expires_at_ms", START_MS)),
        ("future version", with(good(), "schema_version", 2)),
        (
            "another function",
            with(good(), "function_arn", "arn:aws:lambda:eu-west-1:1:function:other"),
        ),
        ("nobody", with(good(), "percent", 0)),
        ("unreadable", with(good(), "percent", "x")),
        (
            "unknown fault",
            with(good(), "faults", json!([{ "fault": { "kind": "flood" } }])),
        ),
        (
            "match",
            with(
                good(),
                "faults",
                json!([{ "match": [{ "test": "exists", "field": "/a" }], "fault": skip()[0]["fault"] }]),
            ),
        ),
    ] {
        let mut leased = Leased::new(&item).await;
        assert!(!leased.is_injected("{}").await, "{why}");
    }
}

#[tokio::test]
async fn the_caps_of_the_owner_hold() {
    for (caps, expected) in [
        (
            Caps {
                disabled: false,
                max_percent: 100.0,
            },
            true,
        ),
        (
            Caps {
                disabled: false,
                max_percent: 0.0,
            },
            false,
        ),
        (
            Caps {
                disabled: true,
                max_percent: 100.0,
            },
            false,
        ),
    ] {
        let mut leased = Leased::capped(&lease(&skip()), caps).await;
        assert_eq!(leased.is_injected("{}").await, expected, "{caps:?}");
    }
}

#[tokio::test]
async fn events_are_matched_and_told_apart_by_a_field() {
    let faults =
        json!([{ "match": [{ "test": "equals", "field": "/customer", "value": "c" }], "fault": skip()[0]["fault"] }]);
    let mut leased = Leased::new(&with(lease(&faults), "key", "/customer")).await;
    assert_eq!(leased.agent.attention(), Attention::Event);
    assert!(!leased.is_injected("not JSON").await);
    assert!(!leased.is_injected(r#"{"customer":"d"}"#).await);
    assert!(leased.is_injected(r#"{"customer":"c"}"#).await);
}

#[tokio::test]
async fn a_lease_that_is_released_deleted_or_broken_ends_within_one_reading() {
    for item in [
        with(lease(&skip()), "role", "released"),
        Value::Null,
        with(lease(&skip()), "percent", "x"),
        with(lease(&skip()), "schema_version", 2),
        with(
            lease(&skip()),
            "function_arn",
            "arn:aws:lambda:eu-west-1:123456789012:function:other",
        ),
        json!({ "schema_version": 99 }),
    ] {
        let mut leased = Leased::new(&lease(&skip())).await;
        leased.put_and_read(&item).await;
        assert_eq!(leased.agent.attention(), Attention::Idle);
        assert!(!leased.is_injected("{}").await);
    }
}

#[tokio::test]
async fn a_sleeping_fault_wakes_up_when_its_lease_ends() {
    type End = fn(&Leased);
    let ends: [(&str, End); 12] = [
        ("expired", |leased| leased.clock.pass(60_000)),
        ("frozen until it had expired", |leased| leased.clock.jump(60_000)),
        ("released", |leased| {
            leased.put(&with(lease(&sleep()), "role", "released"));
            leased.clock.pass(1_000);
        }),
        ("a newer fence", |leased| {
            leased.put(&with(lease(&skip()), "fence", 2));
            leased.clock.pass(1_000);
        }),
        ("the same faults of a newer fence", |leased| {
            leased.put(&with(lease(&sleep()), "fence", 2));
            leased.clock.pass(1_000);
        }),
        ("deleted", |leased| {
            leased.put(&Value::Null);
            leased.clock.pass(1_000);
        }),
        ("unreadable", |leased| {
            leased.put(&with(lease(&sleep()), "percent", "x"));
            leased.clock.pass(1_000);
        }),
        ("another function", |leased| {
            let other = "arn:aws:lambda:eu-west-1:123456789012:function:other";
            leased.put(&with(lease(&sleep()), "function_arn", other));
            leased.clock.pass(1_000);
        }),
        ("a future schema version", |leased| {
            leased.put(&with(lease(&sleep()), "schema_version", 2));
            leased.clock.pass(1_000);
        }),
        (
            "a wall clock that jumps ahead until the last reading is too old",
            |leased| {
                leased.dynamo.behave(Mood::Hangs);
                leased.clock.jump(2_001);
            },
        ),
        ("not read any more", |leased| {
            leased.dynamo.behave(Mood::Answers(500, "{}"));
            leased.clock.pass(2_001);
        }),
        ("not read any more, and the wall clock jumps back", |leased| {
            leased.dynamo.behave(Mood::Answers(500, "{}"));
            leased.clock.jump(-3_600_000);
            leased.clock.pass(2_001);
        }),
    ];
    for (why, end) in ends {
        let mut leased = Leased::new(&lease(&sleep())).await;
        let id = leased.push("{}");
        let (agent, api) = (leased.agent.clone(), leased.api.clone());
        let mut runtime = std::mem::replace(
            &mut leased.runtime,
            crate::support::Runtime::connect(leased.proxy.address).await,
        );
        let event = tokio::spawn(async move { runtime.next().await });
        seen("the event is taken", || {
            (api.paths().iter().filter(|path| path.ends_with("next")).count() >= 2).then_some(())
        })
        .await;
        assert_eq!(agent.attention(), Attention::Headers);
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert!(!event.is_finished(), "{why}");
        end(&leased);
        assert_eq!(soon(why, event).await.unwrap().request_id, id, "{why}");
    }
}

#[tokio::test]
async fn renewing_keeps_a_sleeping_fault_asleep() {
    let mut leased = Leased::new(&lease(&sleep())).await;
    leased.push("{}");
    let mut runtime = std::mem::replace(
        &mut leased.runtime,
        crate::support::Runtime::connect(leased.proxy.address).await,
    );
    let event = tokio::spawn(async move { runtime.next().await });
    tokio::time::sleep(Duration::from_millis(100)).await;
    for round in 1..=5 {
        let renewed = with(lease(&sleep()), "expires_at_ms", START_MS + 60_000 + round);
        leased.put_and_read(&renewed).await;
    }
    tokio::time::sleep(Duration::from_millis(120)).await;
    assert!(!event.is_finished());
}

#[tokio::test]
async fn a_wall_clock_that_jumps_back_does_not_make_a_lease_last() {
    // Far back, so that it was read in the future; and a little, so that it would seem to have been read just now.
    for (back, passes) in [(30_000, 2_001), (1_500, 3_000)] {
        let mut leased = Leased::new(&lease(&skip())).await;
        leased.dynamo.behave(Mood::Answers(500, "{}"));
        leased.clock.jump(-back);
        leased.clock.pass(passes);
        assert!(!leased.is_injected("{}").await, "{back} ms");
    }
}

#[tokio::test]
async fn a_wall_clock_that_jumps_keeps_a_lease_that_is_read_again() {
    // Ahead, but not until the lease has expired; and back.
    for jump in [30_000, -3_600_000] {
        let mut leased = Leased::new(&lease(&skip())).await;
        leased.clock.jump(jump);
        leased.agent.attention();
        leased.readings(2).await;
        assert!(leased.is_injected("{}").await, "{jump} ms");
        leased.put(&with(lease(&skip()), "role", "released"));
        leased.clock.pass(2_001);
        assert!(!leased.is_injected("{}").await, "{jump} ms");
    }
}

#[tokio::test]
async fn a_lease_that_has_expired_does_not_come_back_when_the_wall_clock_jumps_back() {
    let mut leased = Leased::new(&lease(&skip())).await;
    leased.clock.pass(60_000);
    leased.agent.attention();
    leased.readings(2).await;
    assert!(!leased.is_injected("{}").await);
    leased.clock.jump(-30_000);
    leased.agent.attention();
    leased.readings(3).await;
    assert!(!leased.is_injected("{}").await);
}

#[tokio::test]
async fn a_newer_fence_decides() {
    let mut leased = Leased::new(&lease(&skip())).await;
    assert!(leased.is_injected("{}").await);
    leased
        .put_and_read(&with(with(lease(&skip()), "fence", 2), "percent", 0))
        .await;
    assert!(!leased.is_injected("{}").await);
    leased.put_and_read(&with(lease(&skip()), "fence", 3)).await;
    assert!(leased.is_injected("{}").await);
}

#[tokio::test]
async fn a_thawed_environment_reads_before_it_decides() {
    let mut leased = Leased::new(&lease(&skip())).await;
    leased.clock.jump(30_000);
    assert!(
        leased.is_injected("{}").await,
        "the run is still there, and rarely called functions take part"
    );
    leased.put(&with(lease(&skip()), "role", "released"));
    leased.clock.jump(20_000);
    assert!(!leased.is_injected("{}").await, "the run has ended while nobody looked");
    leased.put(&lease(&skip()));
    leased.clock.jump(3_600_000);
    assert!(
        !leased.is_injected("{}").await,
        "it has expired, whatever the table says"
    );
}

#[tokio::test]
async fn waiting_for_the_lease_is_bounded_and_happens_once() {
    let mut leased = Leased::new(&lease(&skip())).await;
    leased.dynamo.behave(Mood::Hangs);
    leased.clock.jump(5_000);
    let start = Instant::now();
    for _ in 0..20 {
        assert!(!leased.is_injected("{}").await);
    }
    // Twenty times the limit is 3 s: one invocation waited, the others did not.
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    leased.dynamo.behave(Mood::Well);
    leased.readings(2).await;
    leased.put_and_read(&lease(&skip())).await;
    assert!(
        leased.is_injected("{}").await,
        "it is back in the run when the table is"
    );
}

#[tokio::test]
async fn without_a_run_the_lease_is_read_rarely_and_nothing_waits() {
    let mut leased = Leased::new(&Value::Null).await;
    for _ in 0..9 {
        leased.clock.pass(1_000);
        assert!(!leased.is_injected("{}").await);
    }
    assert_eq!(leased.dynamo.reads(), 1);
    leased.dynamo.behave(Mood::Hangs);
    leased.clock.pass(1_000);
    for _ in 0..5 {
        assert!(!leased.is_injected("{}").await);
    }
    assert_eq!(leased.dynamo.reads(), 2);
    assert_eq!(leased.dynamo.written().len(), 0);
}

//! What the layers wrote.

use inoculate_core::layer::{Stage, problems_key, sketch_key};
use inoculate_core::names::RunId;
use inoculate_core::seen::Written;
use serde_json::{Value, json};

use super::Fixture;
use crate::build;

const ARN: &str = "arn:aws:lambda:eu-west-1:123456789012:function:f";

/// An item as the layer writes it, with its key.
fn sketch(run: &RunId, environment: &str, stage: Stage, requests: u64) -> Value {
    let (pk, sk) = sketch_key(run, "f", environment, stage);
    json!({
        "PK": pk, "SK": sk, "schema_version": 1, "run_id": run, "function_arn": ARN, "environment": environment,
        "stage": stage, "fence": 3, "since_ms": 1_700_000_000_000_u64,
        "control": { "requests": requests, "errors": 1, "durations": "-345:2 1:7" },
        "experimental": {
            "requests": 2 * requests, "injected": 2, "by_field": requests,
            "calls": { "dynamodb GetItem": { "calls": 6, "failed": 4, "callers": 2, "durations": "127:6" } },
        },
        "writes": 4, "lost_writes": 1, "written_at_ms": 1_700_000_009_000_u64, "expires_at": 2_000_000_000,
    })
}

/// Environments are spread over partitions; all of them are found, those of other stages and runs are not.
pub async fn what_the_layers_saw_is_added_up(fixture: &dyn Fixture) {
    let run: RunId = build::name(&fixture.unique("seen"));
    let other: RunId = build::name(&fixture.unique("other"));
    let sketches = &fixture.ports().sketches;
    assert_eq!(
        sketches.written(&run, Stage::Injection).await.unwrap(),
        Written::default()
    );
    let mut items: Vec<Value> = (0..40)
        .map(|n| sketch(&run, &format!("e{n}"), Stage::Injection, 10))
        .collect();
    items.push(sketch(&run, "e1", Stage::Baseline, 100));
    items.push(sketch(&other, "e1", Stage::Injection, 100));
    fixture.write_as_layer(&items).await;

    let written = sketches.written(&run, Stage::Injection).await.unwrap();
    let seen = written.of(ARN);
    assert_eq!((seen.environments, seen.lost_writes), (40, 40));
    assert_eq!(
        (seen.seen.control.requests, seen.seen.experimental.requests),
        (400, 800)
    );
    assert_eq!((seen.seen.control.errors, seen.seen.experimental.injected), (40, 80));
    assert_eq!(seen.seen.control.durations.count(), 360);
    let calls = seen.seen.experimental.calls.get("dynamodb GetItem").unwrap();
    assert_eq!(
        (calls.calls, calls.failed, calls.callers, calls.noticed),
        (240, 160, 80, 0)
    );
    assert_eq!(calls.durations.count(), 240);
    assert_eq!(seen.since_ms, Some(1_700_000_000_000));
    assert_eq!(written.of("arn:of:another").environments, 0);
}

/// What a layer could not do is found whatever the stage.
pub async fn problems_of_the_layers_are_found(fixture: &dyn Fixture) {
    let run: RunId = build::name(&fixture.unique("problems"));
    let item = |environment: &str| {
        let (pk, sk) = problems_key(&run, "f", environment);
        json!({
            "PK": pk, "SK": sk, "schema_version": 1, "run_id": run, "function_arn": ARN, "environment": environment,
            "problems": ["the lease is ignored: schema version 9 is later than 1"], "written_at_ms": 1,
        })
    };
    fixture.write_as_layer(&[item("e1"), item("e2")]).await;
    for stage in [Stage::Baseline, Stage::Recovery] {
        let written = fixture.ports().sketches.written(&run, stage).await.unwrap();
        assert_eq!(
            written.of(ARN).problems,
            ["the lease is ignored: schema version 9 is later than 1"]
        );
    }
}

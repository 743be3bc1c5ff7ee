//! Any JSON as a lease, as the item of one, and as an event.
//!
//! A lease that is read is a valid one: it comes back as it was from what is written of it, and faults come of it only
//! while it counts, and only if it says so.

use inoculate_core::fault::FaultPlan;
use inoculate_core::groups::Group;
use inoculate_core::layer::{Caps, Material, Moment, ReadLease, Stage, decide, read};
use inoculate_core::lease::LeaseRole;
use inoculate_layer::dynamo::item;
use serde_json::{Value, json};

const ARN: &str = "arn:aws:lambda:eu-west-1:123456789012:function:shop";

const FREE: Caps = Caps {
    disabled: false,
    max_percent: 100.0,
};

pub(crate) fn check(bytes: &[u8]) {
    let Ok(value) = serde_json::from_slice::<Value>(bytes) else {
        return;
    };
    let item = value.get("Item").and_then(item::to_json);
    for candidate in [Some(value.clone()), item::to_json(&value), item].into_iter().flatten() {
        if let Ok(Some(lease)) = read(&candidate, ARN) {
            check_lease(&lease, &candidate);
        }
    }
    check_event(&value);
}

fn check_lease(read_lease: &ReadLease, event: &Value) {
    let lease = read_lease.lease();
    let written = serde_json::to_value(lease).expect("a lease can be written");
    assert_eq!(read(&written, ARN), Ok(Some(read_lease.clone())), "as JSON");
    let stored = item::to_json(&item::from_json(&written)).expect("an item");
    assert_eq!(read(&stored, ARN), Ok(Some(read_lease.clone())), "as an item");
    assert_eq!(lease.function_arn, ARN);

    let end = lease.expires_at_ms;
    for now_ms in [0, 1, end.saturating_sub(1), end, end.saturating_add(1), u64::MAX] {
        for read_at_ms in [
            now_ms,
            now_ms.saturating_sub(2_000),
            now_ms.saturating_sub(2_001),
            now_ms.saturating_add(1),
        ] {
            let at = Moment {
                now_ms,
                read_at_ms,
                max_stale_ms: 2_000,
            };
            let fresh = read_at_ms <= now_ms && now_ms - read_at_ms <= 2_000;
            check_decision(read_lease, &at, fresh && now_ms < end, event);
        }
    }
}

fn check_decision(read_lease: &ReadLease, at: &Moment, counts: bool, event: &Value) {
    let lease = read_lease.lease();
    let request = Material {
        event: Some(event),
        trace: event.get("salt").and_then(Value::as_str),
        request_id: "r",
    };
    let disabled = Caps { disabled: true, ..FREE };
    assert_eq!(decide(read_lease, at, &disabled, &request), None);
    let decision = decide(read_lease, at, &FREE, &request);
    assert_eq!(
        decision.is_some(),
        counts && lease.role != LeaseRole::Released,
        "{at:?}"
    );
    let Some(decision) = decision else { return };
    let faults = decision.faults.faults();
    if !faults.is_empty() {
        assert_eq!(
            (lease.role, lease.stage, decision.group),
            (LeaseRole::Fault, Stage::Injection, Group::Experimental)
        );
        assert!(lease.percent > 0.0 && faults.len() <= lease.faults.len());
    }
    assert!(
        FaultPlan::new(faults.to_vec()).is_ok(),
        "what is left of a plan is a plan"
    );
    let none = Caps {
        max_percent: 0.0,
        ..FREE
    };
    let capped = decide(read_lease, at, &none, &request).expect("a cap only takes faults away");
    assert_eq!(
        (capped.group, capped.key, capped.faults.faults().len()),
        (decision.group, decision.key, 0)
    );
}

/// The value as the event of a lease that has every kind of match.
fn check_event(event: &Value) {
    let fault = |name: &str, test: Value| {
        let delay = json!({ "distribution": "fixed", "ms": 1 });
        json!({ "match": [test], "fault": { "kind": "latency", "delay": delay, "at": name } })
    };
    let lease = json!({
        "schema_version": 1, "function_arn": ARN, "run_id": "r-1", "fence": 1, "role": "fault", "stage": "injection",
        "salt": "s", "percent": 100, "key": "/key", "expires_at_ms": 2, "faults": [
            fault("before", json!({ "test": "equals", "field": "/a", "value": 1 })),
            fault("before", json!({ "test": "prefix", "field": "/a/0", "value": "x" })),
            fault("after", json!({ "test": "exists", "field": "/a/b" })),
            fault("after", json!({ "test": "regex", "field": "", "pattern": "^(x+)+$" })),
        ],
    });
    let lease = read(&lease, ARN).expect("a good lease").expect("a lease");
    let at = Moment {
        now_ms: 1,
        read_at_ms: 1,
        max_stale_ms: 2_000,
    };
    check_decision(&lease, &at, true, event);
}

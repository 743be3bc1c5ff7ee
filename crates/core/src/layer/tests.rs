use proptest::prelude::*;
use serde_json::json;

use super::*;

const ARN: &str = "arn:aws:lambda:eu-west-1:123456789012:function:shop";

fn item() -> Value {
    json!({
        "PK": "TARGET#...", "SK": "LEASE", "function": "shop", "something_new": { "a": 1 },
        "schema_version": 1, "function_arn": ARN, "run_id": "r-1", "fence": 3, "role": "fault",
        "stage": "injection", "salt": "s", "percent": 50, "expires_at_ms": 10_000,
        "faults": [
            { "fault": { "kind": "latency", "delay": { "distribution": "fixed", "ms": 5 }, "at": "before" } },
            { "match": [{ "test": "prefix", "field": "/customer", "value": "eu" }],
              "fault": { "kind": "error", "error_type": "E", "message": "m", "handler": "skip" } },
        ],
    })
}

fn with(name: &str, value: Value) -> Value {
    let mut item = item();
    item[name] = value;
    item
}

fn lease(item: &Value) -> ReadLease {
    read(item, ARN).unwrap().unwrap()
}

fn at(now_ms: u64, read_at_ms: u64) -> Moment {
    Moment {
        now_ms,
        read_at_ms,
        max_stale_ms: 2_000,
    }
}

const FREE: Caps = Caps {
    disabled: false,
    max_percent: 100.0,
};

fn request<'a>(id: &'a str, event: Option<&'a Value>) -> Material<'a> {
    Material {
        event,
        trace: None,
        request_id: id,
    }
}

#[test]
fn a_lease_is_read_and_what_is_not_known_is_ignored() {
    let read = lease(&item());
    assert_eq!((read.lease().fence, read.lease().percent), (3, 50.0));
    assert!(read.needs_event());
    let written = serde_json::to_value(read.lease()).unwrap();
    assert_eq!(lease(&written), read);
}

#[test]
fn what_says_nothing_to_the_layer_is_no_lease() {
    assert_eq!(read(&with("role", json!("released")), ARN), Ok(None));
    // What the orchestrator writes for faults in the control plane.
    let plain = json!({ "schema_version": 1, "function": "shop", "function_arn": ARN, "run_id": "r-1", "fence": 1,
        "role": "fault", "expires_at_ms": 1 });
    assert_eq!(read(&plain, ARN), Ok(None));
}

#[test]
fn a_mistake_anywhere_refuses_the_whole() {
    let refusal = |item: &Value| read(item, ARN).unwrap_err().to_string();
    assert_eq!(
        refusal(&with("schema_version", json!(2))),
        "schema version 2 is later than 1"
    );
    assert_eq!(
        refusal(&with("function_arn", json!("arn:other"))),
        "it is for another function: arn:other"
    );
    for (name, value) in [
        ("schema_version", json!("1")),
        ("role", json!("rule")),
        ("stage", json!("later")),
        ("stage", json!("baseline")),
        ("salt", json!("")),
        ("percent", json!(101)),
        ("percent", json!("many")),
        ("key", json!("customer")),
        ("fence", json!(-1)),
        ("expires_at_ms", json!(-1)),
        ("run_id", json!("a b")),
        ("faults", json!([{ "fault": { "kind": "flood" } }])),
        (
            "faults",
            json!([{ "fault": { "kind": "cpu_pressure", "threads": 0, "longest_secs": 1 } }]),
        ),
        (
            "faults",
            json!([{ "fault": { "kind": "crash", "at": "after" }, "percent": 1 }]),
        ),
        (
            "faults",
            json!([{ "match": [{ "test": "exists", "field": "a" }], "fault": { "kind": "crash", "at": "after" } }]),
        ),
        (
            "faults",
            json!([{ "match": [{ "test": "regex", "field": "/a", "pattern": "(" }],
            "fault": { "kind": "crash", "at": "after" } }]),
        ),
        (
            "faults",
            json!([{ "fault": { "kind": "crash", "at": "after" } }, { "fault": { "kind": "hang", "handler": "run" } }]),
        ),
    ] {
        let refusal = refusal(&with(name, value.clone()));
        assert!(
            refusal.starts_with("it is not understood: "),
            "{name} {value}: {refusal}"
        );
    }
    for not_a_lease in [json!(null), json!([]), json!("x"), json!({})] {
        assert!(read(&not_a_lease, ARN).is_err());
    }
}

#[test]
fn a_lease_counts_while_it_is_unexpired_and_fresh() {
    let lease = lease(&with("percent", json!(100)));
    for (now, read_at, counts) in [
        (1_000, 1_000, true),
        (3_000, 1_000, true),
        (3_001, 1_000, false),
        (9_999, 9_999, true),
        (10_000, 9_999, false),
        // Read in the future: some clock is wrong.
        (1_000, 1_001, false),
    ] {
        let decision = decide(&lease, &at(now, read_at), &FREE, &request("r", None));
        assert_eq!(decision.is_some(), counts, "{now} {read_at}");
    }
}

#[test]
fn only_the_role_fault_injects() {
    let observe = with("role", json!("observe"));
    let mut all = observe.clone();
    all["percent"] = json!(100);
    let decision = decide(&lease(&all), &at(1, 1), &FREE, &request("r", None)).unwrap();
    assert_eq!(
        (decision.group, decision.faults.faults().len()),
        (Group::Experimental, 0)
    );
}

#[test]
fn every_match_of_a_fault_must_hold() {
    let lease = lease(&with("percent", json!(100)));
    let kinds = |event: Option<&Value>| {
        let decision = decide(&lease, &at(1, 1), &FREE, &request("r", event)).unwrap();
        decision.faults.faults().len()
    };
    assert_eq!(kinds(Some(&json!({ "customer": "eu-1" }))), 2);
    assert_eq!(kinds(Some(&json!({ "customer": "us-1" }))), 1);
    assert_eq!(kinds(None), 1);
}

#[test]
fn the_key_is_a_field_or_the_trace_or_the_request() {
    let lease = lease(&with("key", json!("/customer")));
    let trace = Some("Root=1-2-3;Parent=4");
    for (event, trace, expected) in [
        (json!({ "customer": "c" }), trace, KeyKind::Field),
        (json!({ "customer": 7 }), trace, KeyKind::Field),
        (json!({ "customer": "" }), trace, KeyKind::TraceRoot),
        (json!({ "customer": { "id": 7 } }), trace, KeyKind::TraceRoot),
        (json!({}), None, KeyKind::RequestId),
        (json!({}), Some("Sampled=0"), KeyKind::RequestId),
    ] {
        let material = Material {
            event: Some(&event),
            trace,
            request_id: "r",
        };
        assert_eq!(
            decide(&lease, &at(1, 1), &FREE, &material).unwrap().key,
            expected,
            "{event}"
        );
    }
}

#[test]
fn caps_take_faults_away_but_move_nobody_to_the_other_group() {
    let lease = lease(&item());
    let all: Vec<String> = (0..500).map(|n| n.to_string()).collect();
    let run = |caps: Caps| -> Vec<(Group, bool)> {
        let decide = |id: &String| decide(&lease, &at(1, 1), &caps, &request(id, None)).unwrap();
        all.iter()
            .map(decide)
            .map(|decision| (decision.group, !decision.faults.faults().is_empty()))
            .collect()
    };
    let (free, capped, none) = (
        run(FREE),
        run(Caps {
            max_percent: 10.0,
            ..FREE
        }),
        run(Caps {
            max_percent: 0.0,
            ..FREE
        }),
    );
    let share = |decisions: &[(Group, bool)]| decisions.iter().filter(|(_, faults)| *faults).count();
    assert!(share(&free) > 200 && (20..90).contains(&share(&capped)) && share(&none) == 0);
    for ((free, capped), none) in free.iter().zip(&capped).zip(&none) {
        assert_eq!((free.0, free.0), (capped.0, none.0));
        assert!(free.1 || !capped.1, "a cap adds no fault");
    }
    let disabled = Caps { disabled: true, ..FREE };
    assert_eq!(decide(&lease, &at(1, 1), &disabled, &request("r", None)), None);
}

#[test]
fn renewing_allows_the_same() {
    let one = lease(&item());
    assert!(one.allows_the_same(&lease(&with("expires_at_ms", json!(99)))));
    for (name, value) in [
        ("fence", json!(4)),
        ("percent", json!(1)),
        ("faults", json!([])),
        ("role", json!("observe")),
    ] {
        assert!(!one.allows_the_same(&lease(&with(name, value))), "{name}");
    }
}

#[test]
fn the_run_of_a_refused_lease_is_read_from_the_item_as_it_is() {
    let run = |item: &Value| run_to_tell(item, 9_999).map(|run| run.to_string());
    for (name, value) in [
        ("schema_version", json!(2)),
        ("percent", json!("many")),
        ("expires_at_ms", json!("soon")),
        ("role", json!(7)),
    ] {
        let item = with(name, value);
        assert!(read(&item, ARN).is_err());
        assert_eq!(run(&item).as_deref(), Some("r-1"), "{name}");
    }
    for (name, value) in [
        ("run_id", json!("a b")),
        ("run_id", json!(1)),
        ("run_id", json!(null)),
        ("role", json!("released")),
        ("expires_at_ms", json!(9_999)),
    ] {
        assert_eq!(run(&with(name, value.clone())), None, "{name} {value}");
    }
    for not_a_lease in [json!(null), json!([]), json!("x"), json!({})] {
        assert_eq!(run(&not_a_lease), None);
    }
}

#[test]
fn a_cap_below_what_a_run_asks_for_is_named() {
    let caps = |max_percent| Caps { max_percent, ..FREE };
    let capped = |item: &Value, max| lease(item).capped_by(&caps(max));
    assert_eq!(
        capped(&item(), 2.5).as_deref(),
        Some("the owner allows at most 2.5 percent, and the run asks for 50")
    );
    assert_eq!(capped(&item(), 50.0), None);
    for (name, value) in [("role", json!("observe")), ("faults", json!([]))] {
        assert_eq!(capped(&with(name, value), 0.0), None, "{name}");
    }
}

#[test]
fn keys_are_as_documented() {
    assert_eq!(unqualified(&format!("{ARN}:live")), ARN);
    assert_eq!(unqualified(ARN), ARN);
    assert_eq!(unqualified("shop"), "shop");
    assert_eq!(lease_key(ARN), (format!("TARGET#{ARN}"), "LEASE"));
    let (pk, sk) = sketch_key(&"r-1".parse().unwrap(), "shop", "e1", Stage::Injection);
    assert_eq!((pk.as_str(), sk.as_str()), ("RUN#r-1#SKETCH#11", "shop#e1#injection"));
    let (pk, sk) = problems_key(&"r-1".parse().unwrap(), "shop", "e1");
    assert_eq!((pk.as_str(), sk.as_str()), ("RUN#r-1#SKETCH#11", "shop#e1#problems"));
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(value) = serde_json::from_slice::<Value>(&bytes) {
            let _ = read(&value, ARN);
        }
    }

    #[test]
    fn a_damaged_lease_is_read_whole_or_not_at_all(at_byte in 0..700_usize, byte in any::<u8>()) {
        let mut bytes = serde_json::to_vec(&item()).unwrap();
        let place = at_byte % bytes.len();
        bytes[place] = byte;
        if let Ok(value) = serde_json::from_slice::<Value>(&bytes)
            && let Ok(Some(read)) = read(&value, ARN)
        {
            let _ = decide(&read, &at(1, 1), &FREE, &request("r", Some(&json!({ "customer": "eu" }))));
        }
    }
}

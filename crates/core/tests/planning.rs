//! The plan: what a run would touch, for how long, at what cost.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails the test")]

use inoculate_core::experiment::Experiment;
use inoculate_core::plan::{Cost, Plan, price};
use inoculate_core::read::experiment_from_value;
use proptest::prelude::*;
use serde_json::json;

fn experiment(longest_secs: u32, round_secs: u32) -> Experiment {
    let value = json!({
        "name": "plan",
        "hypothesis": "Nothing happens.",
        "blast_radius": { "functions": ["payments", "worker"], "percent": 100, "longest": format!("{longest_secs}s") },
        "windows": {
            "baseline": "30s", "round": format!("{round_secs}s"), "recovery": "25s", "metrics_delay": "3s",
        },
        "faults": [
            { "kind": "reserved_concurrency", "function": "payments", "executions": 0 },
            { "kind": "timeout", "function": "payments", "timeout": "2s" },
            { "kind": "memory", "function": "payments", "memory_mb": 128 },
            { "kind": "event_source_disabled", "function": "worker", "source": "arn:aws:sqs:eu-west-1:123456789012:orders" },
        ],
        "steady_state": [{
            "name": "failures", "period": "1s",
            "metric": { "namespace": "Shop", "name": "OrdersFailed", "statistic": "Sum" },
            "tolerance": { "at_most": 1 },
        }],
    });
    experiment_from_value(&value).unwrap()
}

#[test]
fn the_plan_of_every_kind_of_fault() {
    insta::assert_json_snapshot!(Plan::of(&experiment(600, 10)));
}

#[test]
fn a_run_of_ten_minutes_costs_less_than_a_cent() {
    let cost = Plan::of(&experiment(600, 10)).cost;
    assert!(cost.usd > 0.0 && cost.usd < 0.01, "{cost:?}");
}

#[test]
fn the_price_of_each_thing_is_its_list_price() {
    let nothing = Cost::default();
    for (name, cost, usd) in [
        ("nothing", nothing, 0.0),
        (
            "transitions",
            Cost {
                transitions: 1000.0,
                ..nothing
            },
            0.025,
        ),
        (
            "requests",
            Cost {
                requests: 1e6,
                ..nothing
            },
            0.20,
        ),
        (
            "gigabyte-seconds",
            Cost {
                gigabyte_secs: 1.0,
                ..nothing
            },
            price::GIGABYTE_SEC,
        ),
        (
            "writes",
            Cost {
                write_units: 1e6,
                ..nothing
            },
            0.625,
        ),
        (
            "reads",
            Cost {
                read_units: 1e6,
                ..nothing
            },
            0.125,
        ),
        (
            "metrics",
            Cost {
                metrics: 1000.0,
                ..nothing
            },
            0.01,
        ),
        (
            "alarms",
            Cost {
                alarm_hours: 720.0,
                ..nothing
            },
            0.10,
        ),
    ] {
        assert!((cost.priced().usd - usd).abs() < 1e-12, "{name}: {}", cost.priced().usd);
    }
}

#[test]
fn alarms_of_the_run_are_said_and_cost_by_the_begun_hour() {
    let with = |longest, periods: &[&str]| {
        let mut experiment = experiment(longest, 60);
        let alarm = |period: &&str| {
            let metric = json!({ "namespace": "Shop", "name": "OrdersFailed", "statistic": "Sum" });
            serde_json::from_value(json!({ "metric": metric, "period": period, "above": 5 })).unwrap()
        };
        experiment.guards.abort_when = periods.iter().map(alarm).collect();
        Plan::of(&experiment)
    };
    assert_eq!(with(3600, &[]).alarms, [] as [String; 0]);
    let words = "Sum of OrdersFailed (Shop) above 5 in a period of";
    assert_eq!(
        with(60, &["1m", "10s"]).alarms,
        [format!("{words} 1m"), format!("{words} 10s")]
    );
    for (longest, periods, hours) in [
        (3600, &[][..], 0.0),
        (60, &["1m"][..], 1.0),
        (3600, &["1m", "5m"][..], 2.0),
        (3601, &["1m", "10s"][..], 8.0),
    ] {
        assert_eq!(
            with(longest, periods).cost.alarm_hours,
            hours,
            "{longest} s, {periods:?}"
        );
    }
}

proptest! {
    #[test]
    fn rounds_cover_the_injection_and_not_one_more(longest in 10u32..900, round in 1u32..10) {
        let plan = Plan::of(&experiment(longest, round));
        prop_assert!(plan.rounds * round >= longest);
        prop_assert!((plan.rounds - 1) * round < longest);
        prop_assert_eq!((plan.baseline_secs, plan.injection_secs, plan.recovery_secs), (33, longest, 28));
        prop_assert!(plan.cost.usd.is_finite() && plan.cost.usd > 0.0);
    }

    #[test]
    fn a_longer_run_never_costs_less(longest in 10u32..800, more in 0u32..100) {
        prop_assert!(Plan::of(&experiment(longest + more, 5)).cost.usd >= Plan::of(&experiment(longest, 5)).cost.usd);
    }
}

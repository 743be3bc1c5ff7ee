//! A run whose measure is a CloudWatch series with a limit relative to the baseline, from its start to the verdict.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails the test")]

use std::sync::Arc;

use inoculate_core::judge::{ALPHA, Claim, Finding, Reason, Verdict};
use inoculate_core::names::RunId;
use inoculate_core::ports::Measured;
use inoculate_core::run::Cause;
use inoculate_tests::build::{self, CHECKOUT, PAYMENTS};
use inoculate_tests::machine::Machine;
use inoculate_tests::memory::{FunctionState, RunState, World};
use serde_json::{Value, json};

/// 12 periods of 5 seconds before, and as many while payments is throttled.
fn experiment() -> Value {
    json!({
        "name": "payments-throttled",
        "hypothesis": "Customers do not wait longer when payments is throttled.",
        "blast_radius": { "functions": [PAYMENTS], "percent": 100, "longest": "60s" },
        "windows": { "baseline": "60s", "round": "5s", "recovery": "25s" },
        "faults": [{ "kind": "reserved_concurrency", "function": PAYMENTS, "executions": 0 }],
        "steady_state": [{
            "name": "wait",
            "unit": "ms",
            "period": "5s",
            "metric": { "namespace": "Shop", "name": "Wait", "statistic": "p90" },
            "tolerance": { "rise_at_most_percent": 20 },
        }],
    })
}

/// A shop whose customers wait about 200 ms, and while payments is throttled as many times as long as `slower` says of the
/// number of seconds since 1970; `None` when there is no value.
fn shop(slower: impl Fn(i64) -> Option<f64> + Send + Sync + 'static) -> Arc<World> {
    let world = World::new();
    for name in [PAYMENTS, CHECKOUT] {
        world.add_function(name, FunctionState::new(name));
    }
    world.measure(move |metric, at| {
        let second = at.time.as_second();
        let wait = 195.0 + (second * 7919 % 101) as f64 / 10.0;
        match metric.name.as_str() {
            "Wait" if at.function(PAYMENTS).concurrency == Some(0) => Some(wait * slower(second)?),
            "Wait" => Some(wait),
            _ => None,
        }
    });
    world
}

async fn run(world: &Arc<World>) -> RunState {
    let id: RunId = build::name("run");
    Machine::new(world, world.ports(), id.clone())
        .execute(&experiment())
        .await;
    world.run(&id)
}

fn finding(measured: &Measured) -> &Finding {
    &measured.findings[0]
}

fn claim(measured: &Measured) -> &Claim {
    &finding(measured).claims[0]
}

fn cause(recorded: &RunState) -> Cause {
    recorded.run.ending.as_ref().unwrap().cause
}

#[tokio::test]
async fn customers_who_wait_no_longer_uphold() {
    let recorded = run(&shop(|_| Some(1.02))).await;
    assert_eq!(cause(&recorded), Cause::WindowOver);
    let baseline = recorded.baseline.as_ref().unwrap();
    assert!(finding(baseline).values.len() >= 11 && finding(baseline).claims.is_empty());

    let evaluation = recorded.evaluation.as_ref().unwrap();
    let during = evaluation.during.as_ref().unwrap();
    assert_eq!(
        (evaluation.verdict, finding(during).reason),
        (Verdict::Upheld, Reason::Within)
    );
    assert!((claim(during).effect.unwrap() - 2.0).abs() < 5.0, "{during:?}");
    assert_eq!(finding(evaluation.recovery.as_ref().unwrap()).verdict, Verdict::Upheld);
    assert!(finding(during).values.is_empty(), "only the baseline keeps its points");

    // Half of alpha is for the verdict, the other half for twelve looks.
    assert_eq!(claim(during).alpha, ALPHA / 2.0);
    for observed in recorded.observations.values() {
        let alpha = claim(observed).alpha;
        assert!((alpha - ALPHA / 24.0).abs() < 1e-12, "{alpha}");
    }
}

#[tokio::test]
async fn customers_who_wait_longer_end_the_run_as_soon_as_points_can_tell() {
    let recorded = run(&shop(|_| Some(2.0))).await;
    assert_eq!(cause(&recorded), Cause::Harm);
    let looks: Vec<&Measured> = recorded.observations.values().collect();
    let (last, before) = looks.split_last().unwrap();
    assert_eq!(
        (finding(last).verdict, finding(last).reason),
        (Verdict::Deviated, Reason::Beyond)
    );
    // Of 4 and 12 points there are 1,820 arrangements, which is enough for alpha / 24, half on each side; of 3 there are 455.
    assert_eq!(finding(last).points, 4);
    let lacking = before.iter().filter(|look| finding(look).points == 3);
    assert!(lacking.clone().count() > 0);
    assert!(lacking.into_iter().all(|look| claim(look).needed == Some(1)));
    assert_eq!(recorded.evaluation.as_ref().unwrap().verdict, Verdict::Deviated);
}

#[tokio::test]
async fn customers_who_wait_longer_at_last_end_the_run_although_most_of_it_was_calm() {
    let begins = build::shop().ports().clock.now().as_second();
    // The injection begins about a minute after that.
    let recorded = run(&shop(move |second| Some(if second - begins < 95 { 1.0 } else { 3.0 }))).await;
    assert_eq!(cause(&recorded), Cause::Harm);
    let last = recorded.observations.values().last().unwrap();
    assert_eq!(finding(last).reason, Reason::Sustained, "{}", finding(last).sentence);
    assert_eq!(recorded.evaluation.as_ref().unwrap().verdict, Verdict::Deviated);
}

#[tokio::test]
async fn points_that_stay_away_uphold_nothing() {
    let recorded = run(&shop(|second| (second / 5 % 3 == 0).then_some(1.0))).await;
    assert_eq!(cause(&recorded), Cause::WindowOver);
    let during = recorded.evaluation.as_ref().unwrap().during.as_ref().unwrap();
    assert_eq!(
        (finding(during).verdict, finding(during).reason),
        (Verdict::Inconclusive, Reason::Gaps)
    );
}

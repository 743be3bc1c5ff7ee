//! Runs of the layer from start to verdict: groups, the faults that fire, those that do not, and who may be watched.

#![expect(clippy::unwrap_used, reason = "a test says what it found by panicking")]

use std::collections::BTreeSet;
use std::sync::Arc;

use inoculate_core::judge::Verdict;
use inoculate_core::layer::Stage;
use inoculate_core::names::RunId;
use inoculate_core::run::{Cause, Status};
use inoculate_core::seen::LayerProblems;
use inoculate_tests::build::{self, CHECKOUT, PAYMENTS};
use inoculate_tests::machine::Machine;
use inoculate_tests::memory::{FunctionState, RunState, World};
use serde_json::{Value, json};

/// Runs the experiment of the layer after a change, and returns all that is recorded.
async fn run(world: &Arc<World>, id: &str, change: impl FnOnce(&mut Value)) -> RunState {
    let mut experiment = build::layered_experiment_value();
    change(&mut experiment);
    let id: RunId = build::name(id);
    let mut machine = Machine::new(world, world.ports(), id.clone());
    machine.execute(&experiment).await.unwrap();
    world.run(&id)
}

fn faults_met(world: &World) -> usize {
    world.look(|state| state.faults_met.len())
}

#[tokio::test]
async fn half_of_the_requests_meet_the_fault_and_checkout_sees_the_same_half() {
    let world = build::layered_shop(true);
    let recorded = run(&world, "half", |_| {}).await;
    assert_eq!(recorded.run.verdict, Some(Verdict::Deviated));
    assert_eq!(recorded.run.ending.unwrap().cause, Cause::Harm);
    let during = recorded.evaluation.unwrap().during.unwrap();
    let [payments, checkout] = during.seen.as_slice() else {
        panic!("{:#?}", during.seen)
    };
    assert_eq!(
        (payments.function.as_str(), checkout.function.as_str()),
        (PAYMENTS, CHECKOUT)
    );
    assert_eq!(payments.experimental.injected, payments.experimental.requests);
    assert_eq!(payments.control.injected, 0);
    // Everybody in the experimental group of checkout fails, and nobody else: both made the same choice.
    assert_eq!(checkout.experimental.errors, checkout.experimental.requests);
    assert_eq!((checkout.control.errors, checkout.experimental.injected), (0, 0));
    assert_eq!(checkout.keys.keys().collect::<Vec<_>>(), ["field"]);
    let share = checkout.experimental.requests as f64 / checkout.requests() as f64;
    assert!((0.3..0.7).contains(&share), "{share}");
    // The baseline and the recovery were seen too, without a fault.
    let stages = world.look(|state| {
        let written = state.written.values().flat_map(|written| &written.sketches);
        written.map(|record| record.stage).collect::<BTreeSet<_>>()
    });
    assert_eq!(
        stages,
        BTreeSet::from([Stage::Baseline, Stage::Injection, Stage::Recovery])
    );
}

#[tokio::test]
async fn nobody_meets_the_fault_of_a_run_of_0_percent_so_it_tells_nothing() {
    let world = build::layered_shop(true);
    let recorded = run(&world, "none", |experiment| {
        experiment["blast_radius"]["percent"] = json!(0)
    })
    .await;
    assert_eq!(faults_met(&world), 0);
    assert_eq!(
        (recorded.run.status, recorded.run.verdict),
        (Status::Completed, Some(Verdict::Inconclusive))
    );
    let because = recorded.evaluation.unwrap().because;
    assert_eq!(because, format!("no request of {PAYMENTS} met a fault"));
}

#[tokio::test]
async fn a_run_of_100_percent_says_that_it_has_no_control_group() {
    let world = build::layered_shop(true);
    let recorded = run(&world, "all", |experiment| {
        experiment["blast_radius"]["percent"] = json!(100)
    })
    .await;
    assert_eq!(recorded.run.verdict, Some(Verdict::Deviated));
    let because = recorded.evaluation.unwrap().because;
    assert!(because.contains("no control group"), "{because}");
}

#[tokio::test]
async fn faults_that_no_event_matches_tell_nothing() {
    let world = build::layered_shop(false);
    let recorded = run(&world, "unmatched", |experiment| {
        experiment["faults"][0]["match"] = json!([{ "field": "/order_id", "equals": "nobody" }]);
    });
    let recorded = recorded.await;
    assert_eq!(
        (faults_met(&world), recorded.run.verdict),
        (0, Some(Verdict::Inconclusive))
    );
}

#[tokio::test]
async fn a_fault_that_hardly_anybody_met_tells_nothing() {
    let world = build::layered_shop(true);
    let recorded = run(&world, "rare", |experiment| {
        // One order in a hundred.
        experiment["faults"][0]["match"] = json!([{ "field": "/order_id", "regex": "0-0$" }]);
    });
    let recorded = recorded.await;
    assert!((1..10).contains(&faults_met(&world)), "{}", faults_met(&world));
    assert_eq!(recorded.run.verdict, Some(Verdict::Inconclusive));
    let because = recorded.evaluation.unwrap().because;
    assert!(because.starts_with("only "), "{because}");
}

#[tokio::test]
async fn groups_of_functions_that_tell_requests_apart_by_themselves_are_not_compared() {
    let world = build::layered_shop(true);
    let recorded = run(&world, "apart", |experiment| {
        experiment["blast_radius"].as_object_mut().unwrap().remove("key");
    });
    let recorded = recorded.await;
    assert_eq!(recorded.run.status, Status::Refused);
    let ending = recorded.run.ending.unwrap();
    assert_eq!(ending.cause, Cause::GroupsUnrelated);
    assert!(ending.detail.contains("blast_radius.key"), "{}", ending.detail);
    assert_eq!(faults_met(&world), 0);
}

#[tokio::test]
async fn the_delay_of_the_metrics_does_not_change_the_traffic() {
    let world = build::layered_shop(false);
    let recorded = run(&world, "delayed", |experiment| {
        experiment["windows"]["metrics_delay"] = json!("1m");
        experiment["steady_state"][0]["layer"]["statistic"] = json!("requests_per_second");
        experiment["steady_state"][0]["tolerance"] = json!({ "fall_at_most_percent": 60, "at_most": 100 });
    });
    let recorded = recorded.await;
    assert_eq!(
        recorded.run.verdict,
        Some(Verdict::Upheld),
        "{:#?}",
        recorded.evaluation
    );
    for measured in [recorded.baseline.unwrap(), recorded.evaluation.unwrap().during.unwrap()] {
        let rate = measured.findings[0].median.unwrap();
        assert!((9.0..=11.0).contains(&rate), "{rate} requests a second, 10 are sent");
    }
}

#[tokio::test]
async fn another_run_chooses_other_requests() {
    let world = build::layered_shop(false);
    let salt = |id: &str| {
        let leases = world.look(|state| state.leases.clone());
        let lease = leases.into_values().find(|lease| lease.run_id.as_str() == id).unwrap();
        lease.terms.unwrap().salt
    };
    run(&world, "one", |_| {}).await;
    let one = salt("one");
    run(&world, "two", |_| {}).await;
    assert_ne!(one, salt("two"));
}

#[tokio::test]
async fn a_function_that_is_only_watched_must_allow_it_too() {
    let world = build::layered_shop(false);
    let mut untagged = FunctionState::new(CHECKOUT);
    untagged.tags.clear();
    world.add_function(CHECKOUT, untagged);
    let recorded = run(&world, "untagged", |_| {}).await;
    assert_eq!(recorded.run.status, Status::Refused);
    assert!(recorded.run.ending.unwrap().detail.contains(CHECKOUT));
    assert_eq!(faults_met(&world), 0);
}

#[tokio::test]
async fn a_function_whose_layer_sees_nothing_is_refused_with_what_its_layer_said() {
    // Functions without the layer: nobody sends anything through it.
    let world = build::shop();
    let id: RunId = build::name("blind");
    let problem = "the lease is ignored: schema version 9 is later than 1";
    world.change(|state| {
        state
            .written
            .entry(id.clone())
            .or_default()
            .problems
            .push(LayerProblems {
                function_arn: FunctionState::new(PAYMENTS).arn,
                problems: vec![problem.to_owned()],
            });
    });
    let recorded = run(&world, "blind", |_| {}).await;
    assert_eq!(recorded.run.status, Status::Refused);
    let ending = recorded.run.ending.unwrap();
    assert_eq!(ending.cause, Cause::Unseen);
    assert!(ending.detail.contains(problem), "{}", ending.detail);
    assert!(
        ending.detail.contains(&format!("inoculate doctor {CHECKOUT}")),
        "{}",
        ending.detail
    );
    let baseline = recorded.baseline.unwrap();
    assert_eq!(baseline.seen[0].problems, [problem]);
}

#[tokio::test]
async fn functions_are_free_again_after_the_verdict() {
    let world = build::layered_shop(false);
    for id in ["first", "second"] {
        let recorded = run(&world, id, |_| {}).await;
        assert_eq!(
            (recorded.run.status, recorded.run.verdict),
            (Status::Completed, Some(Verdict::Upheld)),
            "{id}"
        );
    }
}

//! What ends the injection early, what a verdict rests on, and what is said of the recovery.

#![expect(clippy::unwrap_used, reason = "a test says what it found by panicking")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use inoculate_core::error::Code;
use inoculate_core::judge::Verdict;
use inoculate_core::layer::Stage;
use inoculate_core::names::RunId;
use inoculate_core::ports::{Evaluation, Grounds};
use inoculate_core::run::{Cause, Phase, Status};
use inoculate_core::sketch::Counts;
use inoculate_step::{RunInput, Step};
use inoculate_tests::build::{self, CHECKOUT, PAYMENTS};
use inoculate_tests::fail::{Failing, How};
use inoculate_tests::machine::{Machine, execution_ended};
use inoculate_tests::memory::{Answer, FunctionState, RunState, Traffic, World};
use serde_json::{Value, json};

/// The shop with the layer, ten orders in a second, of which those fail that `fails` says: by the second since it opened, the
/// number of the order, and whether its payment met a fault.
fn shop_in_which(fails: impl Fn(u64, u64, bool) -> bool + Send + Sync + 'static) -> Arc<World> {
    let world = build::hardened_shop();
    let orders = AtomicU64::new(0);
    world.send(Traffic {
        per_second: 10,
        functions: vec![build::name(PAYMENTS), build::name(CHECKOUT)],
        answer: Arc::new(move |function, met| {
            let is_order = function.as_str() == CHECKOUT;
            let order = orders.fetch_add(u64::from(is_order), Ordering::Relaxed);
            Answer {
                error: is_order && fails(order / 10, order, met),
                ms: 20.0,
            }
        }),
    });
    world
}

/// The second after the baseline of [`build::layered_experiment_value`].
const INJECTED: u64 = 30;

fn layered(change: impl FnOnce(&mut Value)) -> Value {
    let mut experiment = build::layered_experiment_value();
    change(&mut experiment);
    experiment
}

async fn run(world: &Arc<World>, experiment: &Value) -> RunState {
    let id: RunId = build::name("run");
    Machine::new(world, world.ports(), id.clone()).execute(experiment).await;
    world.run(&id)
}

/// How a run ended: cause, verdict, grounds.
fn outcome(recorded: &RunState) -> (Cause, Verdict, Grounds) {
    let evaluation = recorded.evaluation.as_ref().unwrap();
    assert_eq!(recorded.run.verdict, Some(evaluation.verdict));
    (
        recorded.run.ending.as_ref().unwrap().cause,
        evaluation.verdict,
        evaluation.grounds,
    )
}

/// How long the faults were there, in seconds.
fn lasted(recorded: &RunState) -> i64 {
    let run = &recorded.run;
    run.rollback_at
        .unwrap()
        .duration_since(run.injecting_at.unwrap())
        .as_secs()
}

fn sentence(evaluation: &Evaluation) -> &str {
    &evaluation.during.as_ref().unwrap().findings[0].sentence
}

#[tokio::test]
async fn harm_ends_the_injection_unless_the_experiment_says_never() {
    let harm = run(&build::layered_shop(true), &layered(|_| {})).await;
    assert_eq!(outcome(&harm), (Cause::Harm, Verdict::Deviated, Grounds::Measures));
    assert!(lasted(&harm) < 30, "{}", lasted(&harm));
    let never = layered(|experiment| experiment["guards"] = json!({ "stop_on": "never" }));
    let never = run(&build::layered_shop(true), &never).await;
    assert_eq!(
        outcome(&never),
        (Cause::WindowOver, Verdict::Deviated, Grounds::Measures)
    );
    assert_eq!((lasted(&never), never.run.rounds), (30, 6));
}

#[tokio::test]
async fn an_alarm_ends_a_run_that_harm_does_not_end() {
    let world = build::layered_shop(true);
    world.set_alarm("fire", false);
    let id: RunId = build::name("run");
    let experiment = layered(|experiment| experiment["guards"] = json!({ "alarms": ["fire"], "stop_on": "never" }));
    // Open, baseline, inject, and four looks.
    let mut machine = Machine::new(&world, world.ports(), id.clone());
    machine.stop_before = Some(7);
    assert_eq!(machine.execute(&experiment).await, None);
    assert_eq!(world.run(&id).run.phase, Phase::Injected);
    world.set_alarm("fire", true);
    let looked = inoculate_observe::handle(step(&world), RunInput { run_id: id }).await;
    assert_eq!(looked.unwrap().ending.unwrap().cause, Cause::Alarm);
}

fn step(world: &Arc<World>) -> Step {
    Step {
        ports: world.ports(),
        attempt: "by-hand".to_owned(),
    }
}

#[tokio::test]
async fn a_run_ends_early_when_everything_is_established_if_the_experiment_says_so() {
    for (experiment, world) in [
        (build::layered_experiment_value(), build::layered_shop(false)),
        (build::experiment_value(), build::hardened_shop()),
    ] {
        let mut experiment = experiment;
        experiment["blast_radius"]["longest"] = json!("2m");
        experiment["guards"] = json!({ "stop_when": "established" });
        let recorded = run(&world, &experiment).await;
        assert_eq!(
            outcome(&recorded),
            (Cause::Established, Verdict::Upheld, Grounds::Measures)
        );
        assert_eq!(recorded.run.status, Status::Completed);
        let lasted = lasted(&recorded);
        assert!(lasted < 120, "{lasted}");
        let detail = recorded.run.ending.unwrap().detail;
        assert_eq!(
            detail,
            format!("every measure is established as upheld after {lasted}s").replace("60s", "1m")
        );
    }
}

#[tokio::test]
async fn nothing_is_established_by_faults_that_nobody_met() {
    let experiment = layered(|experiment| {
        experiment["blast_radius"]["longest"] = json!("2m");
        experiment["guards"] = json!({ "stop_when": "established" });
        experiment["faults"][0]["match"] = json!([{ "field": "/order_id", "equals": "nobody" }]);
    });
    let recorded = run(&build::layered_shop(false), &experiment).await;
    assert_eq!(
        outcome(&recorded),
        (Cause::WindowOver, Verdict::Inconclusive, Grounds::NeverFired)
    );
    let looks = recorded.observations.values();
    let upheld = looks.filter(|look| look.findings[0].verdict == Verdict::Upheld);
    assert!(upheld.count() > 0, "no look was tempted to end the run");
}

#[tokio::test]
async fn harm_that_was_established_stays_whatever_comes_later() {
    // Everybody who meets a fault fails for 10 seconds, and nobody in the 290 seconds after that.
    let world = shop_in_which(|second, _, met| met && second < INJECTED + 10);
    let experiment = layered(|experiment| {
        experiment["blast_radius"]["longest"] = json!("5m");
        experiment["guards"] = json!({ "stop_on": "never", "stop_when": "established" });
    });
    let recorded = run(&world, &experiment).await;
    let looks: Vec<Verdict> = recorded
        .observations
        .values()
        .map(|look| look.findings[0].verdict)
        .collect();
    assert_eq!(looks[1], Verdict::Deviated);
    assert_eq!(looks.last(), Some(&Verdict::Upheld), "the later data dilute it");
    assert_eq!(
        outcome(&recorded),
        (Cause::WindowOver, Verdict::Deviated, Grounds::Measures)
    );
    let evaluation = recorded.evaluation.unwrap();
    assert!(
        sentence(&evaluation).ends_with("; established in round 2"),
        "{}",
        sentence(&evaluation)
    );
    assert!(evaluation.because.contains("established in round 2"));
}

#[tokio::test]
async fn an_earlier_upheld_does_not_outweigh_a_later_doubt() {
    // From the second minute on one in five of those fails who meet a fault: one in ten over all, which is the tolerance.
    let world = shop_in_which(|second, order, met| met && second >= INJECTED + 60 && order % 5 == 0);
    let experiment = layered(|experiment| experiment["blast_radius"]["longest"] = json!("2m"));
    let recorded = run(&world, &experiment).await;
    let mut looks = recorded.observations.values();
    assert!(looks.any(|look| look.findings[0].verdict == Verdict::Upheld));
    assert_eq!(
        outcome(&recorded),
        (Cause::WindowOver, Verdict::Inconclusive, Grounds::Measures)
    );
}

#[tokio::test]
async fn harm_that_faults_which_never_fired_cannot_have_done_is_said_but_not_counted() {
    // The shop breaks by itself, just when the run would inject.
    let world = shop_in_which(|second, _, _| second >= INJECTED);
    let experiment = layered(|experiment| {
        experiment["faults"][0]["match"] = json!([{ "field": "/order_id", "equals": "nobody" }]);
    });
    let recorded = run(&world, &experiment).await;
    assert_eq!(
        outcome(&recorded),
        (Cause::Harm, Verdict::Inconclusive, Grounds::NeverFired)
    );
    let because = recorded.evaluation.unwrap().because;
    let (never_fired, harm) = because.split_once("; something else may be behind this: ").unwrap();
    assert_eq!(never_fired, format!("no request of {PAYMENTS} met a fault"));
    assert!(harm.starts_with("failed-orders deviated: "), "{harm}");
}

/// A run that was stopped when so many of its tasks were left: 1 is the verdict, 2 the rollback too.
async fn stopped(world: impl Fn() -> Arc<World>, experiment: &Value, tasks_left: usize) -> (Arc<World>, RunId) {
    let id: RunId = build::name("run");
    let rehearsal = world();
    let mut machine = Machine::new(&rehearsal, rehearsal.ports(), id.clone());
    assert_eq!(machine.execute(experiment).await, Some(Status::Completed));
    let world = world();
    let stop_before = Some(machine.tasks() - tasks_left);
    let mut machine = Machine::new(&world, world.ports(), id.clone());
    machine.stop_before = stop_before;
    assert_eq!(machine.execute(experiment).await, None);
    (world, id)
}

/// The record after its verdict.
async fn judged(world: &Arc<World>, id: RunId) -> RunState {
    let input = RunInput { run_id: id.clone() };
    inoculate_evaluate::handle(step(world), input).await.unwrap();
    world.run(&id)
}

/// Changes what the layer of [`PAYMENTS`] counted of the experimental group during the injection.
fn recount(world: &World, id: &RunId, change: impl FnOnce(&mut Counts)) {
    world.change(|state| {
        let payments = FunctionState::new(PAYMENTS).arn;
        let mut sketches = state.written.get_mut(id).unwrap().sketches.iter_mut();
        let sketch = sketches.find(|sketch| sketch.stage == Stage::Injection && sketch.function_arn == payments);
        change(&mut sketch.unwrap().seen.experimental);
    });
}

#[tokio::test]
async fn harm_stays_when_faults_that_had_fired_hardly_fire_any_more() {
    let (world, id) = stopped(|| build::layered_shop(true), &layered(|_| {}), 1).await;
    recount(&world, &id, |counts| counts.injected /= 4);
    let recorded = judged(&world, id).await;
    assert_eq!(outcome(&recorded), (Cause::Harm, Verdict::Deviated, Grounds::Measures));
}

#[tokio::test]
async fn groups_that_turn_out_to_be_others_tell_nothing() {
    let (world, id) = stopped(|| build::layered_shop(true), &layered(|_| {}), 1).await;
    recount(&world, &id, |counts| {
        (counts.by_request_id, counts.by_field) = (counts.by_field, 0);
    });
    let recorded = judged(&world, id).await;
    assert_eq!(
        outcome(&recorded),
        (Cause::Harm, Verdict::Inconclusive, Grounds::GroupsUnrelated)
    );
}

#[tokio::test]
async fn what_somebody_else_changed_tells_nothing() {
    let (world, id) = stopped(build::shop, &build::experiment_value(), 2).await;
    world.change(|state| {
        let name = build::name(PAYMENTS);
        state.functions.get_mut(&name).unwrap().concurrency = Some(7);
    });
    let ending = json!({ "status": "completed", "cause": "harm", "detail": "a test says so" });
    let call = json!({ "run_id": id, "ending": ending, "caller": "state_machine" });
    inoculate_rollback::handle(step(&world), call).await.unwrap();
    world.advance(25);
    let recorded = judged(&world, id).await;
    assert_eq!(
        outcome(&recorded),
        (Cause::Harm, Verdict::Inconclusive, Grounds::ChangedByOthers)
    );
}

#[tokio::test]
async fn faults_that_were_never_all_in_place_tell_nothing() {
    let world = build::layered_shop(true);
    let mut experiment = layered(|_| {});
    let throttled = json!({ "kind": "timeout", "function": PAYMENTS, "timeout": "1s" });
    experiment["faults"].as_array_mut().unwrap().push(throttled);
    experiment["blast_radius"]["percent"] = json!(100);
    let failing = Failing::over(world.ports());
    failing.fail_every("targets.replace", How::Before, Code::AccessDenied);
    let id: RunId = build::name("run");
    Machine::new(&world, failing.ports(), id.clone())
        .execute(&experiment)
        .await;
    let recorded = world.run(&id);
    assert_eq!(
        outcome(&recorded),
        (Cause::StepFailed, Verdict::Inconclusive, Grounds::PartlyInjected)
    );
}

#[tokio::test]
async fn what_was_never_injected_has_the_reason_in_its_ending() {
    let without_key = layered(|experiment| {
        experiment["blast_radius"].as_object_mut().unwrap().remove("key");
    });
    let unsteady = shop_in_which(|_, _, _| true);
    for (world, experiment, cause) in [
        (build::shop(), layered(|_| {}), Cause::Unseen),
        (build::layered_shop(true), without_key, Cause::GroupsUnrelated),
        (unsteady, layered(|_| {}), Cause::NotSteady),
    ] {
        let recorded = run(&world, &experiment).await;
        assert_eq!(recorded.run.status, Status::Refused);
        assert_eq!(outcome(&recorded), (cause, Verdict::Inconclusive, Grounds::NotInjected));
        assert_eq!(recorded.evaluation.unwrap().recovered, None);
    }
}

#[tokio::test]
async fn a_run_whose_execution_is_over_was_not_judged() {
    let (world, id) = stopped(|| build::layered_shop(false), &layered(|_| {}), 1).await;
    inoculate_rollback::handle(step(&world), execution_ended(&id, "ABORTED"))
        .await
        .unwrap();
    assert_eq!(
        outcome(&world.run(&id)),
        (Cause::WindowOver, Verdict::Inconclusive, Grounds::NotJudged)
    );
}

#[tokio::test]
async fn an_upheld_run_whose_system_does_not_recover_says_so_beside_the_verdict() {
    // The injection lasts 30 seconds; what breaks, breaks after it.
    let world = shop_in_which(|second, _, _| second > INJECTED + 30);
    let recorded = run(&world, &layered(|_| {})).await;
    assert_eq!(
        outcome(&recorded),
        (Cause::WindowOver, Verdict::Upheld, Grounds::Measures)
    );
    let evaluation = recorded.evaluation.unwrap();
    assert_eq!(evaluation.recovered, Some(Verdict::Deviated));
    // The output of the execution, when it asks again.
    let input = RunInput {
        run_id: build::name("run"),
    };
    let output = inoculate_evaluate::handle(step(&world), input).await.unwrap();
    assert_eq!(
        (output.verdict, output.recovered, output.grounds),
        (Verdict::Upheld, Some(Verdict::Deviated), Grounds::Measures)
    );
    let notice = world.look(|state| state.notices.last().cloned()).unwrap();
    let subject = notice.subject();
    assert!(subject.ends_with("completed upheld, not recovered"), "{subject}");
    let result = notice.result.unwrap();
    assert_eq!(
        (result.verdict, result.recovered, result.grounds),
        (Verdict::Upheld, Some(Verdict::Deviated), Grounds::Measures)
    );
}

#[tokio::test]
async fn a_run_that_recovered_says_so_too() {
    let world = build::layered_shop(true);
    let recorded = run(&world, &layered(|_| {})).await;
    assert_eq!(recorded.evaluation.unwrap().recovered, Some(Verdict::Upheld));
    let notice = world.look(|state| state.notices.last().cloned()).unwrap();
    let (subject, body) = (notice.subject(), notice.body());
    assert!(subject.ends_with("completed deviated"), "{subject}");
    assert!(body.contains("recovered    yes, the steady state is back"), "{body}");
}

/// What was recorded before there were grounds, and what a later version writes, can be read.
#[test]
fn grounds_of_other_versions_are_unknown() {
    let mut recorded = serde_json::to_value(build::evaluation(Verdict::Upheld)).unwrap();
    assert_eq!(recorded["grounds"], "measures");
    let read = |recorded: &Value| serde_json::from_value::<Evaluation>(recorded.clone()).unwrap().grounds;
    recorded["grounds"] = json!("the_moon");
    assert_eq!(read(&recorded), Grounds::Unknown);
    recorded.as_object_mut().unwrap().remove("grounds");
    assert_eq!(read(&recorded), Grounds::Unknown);
}

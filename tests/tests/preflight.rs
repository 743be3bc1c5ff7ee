//! What keeps a run from starting, each reason in its words, and that asking changes nothing.
#![expect(clippy::unwrap_used, reason = "a test says what it found by panicking")]

use std::sync::Arc;

use inoculate_core::deployment::Deployment;
use inoculate_core::error::{Code, Result};
use inoculate_core::experiment::{Experiment, Metric};
use inoculate_core::lease::LeaseRole;
use inoculate_core::names::RunId;
use inoculate_core::passing::Passing;
use inoculate_core::ports::Ports;
use inoculate_core::preflight::{self, Asking, Guard, Preflight};
use inoculate_core::read::experiment_from_value;
use inoculate_core::run::{Cause, Status};
use inoculate_core::service::Service;
use inoculate_core::setting::{Setting, SettingValue};
use inoculate_core::sizing::{Prospect, Sizing};
use inoculate_tests::World;
use inoculate_tests::build::{self, CHECKOUT, PAYMENTS};
use inoculate_tests::fail::{Failing, How};
use inoculate_tests::machine::Machine;
use inoculate_tests::memory::{Sample, State, deployment};
use jiff::SignedDuration;
use proptest::prelude::*;
use serde_json::json;

#[path = "preflight/obstacles.rs"]
mod obstacles;

use obstacles::*;

/// What the preflight finds of a scene. Fails the test when it changes anything.
async fn check(scene: &Scene) -> Preflight {
    let before = scene.world.look(State::clone);
    let found = ask(&scene.world.ports(), &scene.experiment(), &scene.deployment).await;
    assert_eq!(scene.world.look(State::clone), before, "asking has changed the world");
    found.unwrap()
}

async fn ask(ports: &Ports, experiment: &Experiment, deployment: &Deployment) -> Result<Preflight> {
    let asking = Asking {
        run_id: &build::name("mine"),
        deployment: Some(deployment),
    };
    preflight::check(ports, experiment, asking).await
}

/// Every obstacle, and what the preflight then says. All of them stand at once, except that what is missing cannot be
/// wrong in another way too.
async fn assert_refused(obstacles: &[Obstacle]) {
    let found = check(&Scene::with(obstacles)).await;
    let said: Vec<_> = found.refusals.iter().map(|r| (r.guard, r.detail.as_str())).collect();
    let expected: Vec<_> = obstacles.iter().map(|o| (o.guard, o.words)).collect();
    assert_eq!(said, expected);
    let words: Vec<_> = obstacles.iter().map(|o| o.words).collect();
    assert_eq!(found.reasons(), words.join("; "));
}

#[tokio::test]
async fn what_may_run_is_not_refused_and_told_as_it_is() {
    let found = check(&Scene::with(&[])).await;
    assert_eq!(found.refusals, []);
    let names: Vec<_> = found.functions.iter().map(|function| function.name.as_str()).collect();
    assert_eq!(names, [PAYMENTS, CHECKOUT]);
    let source = QUEUE.to_owned();
    let settings: Vec<_> = found.settings.into_iter().map(|s| (s.setting, s.now, s.to)).collect();
    let expected = [
        (
            Setting::ReservedConcurrency,
            SettingValue::Unreserved,
            SettingValue::Executions(0),
        ),
        (
            Setting::EventSource { source },
            SettingValue::Enabled(true),
            SettingValue::Enabled(false),
        ),
        (Setting::Timeout, SettingValue::Seconds(3), SettingValue::Seconds(1)),
    ];
    assert_eq!(settings, expected);
}

#[tokio::test]
async fn each_reason_alone_is_said_in_its_words() {
    for obstacle in [FUNCTION_MISSING, SOURCE_MISSING, ALARM_MISSING]
        .into_iter()
        .chain(INDEPENDENT)
    {
        assert_refused(&[obstacle]).await;
    }
}

#[tokio::test]
async fn all_reasons_are_said_at_once() {
    assert_refused(&INDEPENDENT).await;
    assert_refused(&[FUNCTION_MISSING, SOURCE_MISSING, ALARM_MISSING]).await;
}

#[tokio::test]
async fn there_is_an_obstacle_for_every_guard() {
    let others = [FUNCTION_MISSING, ALARM_MISSING].map(|obstacle| obstacle.guard);
    let mut guards: Vec<Guard> = INDEPENDENT
        .iter()
        .map(|obstacle| obstacle.guard)
        .chain(others)
        .collect();
    // These need an experiment of the layer, below.
    guards.extend([Guard::TooLittleTraffic, Guard::CallsNotPassing]);
    guards.sort();
    guards.dedup();
    let mut all = Guard::ALL;
    all.sort();
    assert_eq!(guards, all);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// In whatever order and mixture things are in the way: each is said, none besides, and nothing is touched.
    #[test]
    fn a_run_that_is_refused_touches_nothing_and_says_everything(
        chosen in prop::sample::subsequence(INDEPENDENT.to_vec(), 1..=INDEPENDENT.len()).prop_shuffle(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(assert_untouched(&chosen));
    }
}

async fn assert_untouched(chosen: &[Obstacle]) {
    let scene = Scene::with(chosen);
    let before = scene.world.look(State::clone);
    let failing = Failing::over(scene.world.ports());
    let id: RunId = build::name("mine");
    let mut machine = Machine::new(&scene.world, failing.ports(), id.clone());
    machine.deployment = scene.deployment.clone();
    assert_eq!(machine.execute(&scene.experiment).await, Some(Status::Refused));

    let ending = scene.world.run(&id).run.ending.unwrap();
    assert_eq!(ending.cause, Cause::Preflight);
    for obstacle in INDEPENDENT {
        let is_chosen = chosen.iter().any(|other| other.words == obstacle.words);
        assert_eq!(
            ending.detail.contains(obstacle.words),
            is_chosen,
            "{}: {}",
            obstacle.words,
            ending.detail
        );
    }
    let calls = failing.calls();
    let touching = |name| calls.iter().filter(|call| call.name == name).count();
    assert_eq!(
        (
            touching("leases.take"),
            touching("targets.replace"),
            touching("alarms.make")
        ),
        (0, 0, 0)
    );
    scene.world.look(|state| {
        assert_eq!((&state.leases, &state.functions), (&before.leases, &before.functions));
    });
}

/// Whether an expired lease may be taken over is for the opening to decide, when it takes it.
#[tokio::test]
async fn only_a_lease_that_another_run_holds_is_in_the_way() {
    for (run, role, secs) in [
        ("mine", LeaseRole::Observe, 60),
        ("theirs", LeaseRole::Fault, 0),
        ("theirs", LeaseRole::Released, 60),
    ] {
        let scene = Scene::with(&[]);
        scene.world.change(|state| lease(state, run, role, secs));
        assert_eq!(check(&scene).await.refusals, [], "{run} {role:?} {secs}");
    }
}

/// What may not be asked is a permission that is missing; what does not answer is an error. Neither when the answer would not have
/// kept anything from starting.
#[tokio::test]
async fn a_world_that_cannot_be_asked_is_an_error_and_one_that_may_not_be_is_refused() {
    let rehearsal = Failing::over(world().ports());
    let scene = Scene::with(&[]);
    ask(&rehearsal.ports(), &scene.experiment(), &scene.deployment)
        .await
        .unwrap();
    let calls = rehearsal.calls();
    assert!(
        !calls.is_empty() && !calls.iter().any(|call| call.is_write()),
        "{calls:?}"
    );
    for call in calls {
        let failing = async |code| {
            let failing = Failing::over(world().ports());
            failing.fail_call(call.number, How::Before, code);
            ask(&failing.ports(), &scene.experiment(), &scene.deployment).await
        };
        let (down, denied) = (
            failing(Code::Unavailable).await,
            failing(Code::AccessDenied).await.unwrap(),
        );
        if call.name == "permissions.may" {
            for found in [down.unwrap(), denied] {
                assert_eq!((found.refusals.len(), found.unchecked.len()), (0, 1), "{call}");
                assert_eq!(found.unchecked[0].guard, Guard::PermissionMissing, "{call}");
            }
            continue;
        }
        assert_eq!(down.unwrap_err().code, Code::Unavailable, "{call}");
        let guards: Vec<Guard> = denied.refusals.iter().map(|refusal| refusal.guard).collect();
        assert_eq!(guards, [Guard::PermissionMissing], "{call}");
        assert!(denied.reasons().contains(call.name), "{}", denied.reasons());
    }
}

/// The experiment of the layer, of which one request in a hundred meets the fault, and at least 30 of these must come.
fn sparing(longest: &str) -> Experiment {
    let mut value = build::layered_experiment_value();
    value["blast_radius"]["percent"] = json!(1);
    value["blast_radius"]["longest"] = json!(longest);
    inoculate_core::read::experiment_from_value(&value).unwrap()
}

/// Puts what CloudWatch counted of [`CHECKOUT`] into the world: so many requests in each minute of the last hours.
fn counted(world: &World, hours: i64, per_minute: f64) {
    world.change(|state| {
        let sample = |metric: &str, minute, value| Sample {
            metric: lambda_metric(metric),
            at: state.now - SignedDuration::from_mins(minute),
            value,
        };
        let minutes = 1..=60 * hours;
        let samples: Vec<Sample> = minutes
            .flat_map(|minute| {
                [
                    sample("Invocations", minute, per_minute),
                    sample("Errors", minute, 0.0),
                    sample("Duration", minute, 20.0),
                ]
            })
            .collect();
        state.samples.extend(samples);
    });
}

fn lambda_metric(name: &str) -> Metric {
    let metric = json!({
        "namespace": "AWS/Lambda", "name": name, "statistic": "Sum", "dimensions": { "FunctionName": CHECKOUT },
    });
    serde_json::from_value(metric).unwrap()
}

async fn check_with(ports: Ports, experiment: &Experiment) -> Preflight {
    ask(&ports, experiment, &deployment()).await.unwrap()
}

async fn check_traffic(world: &Arc<World>, experiment: &Experiment) -> Preflight {
    check_with(world.ports(), experiment).await
}

/// The shop, in which the calls of payments pass like this, and what keeps an experiment about its calls to DynamoDB.
async fn check_calls(calls: Option<Passing>) -> Preflight {
    let world = build::shop();
    world.change(|state| function(state, PAYMENTS).calls = calls);
    let mut experiment = build::layered_experiment_value();
    experiment["faults"] = json!([{
        "kind": "dependency", "function": PAYMENTS, "calls": { "service": "dynamodb" }, "effect": { "kind": "refuse" },
    }]);
    check_with(world.ports(), &experiment_from_value(&experiment).unwrap()).await
}

#[tokio::test]
async fn calls_that_do_not_pass_through_the_layer_are_refused_before_the_run() {
    let passes = Passing {
        services: [Service::DynamoDb].into(),
        ..Passing::default()
    };
    assert_eq!(check_calls(Some(passes)).await.refusals, []);

    let found = check_calls(Some(Passing::default())).await;
    assert_eq!(found.refusals[0].guard, Guard::CallsNotPassing);
    assert_eq!(
        found.reasons(),
        "function shop-payments does not name dynamodb in INOCULATE_DEPENDENCIES, so its calls to it do not pass through the \
         layer; `inoculate doctor shop-payments` says what passes"
    );

    // An image may bring its own variables.
    let found = check_calls(None).await;
    assert_eq!(found.refusals, []);
    let unchecked: Vec<Guard> = found.unchecked.iter().map(|note| note.guard).collect();
    assert_eq!(unchecked, [Guard::CallsNotPassing]);
}

#[tokio::test]
async fn too_little_traffic_is_refused_where_it_could_never_tell() {
    let world = build::shop();
    counted(&world, 4, 60.0);
    let found = check_traffic(&world, &sparing("5m")).await;
    let refusals: Vec<_> = found.refusals.iter().map(|refusal| refusal.guard).collect();
    assert_eq!(refusals, [Guard::TooLittleTraffic]);
    assert_eq!(
        found.reasons(),
        "failed-orders: too little traffic to ever tell: shop-checkout would have 6 requests of the experimental group in 5m, \
         even at 2 times the traffic of its busiest minutes, and min_requests asks for 30; make blast_radius.longest longer, or \
         percent larger"
    );
    let known = &found.traffic[0];
    assert_eq!((known.function.as_str(), known.per_second), (CHECKOUT, 1.0));
    assert_eq!((known.error_percent, known.p50_ms), (Some(0.0), Some(20.0)));
}

#[tokio::test]
async fn too_little_traffic_for_most_outcomes_is_a_warning() {
    let world = build::shop();
    counted(&world, 4, 60.0);
    // 36 requests of the experimental group come in an hour: enough if they all fail, not to uphold ten percent.
    let experiment = sparing("1h");
    let found = check_traffic(&world, &experiment).await;
    assert_eq!(found.refusals, []);
    let sizing = Sizing::of(&experiment, &found.traffic);
    assert_eq!(sizing.measures[0].prospect, Prospect::TooShort);
    let warnings: Vec<&str> = sizing.warnings().collect();
    assert!(
        warnings.len() == 1 && warnings[0].contains("likely inconclusive"),
        "{warnings:?}"
    );
}

#[tokio::test]
async fn traffic_that_is_not_known_keeps_nothing_from_starting() {
    // CloudWatch counted nothing, only a short while ago, or does not answer.
    let world = build::shop();
    let found = check_traffic(&world, &sparing("5m")).await;
    assert_eq!((found.refusals.len(), found.traffic.len()), (0, 0));
    counted(&world, 1, 60.0);
    let found = check_traffic(&world, &sparing("5m")).await;
    assert_eq!((found.refusals.len(), found.traffic.len()), (0, 1));
    counted(&world, 4, 60.0);
    let failing = Failing::over(world.ports());
    failing.fail_every("metrics.series", How::Before, Code::AccessDenied);
    let found = check_with(failing.ports(), &sparing("5m")).await;
    assert_eq!((found.refusals.len(), found.traffic.len()), (0, 0));
    assert!(found.traffic_problem.is_some());
}

#[tokio::test]
async fn a_run_whose_baseline_shows_too_little_traffic_injects_nothing() {
    for (percent, status, cause) in [
        (1, Status::Refused, Cause::TooLittleTraffic),
        // Enough for the worst, though not for anything else.
        (50, Status::Completed, Cause::WindowOver),
        // A rehearsal.
        (0, Status::Completed, Cause::WindowOver),
    ] {
        let world = build::layered_shop(false);
        let mut experiment = build::layered_experiment_value();
        experiment["blast_radius"]["percent"] = json!(percent);
        let id: RunId = build::name("little");
        Machine::new(&world, world.ports(), id.clone())
            .execute(&experiment)
            .await;
        let run = world.run(&id).run;
        let ending = run.ending.unwrap();
        assert_eq!(
            (run.status, ending.cause),
            (status, cause),
            "{percent}: {}",
            ending.detail
        );
        if cause == Cause::TooLittleTraffic {
            let words = "even at 2 times the traffic of the baseline, and min_requests asks for 30";
            assert!(ending.detail.contains(words), "{}", ending.detail);
            assert_eq!(world.look(|state| state.faults_met.len()), 0);
        }
    }
}

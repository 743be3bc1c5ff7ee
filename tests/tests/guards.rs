//! The guards of the deployment over a whole run: time windows that close, environments, runs at once, permissions.
#![expect(clippy::unwrap_used, reason = "a test says what it found by panicking")]

use std::sync::Arc;

use inoculate_baseline::Input;
use inoculate_core::deployment::Deployment;
use inoculate_core::judge::Verdict;
use inoculate_core::names::{FunctionName, RunId};
use inoculate_core::preflight::{self, Asking, Guard, Preflight};
use inoculate_core::read::experiment_from_value;
use inoculate_core::run::{Cause, Ending, Phase, Status};
use inoculate_core::undo::UndoState;
use inoculate_step::{Next, RunInput, Step};
use inoculate_tests::World;
use inoculate_tests::build::{self, CHECKOUT, PAYMENTS};
use inoculate_tests::machine::{Machine, sweep};
use inoculate_tests::memory::{FunctionState, RunState, deployment};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

/// When worlds begin: a Saturday.
const NOON: &str = "2026-03-14T12:00:00Z";

fn id() -> RunId {
    build::name("run")
}

fn step(world: &Arc<World>) -> Step {
    Step {
        ports: world.ports(),
        attempt: "by-hand".to_owned(),
    }
}

/// The experiment, with faults that may last for an hour in rounds of seven seconds, while a window is open until a minute past
/// noon: half a minute after its baseline.
fn until_12_01(mut experiment: Value) -> Value {
    experiment["blast_radius"]["longest"] = json!("1h");
    experiment["windows"]["round"] = json!("7s");
    experiment["guards"] = json!({
        "stop_on": "never",
        "windows": [{ "days": ["sat"], "from": "09:00", "until": "12:01", "time_zone": "UTC" }],
    });
    experiment
}

fn closing() -> Timestamp {
    "2026-03-14T12:01:00Z".parse().unwrap()
}

/// Runs an experiment up to a task, and goes on by hand.
async fn up_to(task: usize, world: &Arc<World>, experiment: &Value) -> RunId {
    let mut machine = Machine::new(world, world.ports(), id());
    machine.stop_before = Some(task);
    assert_eq!(machine.execute(experiment).await, None);
    world.set_execution(&id(), "RUNNING");
    id()
}

#[tokio::test]
async fn a_window_that_closes_ends_the_run_and_the_verdict_is_on_what_was_seen() {
    for (experiment, world, verdict) in [
        (build::experiment_value(), build::hardened_shop(), Verdict::Upheld),
        (build::experiment_value(), build::shop(), Verdict::Deviated),
        (
            build::layered_experiment_value(),
            build::layered_shop(false),
            Verdict::Upheld,
        ),
        (
            build::layered_experiment_value(),
            build::layered_shop(true),
            Verdict::Deviated,
        ),
    ] {
        let mut machine = Machine::new(&world, world.ports(), id());
        let status = machine.execute(&until_12_01(experiment)).await;
        let RunState {
            run,
            undo,
            evaluation,
            journal,
            ..
        } = world.run(&id());
        assert_eq!((status, run.phase), (Some(Status::Aborted), Phase::Closed));
        let ending = Ending {
            status: Status::Aborted,
            cause: Cause::WindowClosed,
            detail: "the time window closed at 2026-03-14T12:01:00Z".to_owned(),
        };
        assert_eq!((run.ending, run.closes_at), (Some(ending), Some(closing())));
        assert_eq!(run.verdict, Some(verdict), "{evaluation:?}");
        // Not a second later, though a round is seven: 28 seconds of whole rounds, and a last one of two.
        assert_eq!((run.rollback_at, run.rounds), (Some(closing()), 5));
        assert!(undo.values().all(|record| record.state == UndoState::Restored));
        assert_eq!(world.function(PAYMENTS).concurrency, None);
        let numbers: Vec<u64> = journal.iter().map(|entry| entry.number).collect();
        assert_eq!(numbers, (1..=run.version).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn nothing_is_injected_once_the_window_closed() {
    // The baseline is measured late, or its answer is acted on late.
    let experiment = until_12_01(build::experiment_value());
    for task in [1, 2] {
        let world = build::hardened_shop();
        let run_id = up_to(task, &world, &experiment).await;
        world.advance(60);
        let (next, ending) = if task == 1 {
            let (deployment, input) = (deployment(), Input::Measure { run_id });
            let output = inoculate_baseline::handle(step(&world), &deployment, input)
                .await
                .unwrap();
            (output.next, output.ending)
        } else {
            let output = inoculate_inject::handle(step(&world), RunInput { run_id })
                .await
                .unwrap();
            (output.next, output.ending)
        };
        let ending = ending.unwrap();
        assert_eq!(next, Next::Rollback);
        assert_eq!(
            (ending.status, ending.cause),
            (Status::Refused, Cause::WindowClosed),
            "{task}"
        );
        assert_eq!(world.function(PAYMENTS), FunctionState::new(PAYMENTS));
        assert_eq!(world.run(&id()).run.injecting_at, None);
    }
}

#[tokio::test]
async fn an_injection_that_is_not_complete_when_the_window_closes_is_taken_back() {
    let mut experiment = until_12_01(build::experiment_value());
    experiment["faults"] = json!([{ "kind": "timeout", "function": PAYMENTS, "timeout": "1s" }]);
    let world = build::hardened_shop();
    let run_id = up_to(2, &world, &experiment).await;
    world.change(|state| state.updates_take = SignedDuration::from_secs(40));
    let inject = async || {
        let input = RunInput { run_id: run_id.clone() };
        inoculate_inject::handle(step(&world), input).await.unwrap()
    };
    assert_eq!(inject().await.next, Next::Settle);
    world.advance(30);
    let ending = inject().await.ending.unwrap();
    assert_eq!((ending.status, ending.cause), (Status::Aborted, Cause::WindowClosed));
}

/// Nobody is there any more to end them, and the experiment would let them last for an hour.
#[tokio::test]
async fn faults_of_the_layer_end_with_the_window_by_themselves() {
    let world = build::layered_shop(false);
    // Open, baseline, inject, and three looks.
    up_to(6, &world, &until_12_01(build::layered_experiment_value())).await;
    world.advance(600);
    let last = world.look(|state| state.faults_met.last().unwrap().0);
    let overtime = last.duration_since(closing()).as_secs();
    assert!((0..=12).contains(&overtime), "{overtime} s after the window closed");
}

#[tokio::test]
async fn a_run_that_outlasts_its_window_is_swept() {
    let world = build::hardened_shop();
    let run_id = up_to(4, &world, &until_12_01(build::experiment_value())).await;
    world.advance(60 + 125);
    inoculate_rollback::handle(step(&world), sweep()).await.unwrap();
    let run = world.run(&run_id).run;
    assert_eq!(run.ending.unwrap().cause, Cause::OverTime);
    assert_eq!(world.function(PAYMENTS).concurrency, None);
}

/// What the preflight finds at a time.
async fn check_at(now: &str, world: &Arc<World>, experiment: &Value, deployment: &Deployment) -> Preflight {
    world.change(|state| state.now = now.parse().unwrap());
    let experiment = experiment_from_value(experiment).unwrap();
    let asking = Asking {
        run_id: &id(),
        deployment: Some(deployment),
    };
    preflight::check(&world.ports(), &experiment, asking).await.unwrap()
}

fn said(found: &Preflight, guard: Guard) -> Vec<&str> {
    let passed = found.passed.iter().map(|note| (note.guard, note.detail.as_str()));
    let refused = found
        .refusals
        .iter()
        .map(|refusal| (refusal.guard, refusal.detail.as_str()));
    let all = passed.chain(refused);
    all.filter(|(other, _)| *other == guard)
        .map(|(_, detail)| detail)
        .collect()
}

fn tag(world: &World, function: &str, key: &str, value: &str) {
    world.change(|state| {
        let function = state.functions.get_mut(&build::name::<FunctionName>(function)).unwrap();
        function.tags.insert(key.to_owned(), value.to_owned());
    });
}

const CLOSED: &str = "no time window is open: production is experimented on from Monday to Friday, 09:00 to 17:00, unless \
                      guards.windows or guards.any_time says otherwise; the next window opens Mon 2026-03-16 09:00 UTC";

#[tokio::test]
async fn production_has_its_hours_whoever_says_that_it_is_production() {
    let saturdays = json!([{ "days": ["sat"], "from": "00:00", "until": "24:00", "time_zone": "UTC" }]);
    for (environment, tagged, guards, expected) in [
        (None, None, json!({}), "any time: there is no window"),
        (
            Some("staging"),
            Some("staging"),
            json!({}),
            "any time: there is no window",
        ),
        (Some("production"), None, json!({}), CLOSED),
        (Some("PROD"), None, json!({}), CLOSED),
        // The experiment does not say it, or something else: that widens nothing.
        (None, Some(" Production "), json!({}), CLOSED),
        (Some("staging"), Some("prod"), json!({}), CLOSED),
        (
            Some("production"),
            None,
            json!({ "any_time": true }),
            "any time, as the experiment says",
        ),
        (
            Some("production"),
            None,
            json!({ "windows": saturdays }),
            "open until Sun 2026-03-15 00:00 UTC",
        ),
    ] {
        // Of a function that is only watched.
        for function in [PAYMENTS, CHECKOUT] {
            let world = build::layered_shop(false);
            let mut experiment = build::layered_experiment_value();
            experiment["guards"] = guards.clone();
            if let Some(environment) = environment {
                experiment["environment"] = json!(environment);
            }
            if let Some(tagged) = tagged {
                tag(&world, function, "Environment", tagged);
            }
            let found = check_at(NOON, &world, &experiment, &deployment()).await;
            assert_eq!(
                said(&found, Guard::OutsideWindow),
                [expected],
                "{environment:?} {tagged:?}"
            );
        }
    }
}

#[tokio::test]
async fn the_hours_of_production_are_those_of_the_deployment() {
    let mut experiment = build::experiment_value();
    experiment["environment"] = json!("production");
    experiment["blast_radius"]["longest"] = json!("20m");
    let mut deployment = deployment();
    deployment.limits.time_zone = "Europe/Berlin".to_owned();
    let too_late =
        "the time window closes Mon 2026-03-16 17:00 Europe/Berlin, and the baseline takes until then: 30s are left";
    for (now, refused, expected) in [
        (
            "2026-03-16T08:00:00Z",
            false,
            "open until Mon 2026-03-16 17:00 Europe/Berlin",
        ),
        (
            "2026-03-16T15:50:00Z",
            false,
            "open until Mon 2026-03-16 17:00 Europe/Berlin; that leaves 9m 30s for the faults, of the 20m that they may last, and \
             ends them then",
        ),
        ("2026-03-16T15:59:30Z", true, too_late),
    ] {
        let found = check_at(now, &build::hardened_shop(), &experiment, &deployment).await;
        assert_eq!(said(&found, Guard::OutsideWindow), [expected]);
        assert_eq!(!found.refusals.is_empty(), refused, "{now}");
        assert_eq!(found.closes_at, Some("2026-03-16T16:00:00Z".parse().unwrap()));
    }
}

#[tokio::test]
async fn functions_of_different_environments_and_unknown_ones_are_refused() {
    let world = build::layered_shop(false);
    tag(&world, PAYMENTS, "environment", "test");
    tag(&world, CHECKOUT, "ENVIRONMENT", "staging");
    let found = check_at(NOON, &world, &build::layered_experiment_value(), &deployment()).await;
    assert_eq!(
        said(&found, Guard::EnvironmentDiffers),
        [
            "the functions are of different environments, and a run stays in one: shop-payments \"test\", shop-checkout \"staging\""
        ]
    );
    let mut deployment = deployment();
    deployment.limits.environments = vec![build::name("Test")];
    let found = check_at(NOON, &build::hardened_shop(), &build::experiment_value(), &deployment).await;
    assert_eq!(
        found.reasons(),
        "neither the experiment nor a tag environment of its functions says the environment, and this deployment allows only Test \
         (AllowedEnvironments); write `environment`"
    );
    // An empty tag says nothing; letters of the other case say the same.
    for (value, allowed) in [("", false), ("TEST", true)] {
        let world = build::hardened_shop();
        tag(&world, PAYMENTS, "environment", value);
        let found = check_at(NOON, &world, &build::experiment_value(), &deployment).await;
        assert_eq!(found.refusals.is_empty(), allowed, "{value:?}: {}", found.reasons());
    }
}

/// Another run was recorded, but could not be seen when this one was opened.
#[tokio::test]
async fn of_two_runs_that_take_the_last_place_the_earlier_goes_on() {
    for (earlier_by, refused) in [(1, true), (-1, false)] {
        let world = build::hardened_shop();
        let run_id = up_to(1, &world, &build::experiment_value()).await;
        world.advance(30);
        let opened_at = world.run(&run_id).run.opened_at - SignedDuration::from_secs(earlier_by);
        let (other, entry) = build::run_at("other", opened_at);
        let ports = world.ports();
        ports
            .runs
            .create(&other, &entry, Some(&build::experiment()))
            .await
            .unwrap();
        let mut deployment = deployment();
        deployment.limits.max_runs = 1;
        let output = inoculate_baseline::handle(step(&world), &deployment, Input::Measure { run_id });
        let output = output.await.unwrap();
        if !refused {
            assert_eq!(output.next, Next::Inject);
            continue;
        }
        let ending = output.ending.unwrap();
        assert_eq!((ending.status, ending.cause), (Status::Refused, Cause::TooManyRuns));
        assert!(ending.detail.contains("under way already: other;"), "{}", ending.detail);
        assert_eq!(world.function(PAYMENTS), FunctionState::new(PAYMENTS));
    }
}

/// A run that is over, or is being refused, takes no place.
#[tokio::test]
async fn runs_that_inject_nothing_more_take_no_place() {
    let mut deployment = deployment();
    deployment.limits.max_runs = 1;
    let world = build::hardened_shop();
    let mut first = Machine::new(&world, world.ports(), build::name("first"));
    assert_eq!(first.execute(&build::experiment_value()).await, Some(Status::Completed));
    let mut refused = build::experiment_value();
    refused["guards"] = json!({ "alarms": ["no such alarm"] });
    let mut second = Machine::new(&world, world.ports(), build::name("second"));
    // Refused, and not closed yet.
    second.stop_before = Some(2);
    assert_eq!(second.execute(&refused).await, None);
    let second = world.run(&build::name("second")).run;
    assert_eq!(
        (second.phase, second.ending.unwrap().status),
        (Phase::RolledBack, Status::Refused)
    );
    let mut third = Machine::new(&world, world.ports(), id());
    third.deployment = deployment;
    assert_eq!(third.execute(&build::experiment_value()).await, Some(Status::Completed));
}

#[tokio::test]
async fn what_could_not_be_checked_is_in_the_record_and_keeps_nothing_from_starting() {
    let world = build::hardened_shop();
    world.change(|state| state.simulation_lacks = Some("aws:ResourceTag/inoculate".to_owned()));
    let mut machine = Machine::new(&world, world.ports(), id());
    assert_eq!(
        machine.execute(&build::experiment_value()).await,
        Some(Status::Completed)
    );
    assert_eq!(
        world.run(&id()).run.unchecked,
        ["the simulation of IAM cannot tell what the roles may do: it depends on aws:ResourceTag/inoculate"]
    );
}

/// The alarms of a run are made by one role and deleted by the other.
#[tokio::test]
async fn the_roles_are_asked_about_the_alarms_of_the_run_too() {
    let mut experiment = build::layered_experiment_value();
    experiment["guards"] = json!({ "abort_when": [{
        "metric": { "namespace": "Shop", "name": "OrdersFailed", "statistic": "Sum" },
        "period": "10s", "above": 5, "points": "1 of 1",
    }] });
    let world = build::layered_shop(false);
    let deployment = deployment();
    let role = deployment.roles.clone().unwrap().rollback;
    world.change(|state| state.denied.insert((role, "cloudwatch:DeleteAlarms".to_owned())));
    let found = check_at(NOON, &world, &experiment, &deployment).await;
    let words = "the role of the step rollback may not cloudwatch:DeleteAlarms on \
                 arn:aws:cloudwatch:eu-west-1:123456789012:alarm:inoculate-run-run-1, so what was done could not be undone";
    assert!(found.reasons().starts_with(words), "{}", found.reasons());
}

//! What keeps a run from starting, each reason in its words, and that asking changes nothing.
#![expect(clippy::unwrap_used, reason = "a test says what it found by panicking")]

use std::sync::Arc;

use inoculate_core::error::Code;
use inoculate_core::experiment::{Experiment, Metric};
use inoculate_core::lease::{Lease, LeaseRole};
use inoculate_core::names::{FunctionName, RunId};
use inoculate_core::ports::{Halt, Ports};
use inoculate_core::preflight::{self, Guard, Preflight};
use inoculate_core::run::{Cause, Status};
use inoculate_core::setting::{Setting, SettingValue};
use inoculate_core::sizing::{Prospect, Sizing};
use inoculate_tests::World;
use inoculate_tests::build::{self, CHECKOUT, PAYMENTS};
use inoculate_tests::fail::{Failing, How};
use inoculate_tests::machine::Machine;
use inoculate_tests::memory::{FunctionState, Sample, State};
use jiff::SignedDuration;
use serde_json::json;

const QUEUE: &str = "arn:aws:sqs:eu-west-1:123456789012:charges";
const ALARM: &str = "customers are unhappy";

/// Two faults in [`PAYMENTS`], one in [`CHECKOUT`], and an alarm.
fn experiment() -> Experiment {
    build::experiment_with(|value| {
        value["blast_radius"]["functions"] = json!([PAYMENTS, CHECKOUT]);
        value["faults"] = json!([
            { "kind": "reserved_concurrency", "function": PAYMENTS, "executions": 0 },
            { "kind": "event_source_disabled", "function": PAYMENTS, "source": QUEUE },
            { "kind": "timeout", "function": CHECKOUT, "timeout": "1s" },
        ]);
        value["guards"] = json!({ "alarms": [ALARM] });
    })
}

/// A world in which the experiment may run.
fn world() -> Arc<World> {
    let world = build::shop();
    world.add_function(PAYMENTS, FunctionState::new(PAYMENTS).with_source(QUEUE));
    world.set_alarm(ALARM, false);
    world
}

/// What the preflight finds. Fails the test when it changes anything.
async fn check(world: &Arc<World>) -> Preflight {
    let before = world.look(State::clone);
    let found = preflight::check(&world.ports(), &experiment(), &build::name("mine")).await;
    assert_eq!(world.look(State::clone), before, "asking has changed the world");
    found.unwrap()
}

fn function<'a>(state: &'a mut State, name: &str) -> &'a mut FunctionState {
    state.functions.get_mut(&build::name::<FunctionName>(name)).unwrap()
}

/// Gives a function to a run, until so many seconds from now.
fn lease(state: &mut State, run: &str, role: LeaseRole, secs: i64) {
    let function_arn = FunctionState::new(PAYMENTS).arn;
    let lease = Lease {
        schema_version: 1,
        function: build::name(PAYMENTS),
        function_arn: function_arn.clone(),
        run_id: build::name(run),
        fence: 1,
        role,
        expires_at_ms: state.now.as_millisecond() + secs * 1000,
        terms: None,
    };
    state.leases.insert(function_arn, lease);
}

/// Something that keeps the experiment from starting.
struct Obstacle {
    guard: Guard,
    put: fn(&mut State),
    words: &'static str,
}

const HALTED: Obstacle = Obstacle {
    guard: Guard::Halted,
    put: |state| {
        let reason = "an incident".to_owned();
        state.halt = Some(Halt {
            reason,
            since: state.now,
        });
    },
    words: "halted since 2026-03-14T12:00:00Z: an incident; `inoculate resume` lifts it",
};
const NOT_ALLOWED: Obstacle = Obstacle {
    guard: Guard::NotAllowed,
    put: |state| function(state, PAYMENTS).tags.clear(),
    words: "function shop-payments does not allow experiments; its owner allows them with the tag inoculate=allow",
};
const NOT_READY: Obstacle = Obstacle {
    guard: Guard::NotReady,
    put: |state| function(state, PAYMENTS).updating_until = state.now + SignedDuration::from_secs(1),
    words: "function shop-payments is not active or is being updated; try again when it is",
};
const LEASED: Obstacle = Obstacle {
    guard: Guard::Leased,
    put: |state| lease(state, "theirs", LeaseRole::Fault, 1),
    words: "function shop-payments belongs to run theirs; wait for it, or end it with `inoculate abort theirs`",
};
const FUNCTION_MISSING: Obstacle = Obstacle {
    guard: Guard::TargetMissing,
    put: |state| drop(state.functions.remove(&build::name::<FunctionName>(CHECKOUT))),
    words: "there is no function shop-checkout in this account and region",
};
const NO_CHANGE: Obstacle = Obstacle {
    guard: Guard::NoChange,
    put: |state| function(state, PAYMENTS).concurrency = Some(0),
    words: "the reserved concurrency of shop-payments is 0 already, so the fault would change nothing",
};
const MAPPING_NOT_ALLOWED: Obstacle = Obstacle {
    guard: Guard::NotAllowed,
    put: |state| function(state, PAYMENTS).sources.get_mut(QUEUE).unwrap().allowed = false,
    words: "the event source arn:aws:sqs:eu-west-1:123456789012:charges of shop-payments does not allow experiments; tag \
            the event source mapping itself: aws lambda tag-resource --resource \
            arn:aws:lambda:eu-west-1:123456789012:event-source-mapping:shop-payments --tags inoculate=allow",
};
const SOURCE_MISSING: Obstacle = Obstacle {
    guard: Guard::TargetMissing,
    put: |state| function(state, PAYMENTS).sources.clear(),
    words: "shop-payments gets no events from arn:aws:sqs:eu-west-1:123456789012:charges",
};
const ALARM_FIRING: Obstacle = Obstacle {
    guard: Guard::AlarmFiring,
    put: |state| state.alarms.get_mut(ALARM).unwrap().in_alarm = true,
    words: "alarm \"customers are unhappy\" is in ALARM already: set by a test",
};
const ALARM_MISSING: Obstacle = Obstacle {
    guard: Guard::AlarmMissing,
    put: |state| state.alarms.clear(),
    words: "there is no alarm \"customers are unhappy\" in this account and region",
};

/// Every obstacle, and what the preflight then says. All of them stand at once, except that what is missing cannot be
/// wrong in another way too.
async fn assert_refused(obstacles: &[Obstacle]) {
    let world = world();
    for obstacle in obstacles {
        world.change(obstacle.put);
    }
    let found = check(&world).await;
    let said: Vec<_> = found.refusals.iter().map(|r| (r.guard, r.detail.as_str())).collect();
    let expected: Vec<_> = obstacles.iter().map(|o| (o.guard, o.words)).collect();
    assert_eq!(said, expected);
    let words: Vec<_> = obstacles.iter().map(|o| o.words).collect();
    assert_eq!(found.reasons(), words.join("; "));
}

#[tokio::test]
async fn what_may_run_is_not_refused_and_told_as_it_is() {
    let found = check(&world()).await;
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
    for obstacle in [
        HALTED,
        NOT_ALLOWED,
        NOT_READY,
        LEASED,
        FUNCTION_MISSING,
        NO_CHANGE,
        MAPPING_NOT_ALLOWED,
        SOURCE_MISSING,
        ALARM_FIRING,
        ALARM_MISSING,
    ] {
        assert_refused(&[obstacle]).await;
    }
}

#[tokio::test]
async fn all_reasons_are_said_at_once() {
    let on_payments = [HALTED, NOT_ALLOWED, NOT_READY, LEASED, FUNCTION_MISSING, NO_CHANGE];
    let on_the_rest = [MAPPING_NOT_ALLOWED, ALARM_FIRING];
    let all: Vec<Obstacle> = on_payments.into_iter().chain(on_the_rest).collect();
    assert_refused(&all).await;
    assert_refused(&[SOURCE_MISSING, ALARM_MISSING]).await;
}

/// Whether an expired lease may be taken over is for the opening to decide, when it takes it.
#[tokio::test]
async fn only_a_lease_that_another_run_holds_is_in_the_way() {
    for (run, role, secs) in [
        ("mine", LeaseRole::Observe, 60),
        ("theirs", LeaseRole::Fault, 0),
        ("theirs", LeaseRole::Released, 60),
    ] {
        let world = world();
        world.change(|state| lease(state, run, role, secs));
        assert_eq!(check(&world).await.refusals, [], "{run} {role:?} {secs}");
    }
}

#[tokio::test]
async fn a_world_that_cannot_be_asked_is_an_error_and_no_refusal() {
    let rehearsal = Failing::over(world().ports());
    let run = build::name("mine");
    preflight::check(&rehearsal.ports(), &experiment(), &run).await.unwrap();
    let calls = rehearsal.calls();
    assert!(
        !calls.is_empty() && !calls.iter().any(|call| call.is_write()),
        "{calls:?}"
    );
    for call in calls {
        for code in [Code::Unavailable, Code::AccessDenied] {
            let failing = Failing::over(world().ports());
            failing.fail_call(call.number, How::Before, code);
            let outcome = preflight::check(&failing.ports(), &experiment(), &run).await;
            assert_eq!(outcome.unwrap_err().code, code, "{call}");
        }
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
    let run = build::name("mine");
    preflight::check(&ports, experiment, &run).await.unwrap()
}

async fn check_traffic(world: &Arc<World>, experiment: &Experiment) -> Preflight {
    check_with(world.ports(), experiment).await
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

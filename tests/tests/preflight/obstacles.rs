//! What may be in the way of a run, each with the words in which it is refused.

use std::collections::BTreeMap;
use std::sync::Arc;

use inoculate_core::deployment::{Deployment, Limits};
use inoculate_core::experiment::Experiment;
use inoculate_core::lease::{Lease, LeaseRole};
use inoculate_core::names::FunctionName;
use inoculate_core::ports::Halt;
use inoculate_core::preflight::Guard;
use inoculate_core::read::experiment_from_value;
use inoculate_tests::World;
use inoculate_tests::build::{self, CHECKOUT, PAYMENTS};
use inoculate_tests::memory::{FunctionState, RunState, State, deployment};
use jiff::SignedDuration;
use serde_json::{Value, json};

pub(crate) const QUEUE: &str = "arn:aws:sqs:eu-west-1:123456789012:charges";
pub(crate) const ALARM: &str = "customers are unhappy";

/// Two faults in [`PAYMENTS`], one in [`CHECKOUT`], an alarm, and something for every guard to look at. The world begins on a
/// Saturday at noon.
fn experiment_value() -> Value {
    let mut value = build::experiment_value();
    value["environment"] = json!("staging");
    value["blast_radius"]["tags"] = json!({ "team": "payments" });
    value["blast_radius"]["functions"] = json!([PAYMENTS, CHECKOUT]);
    value["faults"] = json!([
        { "kind": "reserved_concurrency", "function": PAYMENTS, "executions": 0 },
        { "kind": "event_source_disabled", "function": PAYMENTS, "source": QUEUE },
        { "kind": "timeout", "function": CHECKOUT, "timeout": "1s" },
    ]);
    let saturday = json!({ "days": ["sat"], "from": "10:00", "until": "14:00", "time_zone": "UTC" });
    value["guards"] = json!({ "alarms": [ALARM], "windows": [saturday] });
    value
}

/// A world in which the experiment may run.
pub(crate) fn world() -> Arc<World> {
    let world = build::shop();
    for (name, new) in [
        (PAYMENTS, FunctionState::new(PAYMENTS).with_source(QUEUE)),
        (CHECKOUT, FunctionState::new(CHECKOUT)),
    ] {
        let mut new = new;
        let tags = [("team", "payments"), ("Environment", "Staging")];
        new.tags
            .extend(tags.map(|(key, value)| (key.to_owned(), value.to_owned())));
        world.add_function(name, new);
    }
    world.set_alarm(ALARM, false);
    world.change(|state| add_run(state, "other"));
    world
}

/// A run of another function that was opened just now.
pub(crate) fn add_run(state: &mut State, id: &str) {
    let (run, entry) = build::run_at(id, state.now);
    let recorded = RunState {
        run: run.clone(),
        experiment: Some(build::experiment()),
        journal: vec![entry],
        undo: BTreeMap::new(),
        baseline: None,
        observations: BTreeMap::new(),
        evaluation: None,
    };
    state.runs.insert(run.id, recorded);
}

pub(crate) fn function<'a>(state: &'a mut State, name: &str) -> &'a mut FunctionState {
    state.functions.get_mut(&build::name::<FunctionName>(name)).unwrap()
}

/// Gives a function to a run, until so many seconds from now.
pub(crate) fn lease(state: &mut State, run: &str, role: LeaseRole, secs: i64) {
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
#[derive(Debug, Clone, Copy)]
pub(crate) struct Obstacle {
    pub(crate) guard: Guard,
    put: Put,
    pub(crate) words: &'static str,
}

/// Where it is.
#[derive(Debug, Clone, Copy)]
enum Put {
    World(fn(&mut State)),
    Experiment(fn(&mut Value)),
    Limits(fn(&mut Limits)),
}

/// All that decides whether a run may start.
pub(crate) struct Scene {
    pub(crate) world: Arc<World>,
    pub(crate) experiment: Value,
    pub(crate) deployment: Deployment,
}

impl Scene {
    /// A scene in which nothing but these is in the way.
    pub(crate) fn with(obstacles: &[Obstacle]) -> Scene {
        let mut scene = Scene {
            world: world(),
            experiment: experiment_value(),
            deployment: deployment(),
        };
        for obstacle in obstacles {
            match obstacle.put {
                Put::World(change) => scene.world.change(change),
                Put::Experiment(change) => change(&mut scene.experiment),
                Put::Limits(change) => change(&mut scene.deployment.limits),
            }
        }
        scene
    }

    pub(crate) fn experiment(&self) -> Experiment {
        experiment_from_value(&self.experiment).unwrap()
    }
}

pub(crate) const HALTED: Obstacle = Obstacle {
    guard: Guard::Halted,
    put: Put::World(|state| {
        let reason = "an incident".to_owned();
        state.halt = Some(Halt {
            reason,
            since: state.now,
        });
    }),
    words: "halted since 2026-03-14T12:00:00Z: an incident; `inoculate resume` lifts it",
};
pub(crate) const NOT_ALLOWED: Obstacle = Obstacle {
    guard: Guard::NotAllowed,
    put: Put::World(|state| drop(function(state, PAYMENTS).tags.remove("inoculate"))),
    words: "function shop-payments does not allow experiments; its owner allows them with the tag inoculate=allow",
};
pub(crate) const NOT_READY: Obstacle = Obstacle {
    guard: Guard::NotReady,
    put: Put::World(|state| function(state, PAYMENTS).updating_until = state.now + SignedDuration::from_secs(1)),
    words: "function shop-payments is not active or is being updated; try again when it is",
};
pub(crate) const LEASED: Obstacle = Obstacle {
    guard: Guard::Leased,
    put: Put::World(|state| lease(state, "theirs", LeaseRole::Fault, 1)),
    words: "function shop-payments belongs to run theirs; wait for it, or end it with `inoculate abort theirs`",
};
pub(crate) const FUNCTION_MISSING: Obstacle = Obstacle {
    guard: Guard::TargetMissing,
    put: Put::World(|state| drop(state.functions.remove(&build::name::<FunctionName>(CHECKOUT)))),
    words: "there is no function shop-checkout in this account and region",
};
pub(crate) const NO_CHANGE: Obstacle = Obstacle {
    guard: Guard::NoChange,
    put: Put::World(|state| function(state, PAYMENTS).concurrency = Some(0)),
    words: "the reserved concurrency of shop-payments is 0 already, so the fault would change nothing",
};
pub(crate) const MAPPING_NOT_ALLOWED: Obstacle = Obstacle {
    guard: Guard::NotAllowed,
    put: Put::World(|state| function(state, PAYMENTS).sources.get_mut(QUEUE).unwrap().allowed = false),
    words: "the event source arn:aws:sqs:eu-west-1:123456789012:charges of shop-payments does not allow experiments; tag \
            the event source mapping itself: aws lambda tag-resource --resource \
            arn:aws:lambda:eu-west-1:123456789012:event-source-mapping:shop-payments --tags inoculate=allow",
};
pub(crate) const SOURCE_MISSING: Obstacle = Obstacle {
    guard: Guard::TargetMissing,
    put: Put::World(|state| function(state, PAYMENTS).sources.clear()),
    words: "shop-payments gets no events from arn:aws:sqs:eu-west-1:123456789012:charges",
};
pub(crate) const ALARM_FIRING: Obstacle = Obstacle {
    guard: Guard::AlarmFiring,
    put: Put::World(|state| state.alarms.get_mut(ALARM).unwrap().in_alarm = true),
    words: "alarm \"customers are unhappy\" is in ALARM already: set by a test",
};
pub(crate) const ALARM_MISSING: Obstacle = Obstacle {
    guard: Guard::AlarmMissing,
    put: Put::World(|state| state.alarms.clear()),
    words: "there is no alarm \"customers are unhappy\" in this account and region",
};

pub(crate) const TAG_MISSING: Obstacle = Obstacle {
    guard: Guard::TagMissing,
    put: Put::World(|state| drop(function(state, CHECKOUT).tags.insert("team".into(), "checkout".into()))),
    words: "function shop-checkout is not team=payments, as blast_radius.tags asks: its tag team is \"checkout\"",
};
pub(crate) const ENVIRONMENT_DIFFERS: Obstacle = Obstacle {
    guard: Guard::EnvironmentDiffers,
    put: Put::World(|state| {
        drop(
            function(state, PAYMENTS)
                .tags
                .insert("Environment".into(), "production".into()),
        )
    }),
    words: "the experiment is for staging, and the tag environment of shop-payments says \"production\"",
};
pub(crate) const ENVIRONMENT_NOT_ALLOWED: Obstacle = Obstacle {
    guard: Guard::EnvironmentNotAllowed,
    put: Put::Limits(|limits| limits.environments = vec![build::name("test"), build::name("dev")]),
    words: "the environment is staging, and this deployment allows only test, dev (AllowedEnvironments)",
};
pub(crate) const PERCENT: Obstacle = Obstacle {
    guard: Guard::PercentOverLimit,
    put: Put::Limits(|limits| limits.max_percent = 50.0),
    words: "100 percent of requests are more than the 50 that this deployment allows (MaxPercent); reserved_concurrency meets \
            every request, so it cannot be used here",
};
pub(crate) const DURATION: Obstacle = Obstacle {
    guard: Guard::DurationOverLimit,
    put: Put::Limits(|limits| limits.max_duration_secs = 29),
    words: "30s of faults are longer than the 29s that this deployment allows (MaxDurationSeconds)",
};
pub(crate) const OUTSIDE: Obstacle = Obstacle {
    guard: Guard::OutsideWindow,
    put: Put::Experiment(|experiment| experiment["guards"]["windows"][0]["days"] = json!(["sun", "mon"])),
    words: "no time window is open: guards.windows says when runs may start; the next window opens Sun 2026-03-15 10:00 UTC",
};
pub(crate) const TOO_MANY_RUNS: Obstacle = Obstacle {
    guard: Guard::TooManyRuns,
    put: Put::Limits(|limits| limits.max_runs = 1),
    words: "this deployment allows 1 at once (MaxRunsAtOnce), and as many are under way already: other; wait for one, or end \
            one with `inoculate abort`",
};
pub(crate) const PERMISSION_MISSING: Obstacle = Obstacle {
    guard: Guard::PermissionMissing,
    put: Put::World(|state| {
        let role = "arn:aws:iam::123456789012:role/inoculate-rollback".to_owned();
        state
            .denied
            .insert((role, "lambda:UpdateFunctionConfiguration".to_owned()));
    }),
    words: "the role of the step rollback may not lambda:UpdateFunctionConfiguration on \
            arn:aws:lambda:eu-west-1:123456789012:function:shop-checkout, so what was done could not be undone; give the role \
            arn:aws:iam::123456789012:role/inoculate-rollback this permission, or take away what denies it",
};

/// Obstacles that do not hide one another, in the order in which they are said.
pub(crate) const INDEPENDENT: [Obstacle; 15] = [
    HALTED,
    NOT_ALLOWED,
    NOT_READY,
    LEASED,
    TAG_MISSING,
    ENVIRONMENT_DIFFERS,
    ENVIRONMENT_NOT_ALLOWED,
    PERCENT,
    DURATION,
    OUTSIDE,
    TOO_MANY_RUNS,
    NO_CHANGE,
    MAPPING_NOT_ALLOWED,
    ALARM_FIRING,
    PERMISSION_MISSING,
];

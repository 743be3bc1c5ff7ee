//! People are told of a run before its faults, when it ends early, and of its result; and nothing depends on it.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test says what it found by panicking"
)]

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use inoculate_core::error::{Code, Result};
use inoculate_core::notice::{Kind, Notice};
use inoculate_core::ports::{Notices, Ports};
use inoculate_core::run::Status;
use inoculate_tests::World;
use inoculate_tests::build::{self, PAYMENTS};
use inoculate_tests::fail::{Call, Failing, How};
use inoculate_tests::machine::Machine;
use inoculate_tests::memory::State;
use serde_json::{Value, json};

const UNDISTURBED: [Kind; 3] = [Kind::RunStarted, Kind::InjectionBeginning, Kind::RunFinished];
const HARMED: [Kind; 4] = [
    Kind::RunStarted,
    Kind::InjectionBeginning,
    Kind::RunEndingEarly,
    Kind::RunFinished,
];

/// What the faults are, and whether the system minds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Case {
    layer: bool,
    fragile: bool,
}

const CASES: [Case; 4] = [
    Case {
        layer: false,
        fragile: false,
    },
    Case {
        layer: false,
        fragile: true,
    },
    Case {
        layer: true,
        fragile: false,
    },
    Case {
        layer: true,
        fragile: true,
    },
];

impl Case {
    fn world(self) -> Arc<World> {
        match self {
            Case { layer: true, fragile } => build::layered_shop(fragile),
            Case { fragile: true, .. } => build::shop(),
            Case { fragile: false, .. } => build::hardened_shop(),
        }
    }

    fn experiment(self) -> Value {
        if self.layer {
            return build::layered_experiment_value();
        }
        let mut value = build::experiment_value();
        value["faults"] = json!([
            { "kind": "reserved_concurrency", "function": PAYMENTS, "executions": 0 },
            { "kind": "timeout", "function": PAYMENTS, "timeout": "1s" },
        ]);
        value
    }

    fn told(self) -> &'static [Kind] {
        if self.fragile { &HARMED } else { &UNDISTURBED }
    }
}

async fn run(world: &Arc<World>, ports: Ports, experiment: &Value) -> Option<Status> {
    Machine::new(world, ports, build::name("run")).execute(experiment).await
}

/// The world after a run in which nothing fails.
async fn undisturbed(case: Case) -> State {
    let world = case.world();
    assert_eq!(
        run(&world, world.ports(), &case.experiment()).await,
        Some(Status::Completed)
    );
    assert_eq!(world.told(), case.told(), "{case:?}");
    without_notices(&world)
}

fn without_notices(world: &World) -> State {
    let mut state = world.look(State::clone);
    state.notices.clear();
    state
}

/// Where the first call of this name is whose argument contains this.
fn first(calls: &[Call], name: &str, with: &str) -> usize {
    let found = calls
        .iter()
        .position(|call| call.name == name && call.with.contains(with));
    found.unwrap_or_else(|| panic!("{name}({with}) was not called"))
}

#[tokio::test]
async fn people_are_told_before_the_first_fault_and_after_what_ends_it() {
    for case in CASES {
        let world = case.world();
        let failing = Failing::over(world.ports());
        run(&world, failing.ports(), &case.experiment()).await;
        let calls = failing.calls();
        let told = |kind: Kind| first(&calls, "notices.publish", kind.name());
        let committed = |event: &str| first(&calls, "runs.commit", event);
        let changes = if case.layer { "leases.renew" } else { "targets.replace" };

        assert!(told(Kind::RunStarted) > first(&calls, "runs.create", ""), "{case:?}");
        assert!(told(Kind::RunStarted) < told(Kind::InjectionBeginning), "{case:?}");
        assert!(
            told(Kind::InjectionBeginning) < committed("injection_began"),
            "{case:?}"
        );
        assert!(told(Kind::InjectionBeginning) < first(&calls, changes, ""), "{case:?}");
        assert!(told(Kind::RunFinished) > committed("closed"), "{case:?}");
        if case.fragile {
            assert!(told(Kind::RunEndingEarly) > committed("rolled_back"), "{case:?}");
            assert!(told(Kind::RunEndingEarly) < committed("closed"), "{case:?}");
        }
    }
}

#[tokio::test]
async fn a_port_that_fails_changes_nothing() {
    for case in CASES {
        let expected = undisturbed(case).await;
        for (how, code) in How::BOTH
            .into_iter()
            .flat_map(|how| [(how, Code::Unavailable), (how, Code::AccessDenied)])
        {
            let world = case.world();
            let failing = Failing::over(world.ports());
            failing.fail_every("notices.publish", how, code);
            run(&world, failing.ports(), &case.experiment()).await;
            assert_eq!(without_notices(&world), expected, "{case:?}, {how:?}, {code}");
        }
    }
}

/// Nobody listens, and it never says so. Looks at the world whenever it is called.
struct Silent {
    world: Arc<World>,
    /// What was to be told, and whether a fault was in effect then.
    called: Mutex<Vec<(Kind, bool)>>,
}

impl Silent {
    fn fault_is_there(&self) -> bool {
        let payments = self.world.function(PAYMENTS);
        let leased = |state: &State| {
            let mut terms = state.leases.values().filter_map(|lease| lease.terms.as_ref());
            terms.any(|terms| !terms.faults.is_empty())
        };
        payments.concurrency.is_some() || payments.timeout_secs != 3 || self.world.look(leased)
    }
}

#[async_trait]
impl Notices for Silent {
    async fn publish(&self, notice: &Notice) -> Result<()> {
        let fault = self.fault_is_there();
        self.called.lock().unwrap().push((notice.kind, fault));
        std::future::pending().await
    }
}

#[tokio::test(start_paused = true)]
async fn a_port_that_never_answers_changes_nothing() {
    for case in CASES {
        let expected = undisturbed(case).await;
        let world = case.world();
        let silent = Arc::new(Silent {
            world: world.clone(),
            called: Mutex::default(),
        });
        let ports = Ports {
            notices: silent.clone(),
            ..world.ports()
        };
        run(&world, ports, &case.experiment()).await;
        assert_eq!(without_notices(&world), expected, "{case:?}");
        let called = silent.called.lock().unwrap().clone();
        let free: Vec<_> = case.told().iter().map(|kind| (*kind, false)).collect();
        assert_eq!(called, free, "{case:?}: somebody was told while a fault was there");
    }
}

/// The same notice may come twice, but then it has the same name.
#[tokio::test]
async fn a_step_that_is_run_again_repeats_itself_under_the_same_id() {
    for case in CASES {
        let world = case.world();
        let mut machine = Machine::new(&world, world.ports(), build::name("run"));
        machine.twice = true;
        machine.execute(&case.experiment()).await;
        let mut ids: Vec<String> = world.look(|state| state.notices.iter().map(|notice| notice.id.clone()).collect());
        assert!(ids.len() > case.told().len(), "{case:?}: nothing was repeated");
        ids.dedup();
        let expected = case.told().iter().map(|kind| format!("run/{}", kind.name()));
        assert_eq!(ids, expected.collect::<Vec<_>>(), "{case:?}");
    }
}

/// Whatever other call fails once, before or after its effect, people hear of the start, of the faults, of the end and of the
/// result, in this order.
#[tokio::test]
async fn whatever_fails_people_are_told() {
    let mut cases = 0;
    for case in CASES {
        let world = case.world();
        let rehearsal = Failing::over(world.ports());
        run(&world, rehearsal.ports(), &case.experiment()).await;
        for (call, how) in rehearsal
            .calls()
            .iter()
            .flat_map(|call| How::BOTH.map(|how| (call, how)))
        {
            // Whether the rollback began is not known to its retry: then people hear of the end with the result.
            if call.name == "notices.publish" || (call.with == "rollback_began" && how == How::After) {
                continue;
            }
            let world = case.world();
            let failing = Failing::over(world.ports());
            failing.fail_call(call.number, how, Code::Unavailable);
            run(&world, failing.ports(), &case.experiment()).await.unwrap();
            let mut told = world.told();
            told.dedup();
            // A rollback that failed for a moment is told of, and that it succeeded.
            let troubled = [Kind::RollbackFailed, Kind::RollbackRecovered];
            let trouble: Vec<Kind> = told.extract_if(.., |kind| troubled.contains(kind)).collect();
            assert!(
                trouble.is_empty() || trouble == troubled,
                "{case:?}: {call} {how:?}: {trouble:?}"
            );
            assert_eq!(told, case.told(), "{case:?}: {call} {how:?}");
            cases += 1;
        }
    }
    println!("{cases} cases");
    assert!(cases > 200, "the rehearsal found hardly any calls");
}

/// One that never began is told of once; one that was measured first, as begun and as refused.
#[tokio::test]
async fn people_are_told_of_every_refusal() {
    let good = build::experiment_value();
    let mut invalid = build::experiment_value();
    invalid["blast_radius"]["percent"] = json!(500);
    let broken = || {
        let world = build::shop();
        world.measure(|metric, _| Some(if metric.name == "OrdersFailed" { 5.0 } else { 10.0 }));
        world
    };
    let untagged = || {
        let world = build::shop();
        let payments = build::name(PAYMENTS);
        world.change(|state| state.functions.get_mut(&payments).unwrap().tags.clear());
        world
    };
    let (refused, measured) = (vec![Kind::RunRefused], vec![Kind::RunStarted, Kind::RunRefused]);
    for (world, experiment, told, says) in [
        (build::shop(), &json!("never-saved"), &refused, "no experiment is saved"),
        (build::shop(), &invalid, &refused, "percent"),
        (untagged(), &good, &refused, "inoculate=allow"),
        (broken(), &good, &measured, "does not hold before the injection"),
    ] {
        assert_eq!(
            run(&world, world.ports(), experiment).await,
            Some(Status::Refused),
            "{says}"
        );
        assert_eq!(&world.told(), told, "{says}");
        let notice = world.look(|state| state.notices.last().cloned()).unwrap();
        assert!(notice.body().contains(says), "{}", notice.body());
    }
}

#[tokio::test]
async fn an_alarm_is_an_early_end_and_the_end_of_the_window_is_none() {
    let mut experiment = build::experiment_value();
    experiment["guards"] = json!({ "alarms": ["unhappy"] });
    let world = build::hardened_shop();
    world.set_alarm("unhappy", false);
    assert_eq!(run(&world, world.ports(), &experiment).await, Some(Status::Completed));
    assert_eq!(world.told(), UNDISTURBED);

    let world = build::hardened_shop();
    world.set_alarm("unhappy", false);
    let failing = Failing::over(world.ports());
    let calls = {
        run(&world, failing.ports(), &experiment).await;
        failing.calls()
    };
    let observed = calls[first(&calls, "runs.commit", "observed")].number;
    let world = build::hardened_shop();
    world.set_alarm("unhappy", false);
    let failing = Failing::over(world.ports());
    let meanwhile = world.clone();
    failing.interrupt(observed, async move { meanwhile.set_alarm("unhappy", true) });
    assert_eq!(run(&world, failing.ports(), &experiment).await, Some(Status::Aborted));
    assert_eq!(world.told(), HARMED);
    let early = world.look(|state| state.notices[2].clone());
    assert_eq!(early.settled, Some(true));
    assert!(early.body().contains("\"unhappy\" went to ALARM"), "{}", early.body());
}

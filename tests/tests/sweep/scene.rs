//! A run that nobody looks after, and what must be true after the sweep.

use std::sync::Arc;

use inoculate_core::lease::LeaseRole;
use inoculate_core::names::RunId;
use inoculate_core::ports::Ports;
use inoculate_core::run::{Phase, Status};
use inoculate_rollback::Output;
use inoculate_step::Step;
use inoculate_tests::World;
use inoculate_tests::build::{self, PAYMENTS};
use inoculate_tests::fail::{Call, Failing};
use inoculate_tests::machine::{self, Machine};
use inoculate_tests::memory::{FunctionState, RunState};
use serde_json::{Value, json};

const SOURCE: &str = "arn:aws:sqs:eu-west-1:123456789012:orders";

/// What the faults are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Faults {
    /// Settings of a function, of every kind.
    Settings,
    /// Injected by the layer, into half of the requests.
    Layer,
}

impl Faults {
    pub(crate) const BOTH: [Faults; 2] = [Faults::Settings, Faults::Layer];
}

pub(crate) fn run_id() -> RunId {
    build::name("matrix")
}

/// A world in which updates take two seconds, as on AWS.
pub(crate) fn shop(faults: Faults) -> Arc<World> {
    let world = match faults {
        Faults::Layer => build::layered_shop(false),
        Faults::Settings => build::hardened_shop(),
    };
    world.add_function(PAYMENTS, FunctionState::new(PAYMENTS).with_source(SOURCE));
    world.change(|state| state.updates_take = jiff::SignedDuration::from_secs(2));
    world
}

pub(crate) fn experiment(faults: Faults) -> Value {
    if faults == Faults::Layer {
        return build::layered_experiment_value();
    }
    let mut value = build::experiment_value();
    value["faults"] = json!([
        { "kind": "reserved_concurrency", "function": PAYMENTS, "executions": 0 },
        { "kind": "timeout", "function": PAYMENTS, "timeout": "1s" },
        { "kind": "memory", "function": PAYMENTS, "memory_mb": 128 },
        { "kind": "event_source_disabled", "function": PAYMENTS, "source": SOURCE },
    ]);
    value
}

/// An experiment with the timeout of one function.
pub(crate) fn on(function: &str) -> Value {
    let mut value = build::experiment_value();
    value["blast_radius"]["functions"] = json!([function]);
    value["faults"] = json!([{ "kind": "timeout", "function": function, "timeout": "1s" }]);
    value
}

/// A run that nothing disturbed.
pub(crate) struct Scene {
    pub(crate) calls: usize,
    pub(crate) tasks: usize,
    pub(crate) run: RunState,
}

impl Scene {
    pub(crate) async fn rehearse(faults: Faults) -> Scene {
        let world = shop(faults);
        let failing = Failing::over(world.ports());
        let mut machine = Machine::new(&world, failing.ports(), run_id());
        let status = machine.execute(&experiment(faults)).await;
        assert_eq!(status, Some(Status::Completed));
        Scene {
            calls: failing.calls().len(),
            tasks: machine.tasks(),
            run: world.run(&run_id()),
        }
    }
}

/// A run whose tasks before this one were carried out; its execution is as it is said, or gone.
pub(crate) async fn abandoned(world: &Arc<World>, faults: Faults, task: usize, execution: Option<&str>) {
    let mut machine = Machine::new(world, world.ports(), run_id());
    machine.stop_before = Some(task);
    assert_eq!(machine.execute(&experiment(faults)).await, None);
    match execution {
        Some(status) => world.set_execution(&run_id(), status),
        None => drop(world.change(|state| state.executions.remove(&run_id()))),
    }
}

/// A run that was abandoned with all its faults in place.
pub(crate) async fn injected(world: &Arc<World>, faults: Faults, execution: Option<&str>) {
    let mut tasks = 3;
    loop {
        let rehearsal = shop(faults);
        abandoned(&rehearsal, faults, tasks, execution).await;
        if rehearsal.run(&run_id()).run.phase == Phase::Injected {
            return abandoned(world, faults, tasks, execution).await;
        }
        tasks += 1;
    }
}

pub(crate) fn step(ports: &Ports) -> Step {
    Step {
        ports: ports.clone(),
        attempt: "sweep".to_owned(),
    }
}

pub(crate) async fn sweep_on(ports: &Ports) -> Output {
    inoculate_rollback::handle(step(ports), machine::sweep()).await.unwrap()
}

pub(crate) async fn sweep(world: &Arc<World>) -> Output {
    sweep_on(&world.ports()).await
}

/// Sweeps every minute, until there is nothing left to do. A step that may still be at work is waited for.
pub(crate) async fn swept_clean(world: &Arc<World>, case: &str) {
    for minute in 0..4 {
        world.advance(60 * minute.min(1));
        if sweep(world).await.settled && open(world) == 0 {
            return;
        }
    }
    panic!("{case}: not clean after four sweeps");
}

fn open(world: &World) -> usize {
    world.look(|state| state.runs.values().filter(|run| run.run.phase != Phase::Closed).count())
}

/// The calls of a sweep over a run that was abandoned with its faults in place.
pub(crate) async fn calls_of_a_sweep(faults: Faults) -> Vec<Call> {
    let world = shop(faults);
    injected(&world, faults, Some("FAILED")).await;
    world.advance(60);
    let failing = Failing::over(world.ports());
    assert!(sweep_on(&failing.ports()).await.settled);
    assert_over(&world, "rehearsal");
    failing.calls()
}

pub(crate) fn assert_settings(world: &World, case: &str) {
    let (now, before) = (
        world.function(PAYMENTS),
        FunctionState::new(PAYMENTS).with_source(SOURCE),
    );
    let settings = |f: &FunctionState| (f.concurrency, f.timeout_secs, f.memory_mb, f.sources.clone());
    assert_eq!(settings(&now), settings(&before), "{case}: a fault is left behind");
}

/// Nothing is left behind, and the record says that the run is over.
pub(crate) fn assert_over(world: &World, case: &str) {
    assert_settings(world, case);
    let met = world.look(|state| state.faults_met.len());
    world.advance(5);
    world.look(|state| {
        assert_eq!(state.faults_met.len(), met, "{case}: requests still meet faults");
        let held = state.leases.values().filter(|lease| lease.role != LeaseRole::Released);
        assert_eq!(held.count(), 0, "{case}: a lease is left");
        let Some(recorded) = state.runs.get(&run_id()) else {
            return;
        };
        let run = &recorded.run;
        assert_eq!(run.phase, Phase::Closed, "{case}: {run:?}");
        assert!(
            run.verdict.is_some() && run.status != Status::Running,
            "{case}: {run:?}"
        );
        let numbers: Vec<u64> = recorded.journal.iter().map(|entry| entry.number).collect();
        assert_eq!(
            numbers,
            (1..=run.version).collect::<Vec<_>>(),
            "{case}: the journal has gaps"
        );
        assert!(recorded.undo.values().all(|record| record.state.is_settled()), "{case}");
    });
}

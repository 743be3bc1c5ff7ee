//! The fault matrix: whatever fails, whenever the execution is stopped, the target is as it was and the record is true.
//!
//! The cases are not listed: a rehearsal counts the calls of a run, and each of them then fails in each way.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test says what it found by panicking"
)]

use std::sync::Arc;

use inoculate_core::error::Code;
use inoculate_core::judge::Verdict;
use inoculate_core::lease::LeaseRole;
use inoculate_core::run::{Phase, Status};
use inoculate_core::run_alarms::SETTLED_AFTER;
use inoculate_core::undo::UndoState;
use inoculate_step::Step;
use inoculate_tests::build::{self, PAYMENTS};
use inoculate_tests::fail::{Failing, How};
use inoculate_tests::machine::{Machine, execution_ended, sweep};
use inoculate_tests::memory::{FunctionState, World};
use serde_json::{Value, json};

const SOURCE: &str = "arn:aws:sqs:eu-west-1:123456789012:orders";

/// What the faults are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Faults {
    /// Settings of a function, of every kind.
    Settings,
    /// Injected by the layer, into half of the requests.
    Layer,
}

const BOTH: [Faults; 2] = [Faults::Settings, Faults::Layer];

/// Either makes alarms of its own.
fn experiment(faults: Faults) -> Value {
    if faults == Faults::Layer {
        let mut value = build::layered_experiment_value();
        value["guards"] = build::alarms_of_its_own();
        return value;
    }
    let mut value = build::experiment_value();
    value["guards"] = build::alarms_of_its_own();
    value["faults"] = json!([
        { "kind": "reserved_concurrency", "function": PAYMENTS, "executions": 0 },
        { "kind": "timeout", "function": PAYMENTS, "timeout": "1s" },
        { "kind": "memory", "function": PAYMENTS, "memory_mb": 128 },
        { "kind": "event_source_disabled", "function": PAYMENTS, "source": SOURCE },
    ]);
    value
}

/// A world in which updates take two seconds, as on AWS.
fn world(faults: Faults, fragile: bool) -> Arc<World> {
    let world = match (faults, fragile) {
        (Faults::Layer, _) => build::layered_shop(fragile),
        (Faults::Settings, true) => build::shop(),
        (Faults::Settings, false) => build::hardened_shop(),
    };
    world.add_function(PAYMENTS, FunctionState::new(PAYMENTS).with_source(SOURCE));
    world.change(|state| state.updates_take = jiff::SignedDuration::from_secs(2));
    world
}

fn run_id() -> inoculate_core::names::RunId {
    build::name("matrix")
}

/// The event of the ended execution, delivered again and again like any asynchronous event, a minute apart.
async fn deliver_end(world: &Arc<World>, status: &str) {
    for attempt in 0..3 {
        let step = Step {
            ports: world.ports(),
            attempt: format!("event-{attempt}"),
        };
        if inoculate_rollback::handle(step, execution_ended(&run_id(), status))
            .await
            .is_ok()
        {
            return;
        }
        world.advance(60 * (attempt + 1));
    }
    panic!("the rollback did not succeed in three deliveries");
}

/// What comes when the orchestrator is dead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Net {
    /// The event of the ended execution, and no sweep.
    Event,
    /// The sweep, every minute, and no event. Step Functions shows how the execution ended, or does not know it any more.
    Sweep {
        /// Whether it knows it.
        known: bool,
    },
}

const NETS: [Net; 3] = [Net::Event, Net::Sweep { known: true }, Net::Sweep { known: false }];

async fn catch(world: &Arc<World>, net: Net, status: &str) {
    let Net::Sweep { known } = net else {
        return deliver_end(world, status).await;
    };
    if known {
        world.set_execution(&run_id(), status);
    } else {
        world.change(|state| drop(state.executions.remove(&run_id())));
    }
    for minute in 1..=4 {
        world.advance(60);
        let step = Step {
            ports: world.ports(),
            attempt: format!("sweep-{minute}"),
        };
        let swept = inoculate_rollback::handle(step, sweep()).await.unwrap();
        if minute == 1 {
            assert_back(world, "after one sweep");
        }
        let open = world.look(|state| state.runs.values().any(|run| run.run.phase != Phase::Closed));
        if swept.settled && !open {
            return;
        }
    }
    panic!("not swept clean in four minutes");
}

/// Every setting is as it was.
fn assert_back(world: &World, case: &str) {
    let now = world.function(PAYMENTS);
    let before = FunctionState::new(PAYMENTS).with_source(SOURCE);
    let settings = |f: &FunctionState| (f.concurrency, f.timeout_secs, f.memory_mb, f.sources.clone());
    assert_eq!(settings(&now), settings(&before), "{case}: a fault is left behind");
}

/// Nothing is left behind, and the record says what happened. Only an alarm that could not be deleted may wait for a sweep.
async fn assert_clean(world: &Arc<World>, case: &str) {
    assert_settled(world, case);
    if world.look(|state| state.made_alarms.is_empty()) {
        return;
    }
    let settled_after = u32::try_from(SETTLED_AFTER.as_secs()).unwrap();
    world.advance(settled_after);
    let step = Step {
        ports: world.ports(),
        attempt: "sweep".to_owned(),
    };
    inoculate_rollback::handle(step, sweep()).await.unwrap();
    let left = world.look(|state| state.made_alarms.keys().cloned().collect::<Vec<_>>());
    assert!(left.is_empty(), "{case}: alarms are left after a sweep: {left:?}");
}

fn assert_settled(world: &World, case: &str) {
    assert_back(world, case);
    let met = world.look(|state| state.faults_met.len());
    world.advance(5);
    world.look(|state| {
        assert_eq!(state.faults_met.len(), met, "{case}: requests still meet faults");
        let held = state.leases.values().filter(|lease| lease.role != LeaseRole::Released);
        let recorded = state.runs.get(&run_id());
        // Without a record no lease is taken; with one, all are given back.
        assert_eq!(held.count(), 0, "{case}: a lease is left");
        let Some(recorded) = recorded else { return };
        let run = &recorded.run;
        assert_eq!(run.phase, Phase::Closed, "{case}: {run:?}");
        assert_ne!(run.status, Status::Running, "{case}");
        assert!(run.verdict.is_some(), "{case}");
        let numbers: Vec<u64> = recorded.journal.iter().map(|entry| entry.number).collect();
        assert_eq!(
            numbers,
            (1..=run.version).collect::<Vec<_>>(),
            "{case}: the journal has gaps"
        );
        for record in recorded.undo.values() {
            assert!(
                matches!(record.state, UndoState::Restored | UndoState::NotApplied),
                "{case}: {record:?}"
            );
        }
        let completed = run.status == Status::Completed;
        assert!(
            !completed || recorded.evaluation.as_ref().unwrap().during.is_some(),
            "{case}: claimed without evidence"
        );
    });
}

/// Runs to the end, with the event of a failed execution as AWS would send it.
async fn execute(world: &Arc<World>, machine: &mut Machine, experiment: &Value) -> Option<Status> {
    let status = machine.execute(experiment).await;
    match status {
        None => deliver_end(world, "ABORTED").await,
        Some(Status::Completed) => {}
        Some(_) => deliver_end(world, "FAILED").await,
    }
    status
}

/// What a run of this world calls, in order.
async fn rehearse(faults: Faults, fragile: bool) -> (usize, usize) {
    let world = world(faults, fragile);
    let failing = Failing::over(world.ports());
    let mut machine = Machine::new(&world, failing.ports(), run_id());
    let status = execute(&world, &mut machine, &experiment(faults)).await;
    let run = world.run(&run_id());
    assert_eq!(status, Some(Status::Completed), "{:?}", run.run.ending);
    let verdict = if fragile { Verdict::Deviated } else { Verdict::Upheld };
    assert_eq!(run.run.verdict, Some(verdict), "{:#?}", run.evaluation);
    let met = world.look(|state| state.faults_met.len());
    assert_eq!(
        met > 0,
        faults == Faults::Layer,
        "{met} requests met a fault of the layer"
    );
    let left = world.look(|state| state.made_alarms.len());
    assert_eq!(left, 0, "the rollback deletes the alarms itself");
    assert_clean(&world, "rehearsal").await;
    let calls = failing.calls();
    for name in ["alarms.make", "alarms.states", "alarms.delete"] {
        assert!(calls.iter().any(|call| call.name == name), "no {name}");
    }
    (calls.len(), machine.tasks())
}

#[tokio::test]
async fn every_call_may_fail_once_before_or_after_its_effect() {
    let mut cases = 0;
    for (faults, fragile) in BOTH.into_iter().flat_map(|faults| [(faults, false), (faults, true)]) {
        let (calls, _) = rehearse(faults, fragile).await;
        let codes = [Code::Unavailable, Code::Throttled, Code::AccessDenied];
        let ways = How::BOTH.into_iter().flat_map(|how| codes.map(|code| (how, code)));
        for (number, (how, code)) in (1..=calls).flat_map(|number| ways.clone().map(move |way| (number, way))) {
            let world = world(faults, fragile);
            let failing = Failing::over(world.ports());
            failing.fail_call(number, how, code);
            let mut machine = Machine::new(&world, failing.ports(), run_id());
            execute(&world, &mut machine, &experiment(faults)).await;
            let case = format!("{faults:?}: {} {how:?} {code}", failing.calls()[number - 1]);
            assert_clean(&world, &case).await;
            cases += 1;
        }
    }
    println!("{cases} cases");
    assert!(cases > 500, "the rehearsal found hardly any calls");
}

#[tokio::test]
async fn the_orchestrator_may_die_at_every_call() {
    let mut cases = 0;
    for faults in BOTH {
        let (calls, _) = rehearse(faults, false).await;
        let deaths = (1..=calls).flat_map(|number| How::BOTH.map(|how| (number, how)));
        for ((number, how), net) in deaths.flat_map(|death| NETS.map(|net| (death, net))) {
            let world = world(faults, false);
            let failing = Failing::over(world.ports());
            failing.fail_from(number, how, Code::Unavailable);
            let mut machine = Machine::new(&world, failing.ports(), run_id());
            let status = machine.execute(&experiment(faults)).await;
            let case = format!("{faults:?}: dead from {} {how:?}, {net:?}", failing.calls()[number - 1]);
            assert_ne!(status, Some(Status::Refused), "{case}");
            catch(&world, net, "FAILED").await;
            assert_clean(&world, &case).await;
            cases += 1;
        }
    }
    println!("{cases} cases");
}

/// Nobody comes to roll back: no event is delivered, nobody looks. What the layer injects ends with the lease, not much later
/// than the round after which it was last renewed, and never much later than the experiment allows.
#[tokio::test]
async fn faults_of_the_layer_end_by_themselves() {
    let (calls, _) = rehearse(Faults::Layer, false).await;
    let mut with_faults = 0;
    for (number, how) in (1..=calls).flat_map(|number| How::BOTH.map(|how| (number, how))) {
        let world = world(Faults::Layer, false);
        let failing = Failing::over(world.ports());
        failing.fail_from(number, how, Code::Unavailable);
        let mut machine = Machine::new(&world, failing.ports(), run_id());
        machine.execute(&experiment(Faults::Layer)).await;
        world.advance(300);
        let case = format!("dead from {} {how:?}", failing.calls()[number - 1]);
        world.look(|state| {
            let (Some((first, _)), Some((last, _))) = (state.faults_met.first(), state.faults_met.last()) else {
                return;
            };
            with_faults += 1;
            let lasted = last.duration_since(*first).as_secs();
            assert!(
                lasted <= 40,
                "{case}: {lasted} s of faults, 30 s and 10 s of overtime are allowed"
            );
            assert!(
                state
                    .faults_met
                    .iter()
                    .all(|(_, function)| function.as_str() == PAYMENTS),
                "{case}"
            );
        });
    }
    assert!(with_faults > 10, "hardly any case had faults");
    println!("{with_faults} cases");
}

#[tokio::test]
async fn every_step_may_run_twice() {
    for (faults, fragile) in BOTH.into_iter().flat_map(|faults| [(faults, false), (faults, true)]) {
        let world = world(faults, fragile);
        let mut machine = Machine::new(&world, world.ports(), run_id());
        machine.twice = true;
        let status = execute(&world, &mut machine, &experiment(faults)).await;
        assert_eq!(status, Some(Status::Completed), "{faults:?}, fragile: {fragile}");
        assert_clean(&world, "twice").await;
    }
}

#[tokio::test]
async fn the_execution_may_be_stopped_before_every_task() {
    let mut cases = 0;
    for faults in BOTH {
        let (_, tasks) = rehearse(faults, false).await;
        for task in 0..tasks {
            stopped_before(faults, task).await;
        }
        cases += tasks;
    }
    println!("{cases} cases");
}

async fn stopped_before(faults: Faults, task: usize) {
    let world = world(faults, false);
    let mut machine = Machine::new(&world, world.ports(), run_id());
    machine.stop_before = Some(task);
    assert_eq!(execute(&world, &mut machine, &experiment(faults)).await, None);
    assert_clean(&world, &format!("{faults:?}: stopped before task {task}")).await;
    if let Some(recorded) = world.look(|state| state.runs.get(&run_id()).cloned()) {
        let rolled_back_already = recorded.run.status == Status::Failed;
        assert!(
            rolled_back_already || recorded.run.status == Status::Aborted,
            "task {task}: {:?}",
            recorded.run
        );
    }
}

/// `inoculate abort` while a step is at work: the rollback is called between two calls of that step, which then goes on
/// as if nothing had happened; then the execution is stopped. No time passes in between: a step cannot outlive the
/// timeout of its function, which is shorter than the rollback waits for it.
#[tokio::test]
async fn a_rollback_may_overtake_every_call() {
    let mut cases = 0;
    for faults in BOTH {
        let (calls, _) = rehearse(faults, false).await;
        for (number, net) in (1..=calls).flat_map(|number| NETS.map(|net| (number, net))) {
            overtaken_at(faults, number, net).await;
            cases += 1;
        }
    }
    println!("{cases} cases");
}

async fn overtaken_at(faults: Faults, number: usize, net: Net) {
    let world = world(faults, false);
    let failing = Failing::over(world.ports());
    let meanwhile = world.clone();
    failing.interrupt(number, async move {
        let step = Step {
            ports: meanwhile.ports(),
            attempt: "overtaking".to_owned(),
        };
        let event = match net {
            Net::Event => json!({ "run_id": run_id() }),
            Net::Sweep { .. } => {
                meanwhile.set_execution(&run_id(), "ABORTED");
                sweep()
            }
        };
        // It may not be able to finish while a change is under way; what comes later will.
        drop(inoculate_rollback::handle(step, event).await);
    });
    let mut machine = Machine::new(&world, failing.ports(), run_id());
    machine.execute(&experiment(faults)).await;
    catch(&world, net, "ABORTED").await;
    let case = format!("{faults:?}: overtaken at {}, {net:?}", failing.calls()[number - 1]);
    assert_clean(&world, &case).await;
}

#[tokio::test]
async fn two_runs_at_once_get_one_function_between_them() {
    let world = world(Faults::Settings, false);
    let mut first = Machine::new(&world, world.ports(), build::name("first"));
    first.stop_before = Some(4);
    assert_eq!(first.execute(&experiment(Faults::Settings)).await, None);
    let mut second = Machine::new(&world, world.ports(), build::name("second"));
    assert_eq!(
        second.execute(&experiment(Faults::Settings)).await,
        Some(Status::Refused)
    );
    let holder = world.look(|state| state.leases.values().next().unwrap().run_id.clone());
    assert_eq!(holder.as_str(), "first");
    assert_eq!(
        world.function(PAYMENTS).concurrency,
        Some(0),
        "the second run touched what belongs to the first"
    );
}

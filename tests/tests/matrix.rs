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
use inoculate_core::lease::LeaseRole;
use inoculate_core::run::{Phase, Status};
use inoculate_core::undo::UndoState;
use inoculate_step::Step;
use inoculate_tests::build::{self, PAYMENTS};
use inoculate_tests::fail::{Failing, How};
use inoculate_tests::machine::{Machine, execution_ended};
use inoculate_tests::memory::{FunctionState, World};
use serde_json::{Value, json};

const SOURCE: &str = "arn:aws:sqs:eu-west-1:123456789012:orders";

/// An experiment with a fault of every kind.
fn experiment() -> Value {
    let mut value = build::experiment_value();
    value["faults"] = json!([
        { "kind": "reserved_concurrency", "function": PAYMENTS, "executions": 0 },
        { "kind": "timeout", "function": PAYMENTS, "timeout": "1s" },
        { "kind": "memory", "function": PAYMENTS, "memory_mb": 128 },
        { "kind": "event_source_disabled", "function": PAYMENTS, "source": SOURCE },
    ]);
    value
}

/// A world in which updates take two seconds, as on AWS.
fn world(fragile: bool) -> Arc<World> {
    let world = if fragile { build::shop() } else { build::hardened_shop() };
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

/// Nothing is left behind, and the record says what happened.
fn assert_clean(world: &World, case: &str) {
    let now = world.function(PAYMENTS);
    let before = FunctionState::new(PAYMENTS).with_source(SOURCE);
    let settings = |f: &FunctionState| (f.concurrency, f.timeout_secs, f.memory_mb, f.sources.clone());
    assert_eq!(settings(&now), settings(&before), "{case}: a fault is left behind");
    world.look(|state| {
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
async fn rehearse(fragile: bool) -> (usize, usize) {
    let world = world(fragile);
    let failing = Failing::over(world.ports());
    let mut machine = Machine::new(&world, failing.ports(), run_id());
    assert_eq!(
        execute(&world, &mut machine, &experiment()).await,
        Some(Status::Completed)
    );
    assert_clean(&world, "rehearsal");
    (failing.calls().len(), machine.tasks())
}

#[tokio::test]
async fn every_call_may_fail_once_before_or_after_its_effect() {
    let mut cases = 0;
    for fragile in [false, true] {
        let (calls, _) = rehearse(fragile).await;
        for number in 1..=calls {
            for how in How::BOTH {
                for code in [Code::Unavailable, Code::Throttled, Code::AccessDenied] {
                    let world = world(fragile);
                    let failing = Failing::over(world.ports());
                    failing.fail_call(number, how, code);
                    let mut machine = Machine::new(&world, failing.ports(), run_id());
                    execute(&world, &mut machine, &experiment()).await;
                    let case = format!("{} {how:?} {code}", failing.calls()[number - 1]);
                    assert_clean(&world, &case);
                    cases += 1;
                }
            }
        }
    }
    println!("{cases} cases");
    assert!(cases > 500, "the rehearsal found hardly any calls");
}

#[tokio::test]
async fn the_orchestrator_may_die_at_every_call() {
    let (calls, _) = rehearse(false).await;
    for number in 1..=calls {
        for how in How::BOTH {
            let world = world(false);
            let failing = Failing::over(world.ports());
            failing.fail_from(number, how, Code::Unavailable);
            let mut machine = Machine::new(&world, failing.ports(), run_id());
            let status = machine.execute(&experiment()).await;
            let case = format!("dead from {} {how:?}", failing.calls()[number - 1]);
            assert_ne!(status, Some(Status::Refused), "{case}");
            deliver_end(&world, "FAILED").await;
            assert_clean(&world, &case);
        }
    }
    println!("{} cases", calls * 2);
}

#[tokio::test]
async fn every_step_may_run_twice() {
    for fragile in [false, true] {
        let world = world(fragile);
        let mut machine = Machine::new(&world, world.ports(), run_id());
        machine.twice = true;
        assert_eq!(
            execute(&world, &mut machine, &experiment()).await,
            Some(Status::Completed),
            "fragile: {fragile}"
        );
        assert_clean(&world, "twice");
    }
}

#[tokio::test]
async fn the_execution_may_be_stopped_before_every_task() {
    let (_, tasks) = rehearse(false).await;
    for task in 0..tasks {
        let world = world(false);
        let mut machine = Machine::new(&world, world.ports(), run_id());
        machine.stop_before = Some(task);
        assert_eq!(execute(&world, &mut machine, &experiment()).await, None);
        assert_clean(&world, &format!("stopped before task {task}"));
        if let Some(recorded) = world.look(|state| state.runs.get(&run_id()).cloned()) {
            let rolled_back_already = recorded.run.status == Status::Failed;
            assert!(
                rolled_back_already || recorded.run.status == Status::Aborted,
                "task {task}: {:?}",
                recorded.run
            );
        }
    }
    println!("{tasks} cases");
}

/// `inoculate abort` while a step is at work: the rollback is called between two calls of that step, which then goes on
/// as if nothing had happened; then the execution is stopped. No time passes in between: a step cannot outlive the
/// timeout of its function, which is shorter than the rollback waits for it.
#[tokio::test]
async fn a_rollback_may_overtake_every_call() {
    let (calls, _) = rehearse(false).await;
    for number in 1..=calls {
        let world = world(false);
        let failing = Failing::over(world.ports());
        let meanwhile = world.clone();
        failing.interrupt(number, async move {
            let step = Step {
                ports: meanwhile.ports(),
                attempt: "overtaking".to_owned(),
            };
            // It may not be able to finish while a change is under way; the event of the stopped execution will.
            drop(inoculate_rollback::handle(step, json!({ "run_id": run_id() })).await);
        });
        let mut machine = Machine::new(&world, failing.ports(), run_id());
        machine.execute(&experiment()).await;
        deliver_end(&world, "ABORTED").await;
        let case = format!("overtaken at {}", failing.calls()[number - 1]);
        assert_clean(&world, &case);
    }
    println!("{calls} cases");
}

#[tokio::test]
async fn two_runs_at_once_get_one_function_between_them() {
    let world = world(false);
    let mut first = Machine::new(&world, world.ports(), build::name("first"));
    first.stop_before = Some(4);
    assert_eq!(first.execute(&experiment()).await, None);
    let mut second = Machine::new(&world, world.ports(), build::name("second"));
    assert_eq!(second.execute(&experiment()).await, Some(Status::Refused));
    let holder = world.look(|state| state.leases.values().next().unwrap().run_id.clone());
    assert_eq!(holder.as_str(), "first");
    assert_eq!(
        world.function(PAYMENTS).concurrency,
        Some(0),
        "the second run touched what belongs to the first"
    );
}

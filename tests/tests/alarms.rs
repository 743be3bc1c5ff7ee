//! The alarms that a run makes for itself: there while its faults are, heard when they go to ALARM, and gone afterwards.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test says what it found by panicking"
)]

use std::collections::BTreeSet;
use std::sync::Arc;

use inoculate_core::error::Code;
use inoculate_core::names::RunId;
use inoculate_core::ports::Ports;
use inoculate_core::run::{Cause, Phase, Status};
use inoculate_core::run_alarms::{NewAlarm, SETTLED_AFTER};
use inoculate_rollback::Output;
use inoculate_step::Step;
use inoculate_tests::World;
use inoculate_tests::build::{self, PAYMENTS};
use inoculate_tests::fail::{Call, Failing, How};
use inoculate_tests::machine::{self, Machine, execution_ended};
use inoculate_tests::memory::FunctionState;
use serde_json::{Value, json};

fn run_id() -> RunId {
    build::name("alarmed")
}

/// A timeout, which takes two seconds to set, and two alarms.
fn experiment() -> Value {
    on(PAYMENTS)
}

fn on(function: &str) -> Value {
    let mut value = build::experiment_value();
    value["blast_radius"]["functions"] = json!([function]);
    value["faults"] = json!([{ "kind": "timeout", "function": function, "timeout": "1s" }]);
    value["guards"] = build::alarms_of_its_own();
    value
}

fn shop() -> Arc<World> {
    let world = build::hardened_shop();
    world.change(|state| state.updates_take = jiff::SignedDuration::from_secs(2));
    world
}

fn names() -> [String; 2] {
    ["inoculate-run-alarmed-1", "inoculate-run-alarmed-2"].map(str::to_owned)
}

/// The alarms that runs have made and nobody deleted.
fn made(world: &World) -> Vec<String> {
    world.look(|state| state.made_alarms.keys().cloned().collect())
}

/// How many calls of a run there are before its first one of this name.
fn before(calls: &[Call], name: &str) -> usize {
    let found = calls.iter().position(|call| call.name == name);
    found.unwrap_or_else(|| panic!("no {name} in {calls:?}"))
}

/// A run whose tasks before this one were carried out.
async fn stopped_before(world: &Arc<World>, ports: Ports, id: &RunId, experiment: &Value, task: usize) {
    let mut machine = Machine::new(world, ports, id.clone());
    machine.stop_before = Some(task);
    assert_eq!(machine.execute(experiment).await, None);
}

/// A run whose faults are in place, for ten minutes if nobody ends it.
async fn injected(world: &Arc<World>, id: &str, function: &str) -> RunId {
    let id: RunId = build::name(id);
    // Open, baseline, and three looks of the injection.
    let mut experiment = on(function);
    experiment["blast_radius"]["longest"] = json!("10m");
    stopped_before(world, world.ports(), &id, &experiment, 5).await;
    assert_eq!(world.run(&id).run.phase, Phase::Injected);
    id
}

fn step(ports: Ports) -> Step {
    Step {
        ports,
        attempt: "test".to_owned(),
    }
}

async fn sweep_on(ports: Ports) -> Output {
    inoculate_rollback::handle(step(ports), machine::sweep()).await.unwrap()
}

async fn sweep(world: &Arc<World>) -> Output {
    sweep_on(world.ports()).await
}

fn wait_until_strays_are_told(world: &World) {
    world.advance(u32::try_from(SETTLED_AFTER.as_secs()).unwrap());
}

#[tokio::test]
async fn they_are_there_while_the_faults_are() {
    let world = shop();
    let id = injected(&world, "alarmed", PAYMENTS).await;
    assert_eq!(made(&world), names());
    world.look(|state| {
        let (alarm, _) = &state.made_alarms[&names()[0]];
        let description = "Ends run alarmed of the experiment payments-throttled when Sum of OrdersFailed (Shop, Service \
                           shop-checkout) above 5 in 2 of 3 periods of 10s. Inoculate made it and deletes it after the run.";
        assert_eq!(alarm.description, description);
    });
    inoculate_rollback::handle(step(world.ports()), execution_ended(&id, "ABORTED"))
        .await
        .unwrap();
    assert_eq!(made(&world), [] as [&str; 0]);
}

#[tokio::test]
async fn they_are_made_before_the_first_fault_and_deleted_after_the_last() {
    for experiment in [experiment(), {
        let mut layered = build::layered_experiment_value();
        layered["guards"] = build::alarms_of_its_own();
        layered
    }] {
        let world = build::layered_shop(false);
        world.change(|state| state.updates_take = jiff::SignedDuration::from_secs(2));
        let failing = Failing::over(world.ports());
        let mut machine = Machine::new(&world, failing.ports(), run_id());
        assert_eq!(machine.execute(&experiment).await, Some(Status::Completed));
        let calls = failing.calls();
        let first = before(&calls, "alarms.make");
        assert!(first < before(&calls, "leases.renew"));
        if experiment["faults"][0]["kind"] == "timeout" {
            assert!(first < before(&calls, "targets.replace"));
            let last = calls.iter().rposition(|call| call.name == "targets.replace").unwrap();
            assert!(last < before(&calls, "alarms.delete"));
        }
        let count = |name| calls.iter().filter(|call| call.name == name).count();
        assert_eq!(
            count("alarms.make"),
            2,
            "once each, though AWS takes its time with the fault"
        );
        assert_eq!(count("alarms.delete"), 1, "both at once");
        assert_eq!(made(&world), [] as [&str; 0]);
    }
}

#[tokio::test]
async fn a_run_without_them_asks_cloudwatch_for_none() {
    let world = shop();
    let mut experiment = experiment();
    experiment["guards"] = json!({});
    let failing = Failing::over(world.ports());
    let mut machine = Machine::new(&world, failing.ports(), run_id());
    assert_eq!(machine.execute(&experiment).await, Some(Status::Completed));
    let calls: Vec<Call> = failing.calls();
    assert!(!calls.iter().any(|call| call.name.starts_with("alarms.")), "{calls:?}");
}

#[tokio::test]
async fn without_its_alarms_nothing_is_injected() {
    for how in How::BOTH {
        let world = shop();
        let failing = Failing::over(world.ports());
        failing.fail_every("alarms.make", how, Code::AccessDenied);
        let mut machine = Machine::new(&world, failing.ports(), run_id());
        assert_eq!(machine.execute(&experiment()).await, Some(Status::Failed));
        let calls = failing.calls();
        assert!(!calls.iter().any(|call| call.name == "targets.replace"), "{calls:?}");
        assert_eq!(world.run(&run_id()).run.ending.unwrap().cause, Cause::StepFailed);
        assert_eq!(made(&world), [] as [&str; 0]);
    }
}

/// Observe looks at them in every round, so a message that is lost costs a round.
#[tokio::test]
async fn one_that_goes_to_alarm_ends_the_run() {
    for (number, name) in names().into_iter().enumerate() {
        let world = shop();
        let failing = Failing::over(world.ports());
        let meanwhile = world.clone();
        let polled = polled_at(&experiment()).await;
        failing.interrupt(polled, async move { meanwhile.set_alarm(&name, true) });
        let mut machine = Machine::new(&world, failing.ports(), run_id());
        assert_eq!(machine.execute(&experiment()).await, Some(Status::Aborted));
        let ending = world.run(&run_id()).run.ending.unwrap();
        assert_eq!(ending.cause, Cause::Alarm);
        let says = format!("alarm \"{}\" went to ALARM: set by a test", names()[number]);
        assert_eq!(ending.detail, says);
        assert_eq!(made(&world), [] as [&str; 0]);
        assert_eq!(world.function(PAYMENTS).timeout_secs, 3);
    }
}

/// The number of the call by which the first round asks for the states of the alarms.
async fn polled_at(experiment: &Value) -> usize {
    let world = shop();
    let failing = Failing::over(world.ports());
    Machine::new(&world, failing.ports(), run_id())
        .execute(experiment)
        .await;
    before(&failing.calls(), "alarms.states") + 1
}

/// What could end the run is not there any more.
#[tokio::test]
async fn one_that_somebody_deleted_ends_the_run() {
    let world = shop();
    let failing = Failing::over(world.ports());
    let meanwhile = world.ports();
    failing.interrupt(polled_at(&experiment()).await, async move {
        meanwhile.alarms.delete(&names()[1..]).await.unwrap();
    });
    let mut machine = Machine::new(&world, failing.ports(), run_id());
    assert_eq!(machine.execute(&experiment()).await, Some(Status::Aborted));
    let ending = world.run(&run_id()).run.ending.unwrap();
    assert_eq!(
        ending.detail,
        "alarm \"inoculate-run-alarmed-2\" does not exist any more"
    );
}

/// The rollback has deleted what there was before the alarm was made; its maker finds that out.
#[tokio::test]
async fn an_injection_that_was_overtaken_deletes_what_it_made() {
    let world = shop();
    let rehearsal = Failing::over(world.ports());
    stopped_before(&world, rehearsal.ports(), &run_id(), &experiment(), 5).await;
    let mut makes = rehearsal.calls();
    makes.retain(|call| call.name == "alarms.make");
    assert_eq!(makes.len(), 2);
    for call in makes {
        let world = shop();
        let failing = Failing::over(world.ports());
        let meanwhile = world.clone();
        failing.interrupt(call.number, async move {
            let event = execution_ended(&run_id(), "ABORTED");
            inoculate_rollback::handle(step(meanwhile.ports()), event)
                .await
                .unwrap();
            assert_eq!(made(&meanwhile), [] as [&str; 0], "the rollback is over");
        });
        let mut machine = Machine::new(&world, failing.ports(), run_id());
        machine.execute(&experiment()).await;
        assert_eq!(made(&world), [] as [&str; 0], "overtaken at {call}");
        assert_eq!(world.function(PAYMENTS).timeout_secs, 3);
    }
}

#[tokio::test]
async fn a_rollback_that_may_not_delete_them_leaves_them_to_the_sweep() {
    let world = shop();
    let failing = Failing::over(world.ports());
    failing.fail_every("alarms.delete", How::Before, Code::AccessDenied);
    let mut machine = Machine::new(&world, failing.ports(), run_id());
    assert_eq!(machine.execute(&experiment()).await, Some(Status::Completed));
    assert_eq!(world.run(&run_id()).run.phase, Phase::Closed);
    assert_eq!(made(&world), names(), "nothing else could have deleted them");

    wait_until_strays_are_told(&world);
    let output = sweep_on(failing.ports()).await;
    assert!(!output.settled, "somebody should know: {output:?}");
    assert!(output.pending[0].contains("alarms.delete failed"), "{output:?}");
    assert_eq!(made(&world), names());

    failing.heal();
    let output = sweep_on(failing.ports()).await;
    assert!(output.settled, "{output:?}");
    assert!(output.detail.contains("2 stray alarms deleted"), "{}", output.detail);
    assert_eq!(made(&world), [] as [&str; 0]);
    assert_eq!(sweep(&world).await.detail, "0 left alone, 0 rolled back, 0 left undone");
}

/// Makes an alarm as a run of this name makes it.
async fn leave(world: &Arc<World>, name: &str) {
    let alarm = NewAlarm {
        name: name.to_owned(),
        description: "left behind".to_owned(),
        when: serde_json::from_value(build::alarms_of_its_own()["abort_when"][0].clone()).unwrap(),
    };
    world.ports().alarms.make(&alarm).await.unwrap();
}

#[tokio::test]
async fn strays_are_deleted_and_nothing_else() {
    let world = shop();
    world.add_function("other", FunctionState::new("other"));
    let id = injected(&world, "open", "other").await;
    world.set_execution(&id, "RUNNING");
    let mut machine = Machine::new(&world, world.ports(), build::name("closed"));
    assert_eq!(machine.execute(&experiment()).await, Some(Status::Completed));

    // As of an injection that died after it was overtaken; of a record that is gone; of a run with more alarms than there are.
    let strays = [
        "inoculate-run-closed-1",
        "inoculate-run-long-gone-2",
        "inoculate-run-closed-9",
    ];
    // Made by somebody else's run, or by nobody's.
    let others = [
        "inoculate-run-x-run-closed",
        "inoculate-run-closed-99",
        "inoculate-rollback-errors",
        "shop-on-fire-1",
    ];
    for name in strays.iter().chain(&others) {
        leave(&world, name).await;
    }
    world.set_alarm("inoculate-run-closed-3", false);
    let all: BTreeSet<String> = made(&world).into_iter().collect();
    world.advance(119);
    leave(&world, "inoculate-run-closed-2").await;
    sweep(&world).await;
    let after = |without: &[&str]| -> BTreeSet<String> {
        let left = all.iter().filter(|name| !without.contains(&name.as_str()));
        left.cloned().chain(["inoculate-run-closed-2".to_owned()]).collect()
    };
    assert_eq!(
        made(&world).into_iter().collect::<BTreeSet<_>>(),
        after(&[]),
        "too young to tell"
    );

    world.advance(1);
    let output = sweep(&world).await;
    assert!(output.settled, "{output:?}");
    let left: BTreeSet<String> = made(&world).into_iter().collect();
    assert_eq!(left, after(&strays));
    for name in ["inoculate-run-open-1", "inoculate-run-open-2"] {
        assert!(left.contains(name), "{name} belongs to a run that is at work");
    }
    let foreign = world.look(|state| state.alarms.contains_key("inoculate-run-closed-3"));
    assert!(foreign, "an alarm that only has such a name was deleted");
}

/// A run whose record cannot be read, or whose alarm cannot be deleted.
#[tokio::test]
async fn one_stray_that_fails_keeps_no_other() {
    for (call, what) in [("runs.load", "one"), ("alarms.delete", "one")] {
        let world = shop();
        for run in ["one", "two"] {
            leave(&world, &format!("inoculate-run-{run}-1")).await;
        }
        wait_until_strays_are_told(&world);
        let rehearsal = Failing::over(world.ports());
        let before_it = world.look(Clone::clone);
        sweep_on(rehearsal.ports()).await;
        let calls = rehearsal.calls();
        let number = calls
            .iter()
            .find(|it| it.name == call && it.with.contains(what))
            .unwrap()
            .number;
        world.change(|state| *state = before_it);
        let failing = Failing::over(world.ports());
        failing.fail_call(number, How::Before, Code::AccessDenied);
        let output = sweep_on(failing.ports()).await;
        assert!(!output.settled && output.pending.len() == 1, "{call}: {output:?}");
        assert_eq!(made(&world), ["inoculate-run-one-1"], "{call}");
        assert!(sweep(&world).await.settled);
        assert_eq!(made(&world), [] as [&str; 0]);
    }
}

#[tokio::test]
async fn a_sweep_that_cannot_list_alarms_says_so_and_looks_after_runs() {
    let world = shop();
    let id = injected(&world, "alarmed", PAYMENTS).await;
    world.set_execution(&id, "FAILED");
    world.advance(60);
    let failing = Failing::over(world.ports());
    failing.fail_every("alarms.made", How::Before, Code::AccessDenied);
    let output = sweep_on(failing.ports()).await;
    assert!(!output.settled && output.pending.len() == 1, "{output:?}");
    assert!(output.pending[0].contains("alarms.made failed"), "{output:?}");
    assert_eq!(world.run(&id).run.phase, Phase::Closed);
    assert_eq!(world.function(PAYMENTS).timeout_secs, 3);
}

/// A call that never comes back ends with the time for it, and so does the sweep.
#[tokio::test(start_paused = true)]
async fn a_list_of_alarms_that_never_comes_does_not_keep_the_sweep() {
    let world = shop();
    let rehearsal = Failing::over(world.ports());
    sweep_on(rehearsal.ports()).await;
    let number = before(&rehearsal.calls(), "alarms.made") + 1;
    let failing = Failing::over(world.ports());
    failing.interrupt(number, std::future::pending());
    let output = sweep_on(failing.ports()).await;
    assert!(
        !output.settled && output.pending[0].contains("took too long"),
        "{output:?}"
    );
}

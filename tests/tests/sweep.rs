//! The sweep: what is left of runs that nobody looks after is put back, and nothing else is touched.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test says what it found by panicking"
)]

#[path = "sweep/scene.rs"]
mod scene;

use inoculate_core::error::Code;
use inoculate_core::lease::LeaseRole;
use inoculate_core::notice::Kind;
use inoculate_core::ports::Halt;
use inoculate_core::run::{Cause, Phase, Status};
use inoculate_core::sweep::LONGEST_EXECUTION;
use inoculate_core::undo::UndoState;
use inoculate_step::{Next, RunInput, Step};
use inoculate_tests::build::{self, PAYMENTS};
use inoculate_tests::fail::{Failing, How};
use inoculate_tests::machine::{Machine, execution_ended};
use inoculate_tests::memory::{FunctionState, execution_arn};
use scene::{
    Faults, Scene, abandoned, assert_over, experiment, injected, on, run_id, shop, step, sweep, sweep_on, swept_clean,
};

/// How an execution may look to the sweep when it does nothing any more.
const DEAD: [Option<&str>; 5] = [
    Some("ABORTED"),
    Some("FAILED"),
    Some("TIMED_OUT"),
    Some("SUCCEEDED"),
    None,
];

#[tokio::test]
async fn whatever_a_dead_orchestrator_left_is_put_back() {
    let mut cases = 0;
    for faults in Faults::BOTH {
        let tasks = Scene::rehearse(faults).await.tasks;
        for (task, ended) in (0..tasks).flat_map(|task| DEAD.map(|ended| (task, ended))) {
            let world = shop(faults);
            abandoned(&world, faults, task, ended).await;
            world.advance(60);
            sweep(&world).await;
            let case = format!("{faults:?}, dead before task {task}, execution {ended:?}");
            scene::assert_settings(&world, &case);
            swept_clean(&world, &case).await;
            assert_over(&world, &case);
            cases += 1;
        }
    }
    println!("{cases} cases");
}

#[tokio::test]
async fn the_record_says_why_the_run_ended() {
    for (ended, status, says) in [
        (Some("ABORTED"), Status::Aborted, "the execution ended with ABORTED"),
        (Some("TIMED_OUT"), Status::Failed, "the execution ended with TIMED_OUT"),
        (None, Status::Failed, "its execution does not exist"),
    ] {
        let world = shop(Faults::Settings);
        injected(&world, Faults::Settings, ended).await;
        world.advance(60);
        swept_clean(&world, says).await;
        let run = world.run(&run_id()).run;
        let ending = run.ending.unwrap();
        assert_eq!((run.status, ending.cause), (status, Cause::ExecutionEnded));
        assert!(ending.detail.contains(says), "{}", ending.detail);
        let told = [
            Kind::RunStarted,
            Kind::InjectionBeginning,
            Kind::RunEndingEarly,
            Kind::RunFinished,
        ];
        assert_eq!(world.told(), told, "people hear of each once");
    }
}

/// A sweep between any two calls of a run that is at work leaves no trace, in the run or in the world.
#[tokio::test]
async fn a_run_at_work_is_left_alone() {
    let mut cases = 0;
    for faults in Faults::BOTH {
        let undisturbed = Scene::rehearse(faults).await;
        for number in 1..=undisturbed.calls {
            let world = shop(faults);
            let failing = Failing::over(world.ports());
            let meanwhile = world.clone();
            failing.interrupt(number, async move {
                let output = sweep(&meanwhile).await;
                assert!(output.settled, "{output:?}");
            });
            let mut machine = Machine::new(&world, failing.ports(), run_id());
            machine.execute(&experiment(faults)).await;
            assert_eq!(
                world.run(&run_id()),
                undisturbed.run,
                "{faults:?}: swept at call {number}"
            );
            cases += 1;
        }
    }
    println!("{cases} cases");
}

/// Step Functions may not show a new execution at once.
#[tokio::test]
async fn a_new_run_whose_execution_is_not_visible_is_waited_for() {
    let world = shop(Faults::Settings);
    abandoned(&world, Faults::Settings, 1, None).await;
    // Its baseline window of 30 seconds is over.
    world.advance(29);
    let output = sweep(&world).await;
    assert!(output.settled);
    assert_eq!(world.run(&run_id()).run.phase, Phase::Opened);
    world.advance(1);
    sweep(&world).await;
    assert_over(&world, "after a minute");
}

#[tokio::test]
async fn a_run_over_time_is_rolled_back_and_keeps_its_verdict() {
    let world = shop(Faults::Settings);
    injected(&world, Faults::Settings, Some("RUNNING")).await;
    let run = world.run(&run_id()).run;
    assert_eq!(run.phase, Phase::Injected);
    let so_far = world.look(|state| state.now.duration_since(run.injecting_at.unwrap()).as_secs());
    world.advance(30 + 119 - u32::try_from(so_far).unwrap());
    sweep(&world).await;
    assert_eq!(world.run(&run_id()).run, run, "it is in time");

    world.advance(1);
    sweep(&world).await;
    scene::assert_settings(&world, "over time");
    let run = world.run(&run_id()).run;
    let ending = run.ending.unwrap();
    assert_eq!((run.phase, ending.cause), (Phase::RolledBack, Cause::OverTime));
    assert_eq!(ending.status, Status::Failed);
    sweep(&world).await;
    assert_eq!(
        world.run(&run_id()).run.phase,
        Phase::RolledBack,
        "its execution may yet judge"
    );

    world.advance(30);
    let input = RunInput { run_id: run_id() };
    let judged = inoculate_evaluate::handle(step(&world.ports()), input).await.unwrap();
    assert_eq!(judged.status, Status::Failed);
    assert!(world.run(&run_id()).evaluation.unwrap().during.is_some());
    assert_over(&world, "judged by its execution");
}

#[tokio::test]
async fn without_an_answer_of_step_functions_only_what_is_over_time_is_ended() {
    let world = shop(Faults::Settings);
    injected(&world, Faults::Settings, Some("FAILED")).await;
    let failing = Failing::over(world.ports());
    failing.fail_every("executions.state_of", How::Before, Code::AccessDenied);
    let output = sweep_on(&failing.ports()).await;
    assert!(
        !output.settled && output.pending[0].contains("executions.state_of"),
        "{output:?}"
    );
    assert_eq!(world.run(&run_id()).run.phase, Phase::Injected, "it may be at work");

    world.advance(180);
    let output = sweep_on(&failing.ports()).await;
    assert!(!output.settled, "somebody should know: {output:?}");
    scene::assert_settings(&world, "over time");
    let run = world.run(&run_id()).run;
    assert_eq!(
        (run.phase, run.ending.unwrap().cause),
        (Phase::RolledBack, Cause::OverTime)
    );

    let longest = u32::try_from(LONGEST_EXECUTION.as_secs()).unwrap();
    world.advance(longest + 120);
    sweep_on(&failing.ports()).await;
    assert_over(&world, "no execution can be left");
}

#[tokio::test]
async fn a_run_without_an_execution_is_ended_when_it_is_over_time() {
    let world = shop(Faults::Settings);
    let (run, entry) = build::run_at("matrix", world.look(|state| state.now));
    let ports = world.ports();
    ports.runs.create(&run, &entry, None).await.unwrap();
    assert!(sweep(&world).await.settled);
    assert_eq!(world.run(&run.id).run.phase, Phase::Opened);
    world.advance(6 * 3600 + 120);
    assert!(sweep(&world).await.settled);
    assert_eq!(world.run(&run.id).run.phase, Phase::RolledBack);
    world.advance(2 * 3600);
    assert!(sweep(&world).await.settled);
    assert_eq!(world.run(&run.id).run.phase, Phase::Closed);
}

#[tokio::test]
async fn a_rollback_that_failed_is_tried_again_until_it_succeeds() {
    for faults in Faults::BOTH {
        let world = shop(faults);
        injected(&world, faults, Some("FAILED")).await;
        world.advance(60);
        let failing = Failing::over(world.ports());
        let call = if faults == Faults::Layer {
            "leases.renew"
        } else {
            "targets.replace"
        };
        failing.fail_every(call, How::Before, Code::AccessDenied);
        let output = sweep_on(&failing.ports()).await;
        assert!(!output.settled && output.pending.len() == 1, "{output:?}");
        let first = world.run(&run_id());
        let mut told = vec![Kind::RunStarted, Kind::InjectionBeginning, Kind::RunEndingEarly];
        if faults == Faults::Settings {
            assert_eq!(first.run.status, Status::RollbackFailed);
            told.push(Kind::RollbackFailed);
            let body = world.look(|state| state.notices[3].body());
            assert!(body.contains("To put it back by hand:\n  aws lambda "), "{body}");
        }
        assert_eq!(world.told(), told);
        let leases = world.look(|state| state.leases.clone());
        for _ in 0..5 {
            world.advance(60);
            assert!(!sweep_on(&failing.ports()).await.settled);
        }
        assert_eq!(
            world.run(&run_id()),
            first,
            "nothing new happened, so nothing is written"
        );
        assert_eq!(world.told(), told, "people are not told every minute");
        assert_eq!(
            world.look(|state| state.leases.clone()),
            leases,
            "a lease was kept alive"
        );

        failing.heal();
        assert!(sweep_on(&failing.ports()).await.settled);
        assert_over(&world, "healed");
        let run = world.run(&run_id()).run;
        assert_eq!(run.status, Status::Failed);
        if faults == Faults::Settings {
            told.push(Kind::RollbackRecovered);
        }
        told.push(Kind::RunFinished);
        assert_eq!(world.told(), told, "people hear that it is over");
        if faults == Faults::Settings {
            let detail = run.ending.unwrap().detail;
            assert!(detail.contains("failed at first and succeeded later"), "{detail}");
        }
    }
}

/// More runs than are looked at together, whose executions are all gone.
async fn thirteen() -> std::sync::Arc<inoculate_tests::World> {
    let world = shop(Faults::Settings);
    for number in 0..13 {
        let function = format!("f-{number:02}");
        world.add_function(&function, FunctionState::new(&function));
        let mut machine = Machine::new(&world, world.ports(), build::name(&function));
        machine.stop_before = Some(6);
        machine.deployment.limits.max_runs = 13;
        assert_eq!(machine.execute(&on(&function)).await, None);
        assert_ne!(world.function(&function).timeout_secs, 3, "{function} is not at fault");
    }
    world.advance(60);
    world
}

fn still_at_fault(world: &inoculate_tests::World) -> Vec<String> {
    let at_fault = |(name, function): (&inoculate_core::names::FunctionName, &FunctionState)| {
        (function.timeout_secs != 3).then(|| name.to_string())
    };
    world.look(|state| state.functions.iter().filter_map(at_fault).collect())
}

#[tokio::test]
async fn one_run_that_fails_does_not_keep_the_others() {
    let world = thirteen().await;
    let rehearsal = Failing::over(world.ports());
    assert!(sweep_on(&rehearsal.ports()).await.settled);
    assert_eq!(still_at_fault(&world), [] as [&str; 0]);
    assert!(world.look(|state| state.runs.values().all(|run| run.run.phase == Phase::Closed)));

    let calls = rehearsal.calls();
    for name in ["runs.load", "runs.undo_records", "targets.replace", "leases.release"] {
        let call = calls
            .iter()
            .find(|call| call.name == name && call.with.contains("f-03"))
            .unwrap();
        let world = thirteen().await;
        let failing = Failing::over(world.ports());
        failing.fail_call(call.number, How::Before, Code::AccessDenied);
        let output = sweep_on(&failing.ports()).await;
        assert!(!output.settled, "{call}");
        assert_eq!(output.pending.len(), 1, "{call}: {output:?}");
        assert!(output.pending[0].contains("f-03"), "{call}: {output:?}");
        let left = still_at_fault(&world);
        assert!(left.is_empty() || left == ["f-03"], "{call}: {left:?}");
        assert!(sweep(&world).await.settled, "{call}");
        assert_eq!(still_at_fault(&world), [] as [&str; 0], "{call}");
    }
}

/// A call that never comes back: the sweep goes on without it, and so does the next one.
#[tokio::test(start_paused = true)]
async fn one_run_that_hangs_does_not_keep_the_others() {
    let world = thirteen().await;
    let rehearsal = Failing::over(world.ports());
    sweep_on(&rehearsal.ports()).await;
    let calls = rehearsal.calls();
    let call = calls.iter().find(|call| call.name == "targets.replace").unwrap();

    let world = thirteen().await;
    let failing = Failing::over(world.ports());
    failing.interrupt(call.number, std::future::pending());
    let output = sweep_on(&failing.ports()).await;
    assert!(output.settled, "the second look is not held up: {output:?}");
    assert_eq!(still_at_fault(&world), [] as [&str; 0]);
}

#[tokio::test]
async fn the_kill_switch_ends_every_open_run() {
    let world = shop(Faults::Settings);
    injected(&world, Faults::Settings, Some("RUNNING")).await;
    let halt = Halt {
        reason: "an incident".into(),
        since: world.look(|state| state.now),
    };
    world.change(|state| state.halt = Some(halt));
    assert!(sweep(&world).await.settled);
    scene::assert_settings(&world, "halted");
    let run = world.run(&run_id()).run;
    let ending = run.ending.unwrap();
    assert_eq!((ending.status, ending.cause), (Status::Aborted, Cause::Halted));
    assert_eq!(ending.detail, "halted: an incident");
    assert_eq!(run.phase, Phase::RolledBack, "the verdict is left to its execution");
}

/// The state machine and the sweep at once, at every call.
#[tokio::test]
async fn a_sweep_under_the_kill_switch_may_come_at_every_call() {
    let mut cases = 0;
    for faults in Faults::BOTH {
        for number in 1..=Scene::rehearse(faults).await.calls {
            let world = shop(faults);
            let failing = Failing::over(world.ports());
            let meanwhile = world.clone();
            failing.interrupt(number, async move {
                let since = meanwhile.look(|state| state.now);
                let reason = "an incident".to_owned();
                meanwhile.change(|state| state.halt = Some(Halt { reason, since }));
                sweep(&meanwhile).await;
            });
            let mut machine = Machine::new(&world, failing.ports(), run_id());
            machine.execute(&experiment(faults)).await;
            let case = format!("{faults:?}: halted at {}", failing.calls()[number - 1]);
            swept_clean(&world, &case).await;
            assert_over(&world, &case);
            cases += 1;
        }
    }
    println!("{cases} cases");
}

/// Another sweep, or the event of the ended execution, between any two calls of a sweep.
#[tokio::test]
async fn a_sweep_may_be_overtaken_at_every_call() {
    let mut cases = 0;
    for faults in Faults::BOTH {
        let events = [inoculate_tests::machine::sweep(), execution_ended(&run_id(), "FAILED")];
        for event in events {
            for number in 1..=scene::calls_of_a_sweep(faults).await.len() {
                let world = shop(faults);
                injected(&world, faults, Some("FAILED")).await;
                world.advance(60);
                let failing = Failing::over(world.ports());
                let (meanwhile, event) = (step(&world.ports()), event.clone());
                failing.interrupt(number, async move {
                    let other = Step {
                        attempt: "overtaking".to_owned(),
                        ..meanwhile
                    };
                    inoculate_rollback::handle(other, event).await.unwrap();
                });
                sweep_on(&failing.ports()).await;
                let case = format!("{faults:?}: overtaken at {}", failing.calls()[number - 1]);
                swept_clean(&world, &case).await;
                assert_over(&world, &case);
                cases += 1;
            }
        }
    }
    println!("{cases} cases");
}

#[tokio::test]
async fn every_call_of_a_sweep_may_fail() {
    let mut cases = 0;
    for faults in Faults::BOTH {
        let codes = [Code::Unavailable, Code::AccessDenied];
        let ways = How::BOTH.into_iter().flat_map(|how| codes.map(|code| (how, code)));
        for call in scene::calls_of_a_sweep(faults).await {
            for (how, code) in ways.clone() {
                let world = shop(faults);
                injected(&world, faults, Some("FAILED")).await;
                world.advance(60);
                let failing = Failing::over(world.ports());
                failing.fail_call(call.number, how, code);
                let case = format!("{faults:?}: {call} {how:?} {code}");
                let output = sweep_on(&failing.ports()).await;
                // A call that passes by itself is made again in the same sweep; only the news of the end may be lost.
                let said = output.settled || !output.pending.is_empty();
                assert!(said, "{case}");
                swept_clean(&world, &case).await;
                assert_over(&world, &case);
                cases += 1;
            }
        }
    }
    println!("{cases} cases");
}

#[tokio::test]
async fn in_a_quiet_account_a_sweep_is_one_query_and_a_list_of_alarms() {
    let world = shop(Faults::Settings);
    let mut machine = Machine::new(&world, world.ports(), run_id());
    assert_eq!(
        machine.execute(&experiment(Faults::Settings)).await,
        Some(Status::Completed)
    );
    let failing = Failing::over(world.ports());
    let output = sweep_on(&failing.ports()).await;
    assert_eq!((output.next, output.settled), (Next::End, true));
    let calls: Vec<_> = failing.calls().iter().map(|call| call.name).collect();
    assert_eq!(calls, ["runs.open", "alarms.made"]);
}

#[tokio::test]
async fn a_sweep_that_cannot_look_says_so() {
    let world = shop(Faults::Settings);
    let failing = Failing::over(world.ports());
    failing.fail_every("runs.open", How::Before, Code::Unavailable);
    let output = sweep_on(&failing.ports()).await;
    assert!(
        !output.settled && output.pending[0].contains("cannot be listed"),
        "{output:?}"
    );

    injected(&world, Faults::Settings, Some("FAILED")).await;
    failing.heal();
    failing.fail_every("library.halt", How::Before, Code::Unavailable);
    let output = sweep_on(&failing.ports()).await;
    assert!(
        !output.settled && output.pending[0].contains("kill switch"),
        "{output:?}"
    );
    assert_over(&world, "without the kill switch");
}

/// A step that dies between taking a lease and looking whether it still may keep it: the lease of a run that is closed. It has
/// no faults and runs out, and another run may take the function then.
#[tokio::test]
async fn a_lease_that_a_dying_step_left_runs_out() {
    let world = shop(Faults::Layer);
    abandoned(&world, Faults::Layer, 1, Some("FAILED")).await;
    let lease = world.look(|state| state.leases.values().next().cloned().unwrap());
    swept_clean(&world, "first").await;
    let arn = lease.function_arn.clone();
    assert_eq!(lease.terms.as_ref().unwrap().faults, []);
    world.change(|state| state.leases.insert(arn, lease));
    world.advance(180);
    let mut second = Machine::new(&world, world.ports(), build::name("second"));
    assert_eq!(
        second.execute(&experiment(Faults::Layer)).await,
        Some(Status::Completed)
    );
    let held = |role: LeaseRole| role != LeaseRole::Released;
    assert!(world.look(|state| state.leases.values().all(|lease| !held(lease.role))));
}

/// What was settled by somebody else is kept as it is.
#[tokio::test]
async fn a_deploy_in_between_is_kept_and_said() {
    let world = shop(Faults::Settings);
    injected(&world, Faults::Settings, Some("TIMED_OUT")).await;
    world.change(|state| state.functions.get_mut(&build::name(PAYMENTS)).unwrap().timeout_secs = 7);
    world.advance(60);
    assert!(sweep(&world).await.settled);
    assert_eq!(world.function(PAYMENTS).timeout_secs, 7);
    let undo = world.run(&run_id()).undo;
    assert!(
        undo.values()
            .any(|record| matches!(record.state, UndoState::Foreign { .. })),
        "{undo:?}"
    );
    assert_eq!(
        execution_arn(&run_id()),
        world.run(&run_id()).run.execution_arn.unwrap()
    );
}

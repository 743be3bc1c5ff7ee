use super::*;
use crate::run::{Event, NewRun};
use serde_json::json;

/// A baseline of 30 seconds, metrics 10 seconds late, faults for 20 seconds.
fn experiment() -> Experiment {
    serde_json::from_value(json!({
        "name": "e", "hypothesis": "h",
        "blast_radius": { "functions": ["f"], "percent": 100, "longest": "20s" },
        "windows": { "baseline": "30s", "round": "5s", "recovery": "20s", "metrics_delay": "10s" },
        "faults": [], "steady_state": []
    }))
    .unwrap()
}

fn second(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn why() -> Ending {
    ending(Status::Completed, Cause::Harm, "harm".to_owned())
}

/// A run that was opened at 0, began to inject at 100, to roll back at 200, and was rolled back at 300.
fn run(phase: Phase) -> Run {
    let new = NewRun {
        id: "r".parse().unwrap(),
        experiment: "e".into(),
        digest: "d".into(),
        execution_arn: None,
        functions: vec![],
    };
    let (mut run, _) = Run::open(new, "t".into(), second(0));
    let closed = Event::Closed {
        status: Status::Completed,
        verdict: crate::judge::Verdict::Upheld,
    };
    for (event, at) in [
        (Event::BaselineHeld, 99),
        (Event::InjectionBegan, 100),
        (Event::Injected, 101),
        (Event::RollbackBegan { ending: why() }, 200),
        (Event::RolledBack, 300),
        (closed, 400),
    ] {
        if run.phase < phase {
            run = run.after(&event, second(at)).unwrap();
        }
    }
    assert_eq!(run.phase, phase);
    run
}

const PHASES: [Phase; 7] = [
    Phase::Opened,
    Phase::Steady,
    Phase::Injecting,
    Phase::Injected,
    Phase::RollingBack,
    Phase::RolledBack,
    Phase::Closed,
];

fn found(status: &str) -> Execution {
    Execution::Found(ExecutionState {
        arn: "arn".into(),
        running: status == "RUNNING",
        status: status.into(),
        error: None,
        cause: Some("somebody".into()),
    })
}

fn care_at(phase: Phase, execution: Execution, now: i64, halt: Option<&Halt>) -> Care {
    let experiment = experiment();
    let sight = Sight {
        now: second(now),
        execution,
        experiment: Some(&experiment),
        halt,
    };
    care(&run(phase), &sight)
}

/// When the overtime of a phase is over.
fn limit(phase: Phase) -> Option<i64> {
    match phase {
        Phase::Opened | Phase::Steady => Some(30 + 10 + 120),
        Phase::Injecting | Phase::Injected => Some(100 + 20 + 120),
        Phase::RollingBack => Some(200 + 120),
        Phase::RolledBack | Phase::Closed => None,
    }
}

#[test]
fn a_run_is_left_alone_until_it_is_over_time() {
    for phase in PHASES {
        for execution in [found("RUNNING"), Execution::Unknown] {
            let Some(limit) = limit(phase) else {
                assert_eq!(care_at(phase, execution, 20_000, None), Care::LeaveAlone, "{phase:?}");
                continue;
            };
            let at = |now| care_at(phase, execution.clone(), now, None);
            assert_eq!(at(limit - 1), Care::LeaveAlone, "{phase:?}");
            let Care::RollBack(ending) = at(limit) else {
                panic!("{phase:?} is not over time");
            };
            assert_eq!((ending.status, ending.cause), (Status::Failed, Cause::OverTime));
        }
    }
}

#[test]
fn a_rollback_that_a_sweep_began_is_gone_on_with() {
    let experiment = experiment();
    let mut run = run(Phase::Injected);
    let over_time = ending(Status::Failed, Cause::OverTime, "late".to_owned());
    let began = Event::RollbackBegan {
        ending: over_time.clone(),
    };
    run = run.after(&began, second(500)).unwrap();
    let sight = Sight {
        now: second(501),
        execution: found("RUNNING"),
        experiment: Some(&experiment),
        halt: None,
    };
    assert_eq!(care(&run, &sight), Care::RollBack(over_time));
}

#[test]
fn what_was_due_is_said() {
    let Care::RollBack(ending) = care_at(Phase::Injected, found("RUNNING"), 240, None) else {
        panic!("not over time");
    };
    assert_eq!(
        ending.detail,
        "over time: the end of the injection was due at 1970-01-01T00:02:00Z (found by the sweep)"
    );
}

#[test]
fn a_run_whose_execution_is_over_is_closed_at_once() {
    for phase in PHASES {
        for (status, expected) in [
            ("ABORTED", Status::Aborted),
            ("FAILED", Status::Failed),
            ("TIMED_OUT", Status::Failed),
            ("SUCCEEDED", Status::Failed),
        ] {
            let care = care_at(phase, found(status), 0, None);
            if phase == Phase::Closed {
                assert_eq!(care, Care::LeaveAlone);
                continue;
            }
            let detail = format!("the execution ended with {status}: somebody (found by the sweep)");
            let ending = ending(expected, Cause::ExecutionEnded, detail);
            assert_eq!(care, Care::Close(ending), "{phase:?}");
        }
    }
}

#[test]
fn an_execution_that_is_not_visible_yet_is_waited_for() {
    assert_eq!(care_at(Phase::Opened, Execution::Gone, 59, None), Care::LeaveAlone);
    for phase in PHASES.into_iter().filter(|phase| *phase != Phase::Closed) {
        let care = care_at(phase, Execution::Gone, 60, None);
        assert!(
            matches!(&care, Care::Close(ending) if ending.cause == Cause::ExecutionEnded),
            "{phase:?}: {care:?}"
        );
    }
}

#[test]
fn without_an_answer_a_run_is_closed_only_when_no_execution_can_be_left() {
    let longest = (LONGEST_EXECUTION + OVERTIME).as_secs();
    for phase in PHASES.into_iter().filter(|phase| *phase != Phase::Closed) {
        let before = care_at(phase, Execution::Unknown, longest - 1, None);
        assert!(!matches!(before, Care::Close(_)), "{phase:?}: {before:?}");
        let after = care_at(phase, Execution::Unknown, longest, None);
        assert!(matches!(after, Care::Close(_)), "{phase:?}: {after:?}");
        assert!(!matches!(
            care_at(phase, found("RUNNING"), longest, None),
            Care::Close(_)
        ));
    }
}

#[test]
fn the_kill_switch_ends_every_run_that_is_not_rolled_back() {
    let halt = Halt {
        reason: "an incident".into(),
        since: second(0),
    };
    let halted = ending(Status::Aborted, Cause::Halted, "halted: an incident".to_owned());
    for phase in PHASES {
        let expected = match phase {
            Phase::RolledBack | Phase::Closed => Care::LeaveAlone,
            _ => Care::RollBack(halted.clone()),
        };
        assert_eq!(care_at(phase, found("RUNNING"), 0, Some(&halt)), expected, "{phase:?}");
    }
}

#[test]
fn without_its_experiment_a_run_has_the_longest_time_there_is() {
    let sight = |now| Sight {
        now: second(now),
        execution: found("RUNNING"),
        experiment: None,
        halt: None,
    };
    let limit = i64::from(MAX_RUN.secs()) + 120;
    for phase in [Phase::Opened, Phase::Injected] {
        assert_eq!(care(&run(phase), &sight(limit - 1)), Care::LeaveAlone);
        assert!(matches!(care(&run(phase), &sight(limit)), Care::RollBack(_)));
    }
}

use super::*;
use proptest::prelude::*;

fn opened() -> Run {
    let new = NewRun {
        id: "r".parse().unwrap(),
        experiment: "e".into(),
        digest: "d".into(),
        execution_arn: None,
        functions: vec![],
    };
    Run::open(new, "t".into(), Timestamp::UNIX_EPOCH).0
}

fn ending() -> Ending {
    Ending {
        status: Status::Completed,
        cause: Cause::WindowOver,
        detail: String::new(),
    }
}

fn any_event() -> impl Strategy<Value = Event> {
    prop_oneof![
        Just(Event::Opened { experiment: "e".into() }),
        Just(Event::BaselineHeld),
        Just(Event::InjectionBegan),
        Just(Event::FaultIntended {
            undo: 0,
            what: String::new()
        }),
        Just(Event::FaultApplied { undo: 0 }),
        Just(Event::Injected),
        Just(Event::Observed {
            round: 1,
            seen: String::new()
        }),
        Just(Event::RollbackBegan { ending: ending() }),
        Just(Event::UndoSettled {
            undo: 0,
            state: UndoState::Restored
        }),
        Just(Event::RollbackFailed { detail: String::new() }),
        Just(Event::RolledBack),
        Just(Event::Closed {
            status: Status::Completed,
            verdict: Verdict::Upheld
        }),
    ]
}

proptest! {
    #[test]
    fn a_run_only_moves_forward_and_every_event_counts(events in proptest::collection::vec(any_event(), 0..60)) {
        let mut run = opened();
        let mut accepted = 1;
        for event in events {
            let Ok(next) = run.after(&event, Timestamp::UNIX_EPOCH) else { continue };
            accepted += 1;
            prop_assert!(next.phase >= run.phase);
            prop_assert_eq!(next.version, accepted);
            prop_assert_eq!(next.phase == Phase::Closed, next.closed_at.is_some());
            prop_assert!(next.phase < Phase::RollingBack || next.ending.is_some());
            prop_assert!(!(next.may_inject() && next.ending.is_some()), "injection after the rollback began");
            run = next;
        }
        if run.phase == Phase::Closed {
            prop_assert!(run.status != Status::Running && run.verdict.is_some());
        }
    }
}

#[test]
fn the_first_reason_to_end_stays() {
    let first = opened()
        .after(&Event::RollbackBegan { ending: ending() }, Timestamp::UNIX_EPOCH)
        .unwrap();
    let second = Ending {
        status: Status::Aborted,
        cause: Cause::Operator,
        detail: "late".into(),
    };
    let error = first
        .after(&Event::RollbackBegan { ending: second }, Timestamp::UNIX_EPOCH)
        .unwrap_err();
    assert_eq!(error.code, Code::Conflict);
}

#[test]
fn a_rollback_that_failed_first_is_not_completed() {
    let mut run = opened();
    for event in [
        Event::RollbackBegan { ending: ending() },
        Event::RollbackFailed {
            detail: "denied".into(),
        },
        Event::RolledBack,
    ] {
        run = run.after(&event, Timestamp::UNIX_EPOCH).unwrap();
    }
    assert_eq!(run.ending.unwrap().status, Status::Failed);
}

#[test]
fn events_survive_storage_and_their_name_is_the_stored_one() {
    let event = Event::UndoSettled {
        undo: 2,
        state: UndoState::Restored,
    };
    let value = serde_json::to_value(&event).unwrap();
    assert_eq!(value["event"], event.name());
    assert_eq!(serde_json::from_value::<Event>(value).unwrap(), event);
}

//! Runs that nobody looks after any more: the execution is stopped, and the event of it leads nowhere.

use inoculate_core::names::RunId;
use inoculate_core::run::{Cause, Phase, Run, Status};
use serde_json::{Value, json};

use super::eventually_long;
use super::local::{Local, System, TARGET, throttled};

/// Calls the rollback function as the schedule does.
pub(super) async fn sweep(local: &Local) -> Value {
    let answer = local.inoculate.rollback.invoke(&json!({ "sweep": true })).await;
    answer.unwrap_or_else(|error| panic!("{error}\n{}", local.stack.log_tail(20)))
}

/// A run whose execution is stopped while its fault is in place. Nobody is told.
async fn abandoned(local: &Local, id: &str) -> RunId {
    local.world("mute", &json!({}));
    let run_id = local.begin(id, &throttled()).await;
    local.reached(&run_id, Phase::Injected).await;
    local.inoculate.executions.stop(&run_id, "dead").await.unwrap();
    run_id
}

pub(super) fn is_throttled(local: &Local) -> bool {
    local.world("settings", &json!({ "name": TARGET }))["concurrency"] == 0
}

async fn record(local: &Local, run_id: &RunId) -> Run {
    local.inoculate.ports.runs.load(run_id).await.unwrap().unwrap()
}

#[tokio::test]
async fn the_schedule_sweeps_up_what_nobody_else_does() {
    let local = Local::start(System::Sturdy).await;
    let run_id = abandoned(&local, "abandoned").await;
    assert_eq!(record(&local, &run_id).await.phase, Phase::Injected);
    assert!(is_throttled(&local), "somebody else rolled it back");

    let ask = || async { Some(record(&local, &run_id).await).filter(|run| run.phase == Phase::Closed) };
    let run = eventually_long("the run is swept up", ask).await;
    let ending = run.ending.as_ref().unwrap();
    assert_eq!(
        (run.status, ending.cause),
        (Status::Aborted, Cause::ExecutionEnded),
        "{run:?}"
    );
    assert!(ending.detail.contains("found by the sweep"), "{run:?}");
    local.assert_nothing_left(&run).await;
}

#[tokio::test]
async fn a_sweep_leaves_alone_what_is_at_work() {
    let local = Local::start(System::Sturdy).await;
    let run_id = local.begin("at-work", &throttled()).await;
    for phase in [Phase::Opened, Phase::Injected, Phase::RolledBack] {
        local.reached(&run_id, phase).await;
        let swept = sweep(&local).await;
        assert_eq!(swept["settled"], true, "{swept}");
        assert_eq!(swept["detail"], "1 left alone, 0 rolled back, 0 left undone");
    }
    let run = local.closed(&run_id).await;
    assert_eq!(
        sweep(&local).await["detail"],
        "0 left alone, 0 rolled back, 0 left undone",
        "a closed run is not open"
    );
    assert_eq!(run.status, Status::Completed, "{run:?}");
    assert_eq!(run.ending.as_ref().unwrap().cause, Cause::WindowOver);
    local.assert_nothing_left(&run).await;
}

#[tokio::test]
async fn a_sweep_that_may_not_ask_says_so_and_touches_nothing() {
    let local = Local::start(System::Sturdy).await;
    let action = "states:DescribeExecution";
    local.world("deny", &json!({ "role": "RollbackRole", "action": action }));
    let run_id = local.begin("unasked", &throttled()).await;
    local.reached(&run_id, Phase::Injected).await;
    let swept = sweep(&local).await;
    assert_eq!(swept["settled"], false, "{swept}");
    assert!(swept["pending"][0].as_str().unwrap().contains(action), "{swept}");
    let run = local.closed(&run_id).await;
    assert_eq!(run.status, Status::Completed, "{run:?}");
    local.assert_nothing_left(&run).await;
}

#[tokio::test]
async fn a_sweep_that_may_not_restore_tries_again() {
    let local = Local::start(System::Sturdy).await;
    local.world("notices", &json!({}));
    let run_id = abandoned(&local, "denied").await;
    let action = "lambda:*FunctionConcurrency";
    local.world("deny", &json!({ "role": "RollbackRole", "action": action }));
    for _ in 0..3 {
        let swept = sweep(&local).await;
        assert_eq!(swept["settled"], false, "{swept}");
        assert!(
            swept["pending"][0].as_str().unwrap().contains("AccessDenied"),
            "{swept}"
        );
    }
    let run = record(&local, &run_id).await;
    assert_eq!((run.phase, run.status), (Phase::RollingBack, Status::RollbackFailed));
    assert!(is_throttled(&local));
    let told = local.world("notices", &json!({})).to_string();
    assert_eq!(
        told.matches("LEFT A CHANGE BEHIND").count(),
        1,
        "once is enough: {told}"
    );

    local.world("allow", &json!({ "role": "RollbackRole" }));
    assert_eq!(sweep(&local).await["settled"], true);
    let run = record(&local, &run_id).await;
    assert_eq!((run.phase, run.status), (Phase::Closed, Status::Failed), "{run:?}");
    local.assert_nothing_left(&run).await;
}

//! The whole machine on the local stack: the template, the state machine and the binaries as they are.
//!
//! Roles are enforced there, so a permission that is missing in the template fails these tests.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test says what it found by panicking"
)]

#[path = "machine/alarms.rs"]
mod alarms;
#[path = "machine/console.rs"]
mod console;
#[path = "machine/deploys.rs"]
mod deploys;
#[path = "machine/dies.rs"]
mod dies;
#[path = "machine/documents.rs"]
mod documents;
#[path = "machine/guards.rs"]
mod guards;
#[path = "machine/local.rs"]
mod local;
#[path = "machine/logs.rs"]
mod logs;
#[path = "machine/notices.rs"]
mod notices;
#[path = "machine/sweep.rs"]
mod sweep;
#[path = "machine/terminal.rs"]
mod terminal;
#[path = "machine/ways.rs"]
mod ways;

use inoculate_core::error::Code;
use inoculate_core::judge::Verdict;
use inoculate_core::ports::Halt;
use inoculate_core::run::{Cause, Event, Phase, Status};
use inoculate_core::undo::UndoState;
use inoculate_tests::eventually;
use local::{Local, System, TARGET, assert_failed, experiment, file, inoculate, throttled};
use serde_json::json;

#[tokio::test]
async fn a_fragile_system_deviates_and_is_left_as_it_was() {
    let local = Local::start(System::Fragile).await;
    local.world("notices", &json!({}));
    let run_id = local.begin("fragile", &throttled()).await;
    let run = local.closed(&run_id).await;

    assert_eq!(
        (run.status, run.verdict),
        (Status::Completed, Some(Verdict::Deviated)),
        "{run:?}"
    );
    assert_eq!(run.ending.as_ref().unwrap().cause, Cause::Harm);
    assert_eq!(local.execution(&run_id).await.0, "SUCCEEDED");
    local.assert_nothing_left(&run).await;

    let results = local.inoculate.ports.runs.results(&run_id).await.unwrap();
    let evaluation = results.evaluation.unwrap();
    assert_eq!(evaluation.recovered, Some(Verdict::Upheld), "{evaluation:?}");
    assert_eq!(results.observations.len(), usize::try_from(run.rounds).unwrap());
    let told = || async {
        Some(local.world("notices", &json!({})).to_string()).filter(|told| told.contains("with the verdict deviated"))
    };
    eventually("somebody is told", told).await;
}

#[tokio::test]
async fn a_sturdy_system_is_upheld_under_every_kind_of_fault() {
    let local = Local::start(System::Sturdy).await;
    let faults = json!([
        { "kind": "reserved_concurrency", "function": TARGET, "executions": 0 },
        { "kind": "timeout", "function": TARGET, "timeout": "1s" },
        { "kind": "memory", "function": TARGET, "memory_mb": 128 },
        { "kind": "event_source_disabled", "function": TARGET, "source": local.source },
    ]);
    let run_id = local.begin("sturdy", &experiment(&faults)).await;

    local.reached(&run_id, Phase::Injected).await;
    let during = local.world("settings", &json!({ "name": TARGET }));
    assert_eq!(
        (&during["concurrency"], &during["timeout"], &during["memory"]),
        (&json!(0), &json!(1), &json!(128))
    );
    assert_eq!(during["sources"][0][1], "Disabled");

    let run = local.closed(&run_id).await;
    assert_eq!(
        (run.status, run.verdict),
        (Status::Completed, Some(Verdict::Upheld)),
        "{run:?}"
    );
    assert_eq!(run.ending.as_ref().unwrap().cause, Cause::WindowOver);
    assert_eq!(local.inoculate.ports.runs.undo_records(&run_id).await.unwrap().len(), 4);
    local.assert_nothing_left(&run).await;
}

#[tokio::test]
async fn a_system_that_is_not_steady_is_not_touched() {
    let local = Local::start(System::Broken).await;
    let run_id = local.begin("unsteady", &throttled()).await;
    let run = local.closed(&run_id).await;

    assert_eq!(
        (run.status, run.verdict),
        (Status::Refused, Some(Verdict::Inconclusive)),
        "{run:?}"
    );
    assert_eq!(run.ending.as_ref().unwrap().cause, Cause::NotSteady);
    assert_eq!(
        local.execution(&run_id).await,
        ("FAILED".to_owned(), Some("refused".to_owned()))
    );
    assert_eq!(local.inoculate.ports.runs.undo_records(&run_id).await.unwrap(), []);
    local.assert_never_touched();
    local.assert_nothing_left(&run).await;
}

/// Takes every permission away from the role of a step once the run has come to a phase.
async fn a_step_fails(role: &str, from: Option<Phase>) -> (Local, inoculate_core::names::RunId) {
    let local = Local::start(System::Sturdy).await;
    if from.is_none() {
        local.world("deny", &json!({ "role": role }));
    }
    let run_id = local.begin("failing", &throttled()).await;
    if let Some(phase) = from {
        local.reached(&run_id, phase).await;
        local.world("deny", &json!({ "role": role }));
    }
    (local, run_id)
}

#[tokio::test]
async fn when_the_opening_fails_nothing_was_touched() {
    let (local, run_id) = a_step_fails("BaselineRole", None).await;
    let ask = || async { Some(local.execution(&run_id).await).filter(|(status, _)| status != "RUNNING") };
    let (status, error) = eventually("the execution is over", ask).await;
    assert_eq!((status.as_str(), error.as_deref()), ("FAILED", Some("failed")));
    assert_eq!(local.inoculate.ports.runs.load(&run_id).await.unwrap(), None);
    local.assert_never_touched();
}

#[tokio::test]
async fn when_the_baseline_fails_nothing_was_touched() {
    let (local, run_id) = a_step_fails("BaselineRole", Some(Phase::Opened)).await;
    let run = local.closed(&run_id).await;
    assert_eq!(
        (run.status, run.ending.as_ref().unwrap().cause),
        (Status::Failed, Cause::StepFailed),
        "{run:?}"
    );
    local.assert_never_touched();
    local.assert_nothing_left(&run).await;
}

/// The first fault is in place when the second is denied. Denied before, the run would be refused.
#[tokio::test]
async fn when_the_injection_fails_half_way_everything_is_back() {
    let local = Local::start(System::Sturdy).await;
    let faults = json!([
        { "kind": "reserved_concurrency", "function": TARGET, "executions": 0 },
        { "kind": "timeout", "function": TARGET, "timeout": "1s" },
    ]);
    let run_id = local.begin("half-way", &experiment(&faults)).await;
    local.reached(&run_id, Phase::Opened).await;
    local.world(
        "deny",
        &json!({ "role": "InjectRole", "action": "lambda:UpdateFunctionConfiguration" }),
    );
    let run = local.closed(&run_id).await;
    assert_eq!(
        (run.status, run.verdict),
        (Status::Failed, Some(Verdict::Inconclusive)),
        "{run:?}"
    );
    let journal = local.inoculate.ports.runs.journal(&run_id).await.unwrap();
    let applied = journal
        .iter()
        .filter(|entry| matches!(entry.event, Event::FaultApplied { .. }));
    assert_eq!(applied.count(), 1, "the first fault was to be in place: {journal:?}");
    local.assert_nothing_left(&run).await;
}

#[tokio::test]
async fn when_observing_fails_everything_is_back() {
    let (local, run_id) = a_step_fails("ObserveRole", None).await;
    let run = local.closed(&run_id).await;
    assert_eq!(
        (run.status, run.ending.as_ref().unwrap().cause),
        (Status::Failed, Cause::StepFailed),
        "{run:?}"
    );
    assert!(run.injected_at.is_some());
    local.assert_nothing_left(&run).await;
}

#[tokio::test]
async fn when_the_evaluation_fails_everything_is_back_and_nothing_is_claimed() {
    let (local, run_id) = a_step_fails("EvaluateRole", None).await;
    let run = local.closed(&run_id).await;
    assert_eq!(
        (run.status, run.verdict),
        (Status::Failed, Some(Verdict::Inconclusive)),
        "{run:?}"
    );
    local.assert_nothing_left(&run).await;
}

#[tokio::test]
async fn when_the_rollback_fails_it_says_so_and_a_later_one_succeeds() {
    let local = Local::start(System::Sturdy).await;
    local.world("notices", &json!({}));
    let run_id = local.begin("stuck", &throttled()).await;
    local.reached(&run_id, Phase::Opened).await;
    let action = "lambda:*FunctionConcurrency";
    local.world("deny", &json!({ "role": "RollbackRole", "action": action }));
    let ask = || async { Some(local.execution(&run_id).await).filter(|(status, _)| status != "RUNNING") };
    let (status, error) = eventually_long("the execution is over", ask).await;
    assert_eq!((status.as_str(), error.as_deref()), ("FAILED", Some("rollback_failed")));
    let run = local.inoculate.ports.runs.load(&run_id).await.unwrap().unwrap();
    assert_eq!((run.phase, run.status), (Phase::RollingBack, Status::RollbackFailed));
    let by_hand = "aws lambda delete-function-concurrency --function-name machine-target";
    let told = || async { Some(local.world("notices", &json!({})).to_string()).filter(|told| told.contains(by_hand)) };
    eventually("somebody is told how to do it by hand", told).await;

    local.world("allow", &json!({ "role": "RollbackRole" }));
    let output = local.command(&["rollback", run_id.as_str()]);
    assert!(output.status.success(), "{output:?}");
    let run = local.reached(&run_id, Phase::Closed).await;
    assert_eq!(
        run.status,
        Status::Failed,
        "a rollback that failed first is not forgotten: {run:?}"
    );
    local.assert_nothing_left(&run).await;
}

#[tokio::test]
async fn a_stopped_execution_is_rolled_back() {
    let local = Local::start(System::Sturdy).await;
    let run_id = local.begin("stopped", &throttled()).await;
    local.reached(&run_id, Phase::Injected).await;
    local
        .inoculate
        .executions
        .stop(&run_id, "stopped by the test")
        .await
        .unwrap();
    let run = local.closed(&run_id).await;
    assert_eq!(
        (run.status, run.ending.as_ref().unwrap().cause),
        (Status::Aborted, Cause::ExecutionEnded),
        "{run:?}"
    );
    local.assert_nothing_left(&run).await;
}

#[tokio::test]
async fn the_abort_command_ends_a_run() {
    let local = Local::start(System::Sturdy).await;
    let run_id = local.begin("aborted", &throttled()).await;
    local.reached(&run_id, Phase::Injected).await;
    let output = local.command(&["abort", run_id.as_str(), "--reason", "lunch"]);
    assert!(output.status.success(), "{output:?}");
    let run = local.closed(&run_id).await;
    assert_eq!(run.status, Status::Aborted, "{run:?}");
    local.assert_nothing_left(&run).await;
}

#[tokio::test]
async fn an_alarm_ends_a_run_and_one_that_fires_already_refuses_it() {
    let local = Local::start(System::Sturdy).await;
    local.world("alarm", &json!({ "name": "customers are unhappy", "state": "OK" }));
    let mut experiment = throttled();
    experiment["guards"] = json!({ "alarms": ["customers are unhappy"] });
    let run_id = local.begin("alarmed", &experiment).await;
    local.reached(&run_id, Phase::Injected).await;
    local.world("alarm", &json!({ "name": "customers are unhappy", "state": "ALARM" }));
    let run = local.closed(&run_id).await;
    assert_eq!(
        (run.status, run.ending.as_ref().unwrap().cause),
        (Status::Aborted, Cause::Alarm),
        "{run:?}"
    );
    local.assert_nothing_left(&run).await;

    let run_id = local.begin("alarmed-already", &experiment).await;
    let run = local.closed(&run_id).await;
    assert_eq!(
        (run.status, run.ending.as_ref().unwrap().cause),
        (Status::Refused, Cause::Preflight),
        "{run:?}"
    );
    assert!(run.injected_at.is_none());
}

#[tokio::test]
async fn a_message_on_the_abort_topic_ends_a_run() {
    let local = Local::start(System::Sturdy).await;
    let run_id = local.begin("told", &throttled()).await;
    local.reached(&run_id, Phase::Injected).await;
    let topic = &local.outputs["AbortTopicArn"];
    local.world("notify", &json!({ "topic": topic, "message": { "run_id": run_id } }));
    let run = local.closed(&run_id).await;
    assert_eq!(
        (run.status, run.ending.as_ref().unwrap().cause),
        (Status::Aborted, Cause::Operator),
        "{run:?}"
    );
    local.assert_nothing_left(&run).await;
}

#[tokio::test]
async fn a_change_by_somebody_else_is_kept_and_reported() {
    let local = Local::start(System::Sturdy).await;
    let run_id = local.begin("overtaken", &throttled()).await;
    local.reached(&run_id, Phase::Injected).await;
    local.world("reserve", &json!({ "name": TARGET, "executions": 7 }));
    let run = local.closed(&run_id).await;

    assert_eq!(
        local.world("settings", &json!({ "name": TARGET }))["concurrency"],
        7,
        "a deploy was overwritten"
    );
    assert_eq!(
        (run.status, run.verdict),
        (Status::Completed, Some(Verdict::Inconclusive)),
        "{run:?}"
    );
    let records = local.inoculate.ports.runs.undo_records(&run_id).await.unwrap();
    assert!(matches!(records[0].state, UndoState::Foreign { .. }), "{records:?}");
}

#[tokio::test]
async fn what_cannot_run_is_refused_with_the_reason() {
    let local = Local::start(System::Sturdy).await;
    let folder = tempfile::tempdir().unwrap();
    local.world("function", &json!({ "name": "private", "tag": null }));
    let on = |function: &str| {
        let mut experiment = throttled();
        experiment["blast_radius"]["functions"] = json!([function]);
        experiment["faults"][0]["function"] = json!(function);
        experiment
    };
    let half = local.world(
        "function",
        &json!({ "name": "half", "source": true, "source_tag": null }),
    );
    let mut unplugged = on("half");
    unplugged["faults"] = json!([{ "kind": "event_source_disabled", "function": "half", "source": half["source"] }]);
    for (experiment, says) in [
        (on("no-such-function"), "there is no function"),
        (on("private"), "inoculate=allow"),
        (unplugged, "aws lambda tag-resource"),
    ] {
        let path = file(&folder, &experiment);
        assert_failed(&local.command(&["run", path.to_str().unwrap()]), 4, says);
    }

    let run_id = local.begin("first", &throttled()).await;
    local.reached(&run_id, Phase::Injected).await;
    let path = file(&folder, &throttled());
    assert_failed(
        &local.command(&["run", path.to_str().unwrap()]),
        4,
        "belongs to run first",
    );
    let run = local.closed(&run_id).await;
    assert_eq!(
        run.verdict,
        Some(Verdict::Upheld),
        "the second run disturbed the first: {run:?}"
    );
    local.assert_nothing_left(&run).await;

    let library = &local.inoculate.ports.library;
    let halt = Halt {
        reason: "an incident".into(),
        since: jiff::Timestamp::UNIX_EPOCH,
    };
    library.set_halt(Some(&halt)).await.unwrap();
    assert_failed(&local.command(&["run", path.to_str().unwrap()]), 4, "halted since");
    library.set_halt(None).await.unwrap();
    local.assert_nothing_left(&run).await;
}

#[tokio::test]
async fn an_execution_started_by_hand_with_a_bad_input_is_refused_and_recorded() {
    let local = Local::start(System::Sturdy).await;
    let mut bad = throttled();
    bad["blast_radius"]["percent"] = json!(500);
    bad["blast_radius"]["funktions"] = json!([]);
    for (id, input, says) in [
        ("typo", bad, "unknown field `funktions`"),
        ("nobody", json!("never-saved"), "no experiment is saved"),
        ("nothing", json!(null), "the input has no `experiment`"),
    ] {
        let run_id = local.begin(id, &input).await;
        let run = local.closed(&run_id).await;
        let ending = run.ending.as_ref().unwrap();
        assert_eq!(
            (run.status, ending.cause),
            (Status::Refused, Cause::InvalidExperiment),
            "{run:?}"
        );
        assert!(ending.detail.contains(says), "{}", ending.detail);
    }
    local.assert_never_touched();
}

#[tokio::test]
async fn a_saved_experiment_starts_by_its_name() {
    let local = Local::start(System::Sturdy).await;
    let folder = tempfile::tempdir().unwrap();
    let path = file(&folder, &throttled());
    let saved = local.command(&["save", path.to_str().unwrap()]);
    assert!(saved.status.success(), "{saved:?}");
    let run_id = local.begin("by-name", &json!("machine")).await;
    let run = local.closed(&run_id).await;
    assert_eq!(run.verdict, Some(Verdict::Upheld), "{run:?}");
    local.assert_nothing_left(&run).await;
}

#[tokio::test]
async fn what_is_missing_around_it_is_said_clearly() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(&folder, &throttled());
    let path = path.to_str().unwrap();

    let nobody = inoculate(&["--region", "eu-west-1", "run", path]).output().unwrap();
    assert_failed(&nobody, 6, Code::NoCredentials.name());

    let stack = inoculate_stack::Stack::start().unwrap();
    let on_empty = |arguments: &[&str]| inoculate(arguments).envs(stack.env()).output().unwrap();
    assert_failed(&on_empty(&["run", path]), 6, Code::StackMissing.name());
    assert_failed(&on_empty(&["list"]), 6, Code::TableMissing.name());

    let mut large = throttled();
    large["hypothesis"] = json!("x".repeat(300_000));
    let path = file(&folder, &large);
    assert_failed(
        &on_empty(&["run", path.to_str().unwrap()]),
        2,
        "more\nthan 262144 bytes",
    );
}

/// A rollback that is denied is tried again for more than a minute.
async fn eventually_long<T, F: Future<Output = Option<T>>>(what: &str, mut ask: impl FnMut() -> F) -> T {
    for _ in 0..600 {
        if let Some(answer) = ask().await {
            return answer;
        }
        tokio::time::sleep(std::time::Duration::from_millis(250)).await;
    }
    panic!("not within minutes: {what}");
}

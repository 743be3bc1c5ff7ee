//! Somebody deploys a function between the injection and the rollback.

use inoculate_core::judge::Verdict;
use inoculate_core::ports::Grounds;
use inoculate_core::run::{Phase, Status};
use inoculate_core::setting::SettingValue;
use inoculate_core::undo::UndoState;
use serde_json::{Value, json};

use super::local::{Local, System, TARGET, experiment};

/// The target times out after a second.
fn shortened() -> Value {
    experiment(&json!([{ "kind": "timeout", "function": TARGET, "timeout": "1s" }]))
}

fn settings(local: &Local) -> Value {
    local.world("settings", &json!({ "name": TARGET }))
}

/// New code, a new version, and another value of the very setting that the fault changed.
#[tokio::test]
async fn a_deploy_of_the_same_setting_survives_and_the_run_says_so() {
    let local = Local::start(System::Sturdy).await;
    let before = settings(&local);
    let run_id = local.begin("deployed", &shortened()).await;
    local.reached(&run_id, Phase::Injected).await;
    assert_eq!(settings(&local)["timeout"], 1);
    let deployed = local.world("deploy", &json!({ "name": TARGET, "timeout": 45 }));
    let run = local.closed(&run_id).await;

    let after = settings(&local);
    assert_eq!(after["timeout"], 45, "the deploy was overwritten");
    assert_eq!(after["code"], deployed["code"]);
    assert_ne!(after["code"], before["code"]);
    let version = local.world("settings", &json!({ "name": TARGET, "version": deployed["version"] }));
    assert_eq!((&version["timeout"], &version["code"]), (&json!(45), &deployed["code"]));

    assert_eq!(
        (run.status, run.verdict),
        (Status::Completed, Some(Verdict::Inconclusive)),
        "{run:?}"
    );
    let ports = &local.inoculate.ports;
    let records = ports.runs.undo_records(&run_id).await.unwrap();
    let found = SettingValue::Seconds(45);
    assert_eq!(records[0].state, UndoState::Foreign { found });
    let evaluation = ports.runs.results(&run_id).await.unwrap().evaluation.unwrap();
    assert_eq!(evaluation.grounds, Grounds::ChangedByOthers, "{evaluation:?}");
    let shown = local.command(&["show", run_id.as_str()]);
    let shown = String::from_utf8(shown.stdout).unwrap();
    let words: Vec<&str> = shown.split_whitespace().collect();
    assert!(
        words
            .join(" ")
            .contains("somebody else changed the timeout of machine-target"),
        "{shown}"
    );
}

/// The rollback puts back the one setting that the run changed, and nothing beside it.
#[tokio::test]
async fn a_deploy_of_anything_else_survives_the_rollback() {
    let local = Local::start(System::Sturdy).await;
    let before = settings(&local);
    let run_id = local.begin("beside", &shortened()).await;
    local.reached(&run_id, Phase::Injected).await;
    let deployed = local.world("deploy", &json!({ "name": TARGET, "memory": 512 }));
    let run = local.closed(&run_id).await;

    let after = settings(&local);
    assert_eq!(
        (&after["timeout"], &after["memory"], &after["code"]),
        (&before["timeout"], &json!(512), &deployed["code"])
    );
    assert_eq!(
        (run.status, run.verdict),
        (Status::Completed, Some(Verdict::Upheld)),
        "{run:?}"
    );
    let records = local.inoculate.ports.runs.undo_records(&run_id).await.unwrap();
    assert_eq!(records[0].state, UndoState::Restored);
}

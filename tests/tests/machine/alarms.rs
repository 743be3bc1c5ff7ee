//! The alarms that a run makes for itself, with the roles and the topic of the template.

use inoculate_core::run::{Cause, Phase, Status};
use serde_json::{Value, json};

use super::local::{Local, System, TARGET, throttled};

/// The target is throttled for a minute, and nothing but its own alarm ends the run before: nobody looks for a third of it.
fn alarmed(above: f64) -> Value {
    let mut experiment = throttled();
    experiment["blast_radius"]["longest"] = json!("60s");
    experiment["windows"]["round"] = json!("20s");
    let metric = json!({
        "namespace": "Machine", "name": "Failed", "statistic": "Average", "dimensions": { "System": TARGET }
    });
    experiment["guards"] = json!({
        "stop_on": "never",
        "abort_when": [{ "metric": metric, "period": "10s", "above": above }],
    });
    experiment
}

fn alarms(local: &Local) -> Value {
    local.world("alarms", &json!({ "prefix": "inoculate-run-" }))
}

/// The alarm of the emulator sees by itself that requests fail, and tells the abort topic.
#[tokio::test]
async fn an_alarm_that_the_run_made_for_itself_ends_it() {
    let local = Local::start(System::Fragile).await;
    let run_id = local.begin("by-itself", &alarmed(0.1)).await;
    let run = local.reached(&run_id, Phase::RolledBack).await;
    let ending = run.ending.as_ref().unwrap();
    assert_eq!(
        (ending.status, ending.cause),
        (Status::Aborted, Cause::Alarm),
        "{run:?}"
    );
    let says = "alarm \"inoculate-run-by-itself-1\" went to ALARM: Threshold Crossed";
    assert!(ending.detail.contains(says), "{}", ending.detail);
    assert_eq!(run.rounds, 0, "somebody looked: {run:?}");
    local.assert_nothing_left(&local.closed(&run_id).await).await;
    assert_eq!(alarms(&local), json!([]));
}

#[tokio::test]
async fn an_alarm_of_the_run_is_there_with_the_faults_and_gone_after_them() {
    let local = Local::start(System::Sturdy).await;
    let run_id = local.begin("guarded", &alarmed(5.0)).await;
    local.reached(&run_id, Phase::Injected).await;
    let found = alarms(&local);
    assert_eq!(found[0]["name"], "inoculate-run-guarded-1", "{found}");
    assert_eq!(found[0]["actions"], json!([local.outputs["AbortTopicArn"]]));
    assert_eq!(found.as_array().unwrap().len(), 1);
    let output = local.command(&["abort", run_id.as_str()]);
    assert!(output.status.success(), "{output:?}");
    let run = local.closed(&run_id).await;
    assert_eq!(run.ending.as_ref().unwrap().cause, Cause::Operator, "{run:?}");
    local.assert_nothing_left(&run).await;
    assert_eq!(alarms(&local), json!([]));
}

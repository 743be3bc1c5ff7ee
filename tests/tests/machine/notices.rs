//! The events of a run, as programs get them.

use inoculate_core::run::{Phase, Status};
use inoculate_tests::eventually;
use serde_json::{Value, json};

use crate::local::{Local, System, throttled};

/// With the roles and the bus of the template: a missing permission would show as an event that never comes.
#[tokio::test]
async fn a_run_tells_of_its_start_its_early_end_and_its_result() {
    let local = Local::start(System::Sturdy).await;
    local.world("events", &json!({}));
    let run_id = local.begin("told-of", &throttled()).await;
    local.reached(&run_id, Phase::Injected).await;
    let output = local.command(&["abort", run_id.as_str(), "--reason", "lunch"]);
    assert!(output.status.success(), "{output:?}");
    let run = local.closed(&run_id).await;
    assert_eq!(run.status, Status::Aborted, "{run:?}");

    let ask = || async {
        let heard: Vec<Value> = serde_json::from_value(local.world("events", &json!({}))).unwrap();
        (heard.len() >= 4).then_some(heard)
    };
    let heard = eventually("all events have arrived", ask).await;
    let kinds: Vec<&Value> = heard.iter().map(|event| &event["detail-type"]).collect();
    let expected = [
        "Inoculate Run Started",
        "Inoculate Injection Beginning",
        "Inoculate Run Ending Early",
        "Inoculate Run Finished",
    ];
    assert_eq!(kinds, expected);
    let execution = local.inoculate.executions.state(&run_id).await.unwrap().unwrap();
    for event in &heard {
        assert_eq!(event["source"], "inoculate");
        assert_eq!(event["resources"][0], execution.arn);
        assert_eq!(event["detail"]["run"]["id"], run_id.as_str());
    }
    let (early, finished) = (&heard[2]["detail"], &heard[3]["detail"]);
    assert!(early["ending"]["detail"].as_str().unwrap().contains("lunch"), "{early}");
    assert_eq!(finished["result"]["status"], "aborted");
    let journals: Vec<u64> = heard
        .iter()
        .map(|event| event["detail"]["run"]["journal"].as_u64().unwrap())
        .collect();
    assert!(journals.is_sorted(), "{journals:?}");
    local.assert_nothing_left(&run).await;
}

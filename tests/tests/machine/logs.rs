//! What the functions log: JSON, one line an event, each with the run that it is about, and nothing that is secret.

use std::collections::BTreeMap;

use inoculate_core::emf;
use inoculate_core::run::Status;
use inoculate_tests::eventually;
use serde_json::{Value, json};

use super::local::{Local, System, TARGET, throttled};

/// The environment variable of a function under test; the functions of Inoculate read its configuration.
const SECRET: &str = "secret-of-the-function-under-test";

/// What a signed request has, and what the credentials of a role are called.
const NEVER: [&str; 5] = [
    SECRET,
    "AWS4-HMAC-SHA256",
    "SecretAccessKey",
    "SessionToken",
    "x-amz-security-token",
];

/// At the level that writes the most.
#[tokio::test]
async fn every_line_of_a_run_names_it_and_none_holds_what_is_secret() {
    let local = Local::start_with(System::Sturdy, &[("LogLevel", "trace")]).await;
    let variables = json!({ "name": TARGET, "variables": { "API_KEY": SECRET } });
    local.world("configure", &variables);
    let run_id = local.begin("logged", &throttled()).await;
    let run = local.closed(&run_id).await;
    assert_eq!(run.status, Status::Completed, "{run:?}");

    let read = || async {
        let mut lines: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for step in ["baseline", "inject", "observe", "evaluate", "rollback"] {
            let group = format!("/aws/lambda/inoculate-{step}");
            let found = local.world("logs", &json!({ "group": group }));
            lines.insert(step, serde_json::from_value(found).unwrap());
        }
        let all_done = lines
            .values()
            .all(|lines| lines.iter().any(|line| line.contains("step done")));
        all_done.then_some(lines)
    };
    let lines = eventually("every step has logged", read).await;
    let mut metrics = 0;
    for (step, lines) in &lines {
        let mut about_the_run = 0;
        for text in lines {
            let line: Value = serde_json::from_str(text).unwrap_or_else(|error| panic!("{step}: {error}: {text}"));
            let found = NEVER.iter().find(|never| text.contains(*never));
            assert_eq!(found, None, "{step}: {text}");
            assert!(
                line["level"].is_string() && line["message"].is_string(),
                "{step}: {text}"
            );
            let is_metric = line["_aws"]["CloudWatchMetrics"][0]["Namespace"] == emf::NAMESPACE;
            let is_placed = line["timestamp"].is_string() && line["target"].is_string();
            assert!(is_metric || is_placed, "{step}: {text}");
            // The sweep, which looks every minute, is about no run when it finds none.
            let is_sweep = *step == "rollback" && line["run_id"] == "-";
            assert!(is_sweep || line["run_id"] == run_id.as_str(), "{step}: {text}");
            about_the_run += usize::from(!is_sweep);
            metrics += usize::from(is_metric);
        }
        assert!(about_the_run > 0, "{step} says nothing of the run");
    }
    assert_eq!(metrics, 1, "the run ended once, and the layer took no part in it");
}

//! Guards on the local stack: what the deployed function finds, and that `plan` finds the same.

use std::collections::BTreeSet;

use inoculate_core::run::{Cause, Status};
use serde_json::{Value, json};

use super::local::{Local, System, TARGET, file, throttled};

#[tokio::test]
async fn all_reasons_are_reported_together_and_nothing_is_touched() {
    let local = Local::start(System::Sturdy).await;
    // The template allows this for two roles only; the emulator takes it for an action without a resource.
    let simulate = json!({ "role": "BaselineRole", "action": "iam:SimulatePrincipalPolicy" });
    local.world("grant", &simulate);
    let action = "lambda:DeleteFunctionConcurrency";
    local.world("deny", &json!({ "role": "RollbackRole", "action": action }));
    let mut experiment = throttled();
    experiment["environment"] = json!("staging");
    experiment["blast_radius"]["tags"] = json!({ "team": "payments" });
    let now = local.inoculate.ports.clock.now();
    let in_two_days = (now + jiff::SignedDuration::from_hours(48)).strftime("%a").to_string();
    let closed = json!({ "days": [in_two_days.to_lowercase()], "from": "00:00", "until": "24:00", "time_zone": "UTC" });
    experiment["guards"] = json!({ "alarms": ["no such alarm"], "windows": [closed] });

    let run_id = local.begin("hopeless", &experiment).await;
    let run = local.closed(&run_id).await;
    let ending = run.ending.as_ref().unwrap();
    assert_eq!(
        (run.status, ending.cause),
        (Status::Refused, Cause::Preflight),
        "{run:?}"
    );
    for reason in [
        "is not team=payments, as blast_radius.tags asks",
        "no time window is open: guards.windows says when runs may start",
        "there is no alarm \"no such alarm\"",
        "the role of the step rollback may not lambda:DeleteFunctionConcurrency",
    ] {
        assert!(
            ending.detail.contains(reason),
            "{reason}: {} {:?}",
            ending.detail,
            run.unchecked
        );
    }
    local.assert_never_touched();
    local.assert_nothing_left(&run).await;

    let folder = tempfile::tempdir().unwrap();
    let path = file(&folder, &experiment);
    let output = local.command(&["plan", path.to_str().unwrap(), "--json"]);
    assert_eq!(output.status.code(), Some(4), "{output:?}");
    let plan: Value = serde_json::from_slice(&output.stdout).unwrap();
    let guards = plan["preflight"]["refusals"].as_array().unwrap().iter();
    let guards: BTreeSet<&str> = guards.map(|refusal| refusal["guard"].as_str().unwrap()).collect();
    let expected = ["tag_missing", "outside_window", "alarm_missing", "permission_missing"];
    assert_eq!(guards, BTreeSet::from(expected), "{plan:#}");
    assert_eq!(plan["could_start"], false);
    assert_eq!(plan["limits"]["max_runs"], 5, "as the template has it: {plan:#}");

    // Without the reasons, the same function may be experimented on; the emulator cannot tell what is not denied.
    local.world("allow", &json!({ "role": "RollbackRole" }));
    let path = file(&folder, &throttled());
    let output = local.command(&["plan", path.to_str().unwrap(), "--json"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let plan: Value = serde_json::from_slice(&output.stdout).unwrap();
    let unchecked = &plan["preflight"]["unchecked"];
    assert_eq!(unchecked[0]["guard"], "permission_missing", "{plan:#}");
    assert_eq!(run.functions[0].name.as_str(), TARGET);
}

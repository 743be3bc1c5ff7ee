//! What a person in the console types, and what they see of it afterwards.

use inoculate_core::run::{Cause, Status};
use serde_json::{Value, json};

use super::local::{Local, System, file, throttled};

/// The name alone starts it, and the output says what came of it without anything else being opened.
#[tokio::test]
async fn a_name_starts_a_run_and_the_output_says_what_came_of_it() {
    let local = Local::start(System::Fragile).await;
    let folder = tempfile::tempdir().unwrap();
    let path = file(&folder, &throttled());
    assert!(local.command(&["save", path.to_str().unwrap()]).status.success());
    let run_id = "by-bare-name".parse().unwrap();
    let arn = local
        .inoculate
        .executions
        .start(&run_id, &json!("machine"))
        .await
        .unwrap();
    let run = local.closed(&run_id).await;
    assert_eq!(run.status, Status::Completed, "{run:?}");
    let ended = local.world("output", &json!({ "arn": arn }));
    let output = &ended["output"];
    for (field, value) in [
        ("run", json!("by-bare-name")),
        ("experiment", json!("machine")),
        ("verdict", json!("deviated")),
        ("status", json!("completed")),
        ("recovered", json!("upheld")),
        ("more", json!("inoculate show by-bare-name --stack inoculate")),
    ] {
        assert_eq!(output[field], value, "{ended}");
    }
    assert!(
        output["because"].as_str().unwrap().contains("failed deviated"),
        "{ended}"
    );
    local.assert_nothing_left(&run).await;

    let dashboards = local.world("dashboards", &json!({}));
    let texts = dashboards["inoculate"].to_string();
    assert!(texts.contains("inoculate-rollback"), "{texts}");
    assert!(
        texts.contains("${PROP('Dim.Experiment')}") && !texts.contains("${AWS::"),
        "{texts}"
    );
}

/// Whoever made it late: the scheduler, a queue in between, or a person who starts an old input again.
#[tokio::test]
async fn a_start_that_comes_too_late_is_refused() {
    let local = Local::start(System::Sturdy).await;
    let now = local.inoculate.ports.clock.now();
    let input = |at: &str| {
        let schedule = json!({ "scheduled_at": at, "within_secs": 180 });
        json!({ "experiment": throttled(), "schedule": schedule })
    };
    let hour = jiff::SignedDuration::from_hours(1);
    for (id, at) in [
        ("late", (now - hour).to_string()),
        ("unreadable", "<aws.scheduler.scheduled-time>".to_owned()),
    ] {
        let run_id = id.parse().unwrap();
        let arn = local.inoculate.executions.start(&run_id, &input(&at)).await.unwrap();
        let run = local.closed(&run_id).await;
        let ending = run.ending.as_ref().unwrap();
        assert_eq!(
            (run.status, ending.cause),
            (Status::Refused, Cause::StaleStart),
            "{run:?}"
        );
        let ended = local.world("output", &json!({ "arn": arn }));
        assert_eq!(ended["error"], "refused");
        let cause = ended["cause"].as_str().unwrap();
        let more = format!("(more: inoculate show {id} --stack inoculate)");
        assert!(cause.contains(&ending.detail) && cause.ends_with(&more), "{cause}");
    }
    local.assert_never_touched();

    let run_id = "in-time".parse().unwrap();
    local
        .inoculate
        .executions
        .start(&run_id, &input(&now.to_string()))
        .await
        .unwrap();
    let run = local.closed(&run_id).await;
    assert_eq!(run.status, Status::Completed, "{run:?}");
}

/// From the command line to the scheduler and back.
#[tokio::test]
async fn a_schedule_is_made_listed_and_removed() {
    let local = Local::start(System::Sturdy).await;
    let folder = tempfile::tempdir().unwrap();
    let path = file(&folder, &throttled());
    let run = |line: &[&str]| {
        let output = local.command(line);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            output.status.success(),
            "{line:?}: {text}{}",
            String::from_utf8_lossy(&output.stderr)
        );
        text
    };
    run(&["save", path.to_str().unwrap()]);
    let zone = ["--timezone", "Europe/Berlin", "--flexible", "15m"];
    let add = [&["schedule", "add", "machine", "--cron", "0 10 ? * TUE *"][..], &zone].concat();
    assert!(run(&add).contains("Tue "), "the next starts are Tuesdays");
    let listed: Value = serde_json::from_str(&run(&["schedule", "list", "--json"])).unwrap();
    let schedule = &listed["schedules"][0];
    assert_eq!(
        (&schedule["name"], &schedule["flexible_minutes"]),
        (&json!("machine"), &json!(15))
    );
    assert_eq!(schedule["input"]["experiment"], "machine");
    assert_eq!(schedule["next_starts"].as_array().unwrap().len(), 3);
    run(&["schedule", "remove", "machine"]);
    assert!(run(&["schedule", "list"]).starts_with("no schedules yet"));
}

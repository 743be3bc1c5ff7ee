//! What the layer logs: every line of a run names it, and none holds what is secret. The real binary at its most talkative.

use serde_json::{Value, json};

use crate::never_the_outage::Behind;
use crate::real_client::event;
use crate::support::dynamo::{Dynamo, Mood};
use crate::support::leased::{ARN, lease, with};
use crate::support::scripted::now_ms;
use crate::support::{RuntimeApi, seen, soon};

/// Each of these is somewhere in the environment, in the headers and bodies of events and answers, or in what AWS says.
const SECRETS: [&str; 7] = [
    "secret-of-the-environment",
    "secret-of-the-role",
    "secret-of-the-session",
    "secret-of-a-header",
    "secret-of-a-body",
    "secret-of-an-answer",
    "secret-of-a-fault",
];

fn faults() -> Value {
    let answer = json!({ "kind": "response", "status": 503, "handler": "run", "headers": { "x-token": SECRETS[6] }, "body": SECRETS[6] });
    let delay = json!({ "kind": "latency", "delay": { "distribution": "fixed", "ms": 1 }, "at": "before" });
    let only = |value: &str| json!([{ "test": "equals", "field": "/kind", "value": value }]);
    json!([{ "match": only("answer"), "fault": answer }, { "match": only("delay"), "fault": delay }])
}

#[tokio::test]
async fn every_line_of_a_run_names_it_and_none_holds_what_is_secret() {
    let dynamo = Dynamo::start().await;
    let good = with(lease(&faults()), "expires_at_ms", now_ms() + 600_000);
    let good = with(good, "poll_ms", 200);
    dynamo.set(&format!("TARGET#{ARN}"), &good);
    let mut environment = dynamo.environment().to_vec();
    environment.retain(|(name, _)| *name != "AWS_SECRET_ACCESS_KEY");
    environment.extend([
        ("INOCULATE_LOG", "debug".to_owned()),
        ("API_KEY", SECRETS[0].to_owned()),
        ("AWS_SECRET_ACCESS_KEY", SECRETS[1].to_owned()),
        ("AWS_SESSION_TOKEN", SECRETS[2].to_owned()),
    ]);
    let behind = Behind::start(Vec::new(), &environment).await;
    let mut number = 0;
    let mut send = async |kind: &str| {
        number += 1;
        let body = json!({ "kind": kind, "password": SECRETS[4], "fail": SECRETS[5] });
        let event = event(&format!("request-{number}"), &body);
        behind.api.push(event.with("x-token", SECRETS[3]));
        let id = format!("/request-{number}/");
        let answer = |api: &RuntimeApi| api.paths().into_iter().find(|path| path.contains(&id));
        behind.api.until("an answer", answer).await
    };
    let said = |message: &str| behind.log().iter().any(|line| line["message"] == message);
    for kind in ["answer", "delay"] {
        let of_this = || {
            let fault = if kind == "answer" { "response" } else { "latency" };
            behind.log().iter().any(|line| line["fault"] == fault)
        };
        soon("a fault", async {
            while !of_this() {
                send(kind).await;
            }
        })
        .await;
    }
    // A lease that cannot be carried out, and a table that does not answer as it should.
    dynamo.set(&format!("TARGET#{ARN}"), &with(good, "schema_version", 99));
    soon("a refusal", async {
        while !said("the lease is ignored") {
            send("none").await;
        }
    })
    .await;
    let denied = r#"{"__type":"com.amazon.coral#AccessDeniedException","message":"secret-of-an-answer"}"#;
    dynamo.behave(Mood::Answers(400, denied));
    soon("a failure", async {
        while !said("the lease cannot be read; everything passes") {
            send("none").await;
        }
    })
    .await;
    seen("four lines", || (behind.log().len() >= 4).then_some(())).await;

    for line in behind.log() {
        assert_eq!(line["run_id"], "r-1", "{line}");
        assert!(line["level"].is_string() && line["message"].is_string(), "{line}");
    }
    let text = std::fs::read_to_string(behind.log.path()).unwrap();
    let ours = text.lines().filter(|line| line.contains("inoculate-layer"));
    for line in ours {
        let found = SECRETS.iter().find(|secret| line.contains(*secret));
        assert_eq!(found, None, "{line}");
    }
}

//! A real client: the Rust `lambda_runtime`, as a process of its own.

use std::process::Stdio;

use inoculate_layer::faults::FaultKind;
use inoculate_layer::intercept::Delivered;
use inoculate_layer::proxy::Tools;
use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::{Value, json};
use tokio::process::{Child, Command};

use crate::support::process::{Process, environment, exec};
use crate::support::{Event, LAYER, RuntimeApi, Scripted, start};

/// Not a test: the function, run by the tests below in a process of its own.
#[tokio::test]
#[ignore = "run by the other tests"]
async fn function() {
    let calls = std::sync::atomic::AtomicUsize::new(0);
    let handle = async |event: LambdaEvent<Value>| -> Result<Value, Error> {
        let calls = 1 + calls.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        match event.payload["fail"].as_str() {
            Some(reason) => Err(reason.into()),
            None => Ok(json!({ "echo": event.payload, "request_id": event.context.request_id, "calls": calls })),
        }
    };
    lambda_runtime::run(service_fn(handle)).await.unwrap();
}

/// The arguments with which this test program is that function.
pub(crate) const FUNCTION: [&str; 4] = ["real_client::function", "--exact", "--ignored", "--nocapture"];

pub(crate) fn this_program() -> String {
    std::env::current_exe().unwrap().to_str().unwrap().to_owned()
}

pub(crate) fn lambda(command: &mut Command) -> &mut Command {
    command
        .env("AWS_LAMBDA_FUNCTION_NAME", "shop")
        .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
        .env("AWS_LAMBDA_LOG_GROUP_NAME", "g")
        .env("AWS_LAMBDA_LOG_STREAM_NAME", "s")
}

pub(crate) fn function_process(api: std::net::SocketAddr) -> Child {
    let mut command = Command::new(this_program());
    environment(&mut command, Some(api));
    let command = lambda(&mut command)
        .args(FUNCTION)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.kill_on_drop(true).spawn().unwrap()
}

pub(crate) fn event(id: &str, body: &Value) -> Event {
    Event::new(id, body.to_string())
        .with(
            "lambda-runtime-invoked-function-arn",
            "arn:aws:lambda:eu-west-1:123456789012:function:shop",
        )
        .with("lambda-runtime-trace-id", "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700")
}

#[tokio::test]
async fn it_runs_behind_exec() {
    let api = RuntimeApi::start([
        event("a", &json!({ "n": 1 })),
        event("b", &json!({ "fail": "on purpose" })),
    ])
    .await;
    let program = this_program();
    let command: Vec<&str> = [program.as_str()].into_iter().chain(FUNCTION).collect();
    let _process = Process::start(lambda(&mut exec(Some(api.address), &command)));
    assert_eq!(
        api.got("a/response").await.json(),
        json!({ "echo": { "n": 1 }, "request_id": "a", "calls": 1 })
    );
    assert_eq!(api.got("b/error").await.json()["errorMessage"], "on purpose");
}

#[tokio::test]
async fn it_meets_every_fault() {
    let plans = [
        (
            "before",
            r#"[{"kind":"latency","delay":{"distribution":"uniform","min_ms":1,"max_ms":20},"at":"before"}]"#,
        ),
        (
            "after",
            r#"[{"kind":"latency","delay":{"distribution":"fixed","ms":20},"at":"after"}]"#,
        ),
        (
            "skipped",
            r#"[{"kind":"error","error_type":"E","message":"m","handler":"skip"}]"#,
        ),
        (
            "failed",
            r#"[{"kind":"error","error_type":"E","message":"m","handler":"run"}]"#,
        ),
        ("busy", r#"[{"kind":"response","status":503,"handler":"run"}]"#),
        ("late", r#"[{"kind":"hang","handler":"run"}]"#),
        (
            "short",
            r#"[{"kind":"corruption","how":{"mode":"truncate","keep_bytes":5}}]"#,
        ),
        ("twice", r#"[{"kind":"duplicate","answer":"second"}]"#),
        ("full", r#"[{"kind":"fill_tmp","megabytes":1}]"#),
        (
            "tight",
            r#"[{"kind":"memory_pressure","megabytes":1,"longest_secs":60}]"#,
        ),
        ("hot", r#"[{"kind":"cpu_pressure","threads":1,"longest_secs":60}]"#),
        ("crash", r#"[{"kind":"crash","at":"after"}]"#),
    ];
    let due = |event: Event, id| if id == "late" { event.due_in_ms(1500) } else { event };
    let api = RuntimeApi::start(plans.iter().map(|(id, _)| due(event(id, &json!({})), *id))).await;
    let interceptor = Scripted::new(plans);
    let directory = tempfile::tempdir().unwrap();
    let tools = Tools {
        helper: LAYER.into(),
        tmp: directory.path().into(),
        ..Tools::default()
    };
    let proxy = start(api.address, interceptor.clone(), tools).await;
    let mut function = function_process(proxy.address);
    proxy.proxy.runtime().set(function.id().unwrap().try_into().unwrap());

    let status = crate::support::soon("the crash", function.wait()).await.unwrap();
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(9));
    for (id, _) in plans {
        let outcome = interceptor.outcome(id).await;
        let expected = match id {
            "skipped" | "failed" => Delivered::Error("E".into()),
            "crash" => Delivered::Crashed,
            _ => Delivered::Response,
        };
        assert_eq!(outcome.delivered, expected, "{id}");
        assert_eq!(outcome.injected.len(), 1, "{id}");
    }
    assert_eq!(api.got("skipped/error").await.json()["errorType"], "E");
    assert_eq!(api.got("busy/response").await.json()["statusCode"], 503);
    assert_eq!(api.got("short/response").await.body.len(), 5);
    // The skipped event was never seen, the duplicated one twice: calls before, after, failed, busy, late, short.
    assert_eq!(api.got("twice/response").await.json()["calls"], 8);
    assert_eq!(interceptor.outcome("hot").await.injected, [FaultKind::CpuPressure]);
    assert!(api.paths().iter().all(|path| !path.contains("crash")));
}

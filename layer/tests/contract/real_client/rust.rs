//! Rust's `lambda_runtime`.

use std::sync::atomic::{AtomicUsize, Ordering};

use lambda_runtime::streaming::{Body, channel};
use lambda_runtime::{Error, FunctionResponse, LambdaEvent, StreamResponse, service_fn};
use rustix::process::{Signal, getpid, kill_process};
use serde_json::{Value, json};

use super::{Client, cases, events, follows_a_lease, is_untouched};

/// Not a test: the function, run by the tests in a process of its own. Other than the functions in other languages
/// it also does what the event says: ends, is killed, hangs, streams, or answers with many megabytes.
#[tokio::test]
#[ignore = "run by the other tests"]
async fn function() {
    let calls = AtomicUsize::new(0);
    let handle = async |event: LambdaEvent<Value>| -> Result<FunctionResponse<Value, Body>, Error> {
        let calls = 1 + calls.fetch_add(1, Ordering::Relaxed);
        let does = &event.payload["does"];
        match does["what"].as_str() {
            Some("exit") => std::process::exit(3),
            Some("crash") => kill_process(getpid(), Signal::KILL)?,
            Some("hang") => std::future::pending().await,
            Some("stream") => return Ok(stream(does["texts"].clone())),
            Some("fill") => {
                let megabytes = does["megabytes"].as_u64().unwrap_or_default();
                let text = "x".repeat(usize::try_from(megabytes)? * 1024 * 1024);
                return Ok(FunctionResponse::BufferedResponse(text.into()));
            }
            _ => {}
        }
        if let Some(reason) = event.payload["fail"].as_str() {
            return Err(reason.into());
        }
        Ok(FunctionResponse::BufferedResponse(json!({
            "echo": event.payload,
            "request_id": event.context.request_id,
            "function_arn": event.context.invoked_function_arn,
            "trace": event.context.xray_trace_id,
            "calls": calls,
        })))
    };
    lambda_runtime::run(service_fn(handle)).await.unwrap();
}

fn stream(texts: Value) -> FunctionResponse<Value, Body> {
    let (mut sender, body) = channel();
    tokio::spawn(async move {
        for text in texts.as_array().into_iter().flatten() {
            let text = text.as_str().unwrap_or_default().to_owned();
            sender.send_data(text.into()).await.unwrap();
        }
    });
    FunctionResponse::StreamingResponse(StreamResponse::from(body))
}

/// This test program as that function.
pub(crate) fn client() -> Client {
    let program = std::env::current_exe().unwrap().to_str().unwrap().to_owned();
    let arguments = ["real_client::rust::function", "--exact", "--ignored", "--nocapture"];
    Client {
        command: std::iter::once(program).chain(arguments.map(str::to_owned)).collect(),
        directory: std::env::current_dir().unwrap(),
    }
}

#[tokio::test]
async fn it_is_untouched() {
    is_untouched(&client(), events).await;
}

#[tokio::test]
async fn it_meets_every_fault() {
    cases::meets_every_fault(&client()).await;
}

#[tokio::test]
async fn it_is_killed_before_its_event() {
    cases::is_killed_before_its_event(&client()).await;
}

#[tokio::test]
async fn it_follows_a_lease() {
    follows_a_lease(&client()).await;
}

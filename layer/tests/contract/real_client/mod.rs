//! Real clients of the Runtime API, each as a process of its own.
//!
//! A client is the same function in its language: it answers with what it was called with, or fails if the event says
//! so. What must hold of all of them is here, once; the files beside this one say how each is started.

mod cases;
pub(crate) mod installed;
pub(crate) mod node;
pub(crate) mod python;
pub(crate) mod rust;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;

use bytes::Bytes;
use hyper::header::{HeaderMap, HeaderValue};
use serde_json::{Value, json};
use tokio::process::{Child, Command};

use crate::support::dynamo::Dynamo;
use crate::support::leased::{ARN, lease, skip, with};
use crate::support::process::{Process, environment, exec};
use crate::support::scripted::now_ms;
use crate::support::{Event, RuntimeApi};

/// A function, as the command that starts it.
pub(crate) struct Client {
    pub(crate) command: Vec<String>,
    pub(crate) directory: PathBuf,
}

impl Client {
    /// Starts the function before this Runtime API, without the layer.
    pub(crate) fn start(&self, api: SocketAddr) -> Child {
        let mut command = Command::new(&self.command[0]);
        environment(&mut command, Some(api));
        let command = self.lambda(command.args(&self.command[1..]));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.kill_on_drop(true).spawn().unwrap()
    }

    /// The function behind `inoculate-layer exec`.
    pub(crate) fn behind_us(&self, api: SocketAddr) -> Command {
        let command: Vec<&str> = self.command.iter().map(String::as_str).collect();
        let mut command = exec(Some(api), &command);
        self.lambda(&mut command);
        command
    }

    /// What Lambda tells a runtime.
    pub(crate) fn lambda<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command
            .current_dir(&self.directory)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("AWS_LAMBDA_FUNCTION_NAME", "shop")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
            .env("AWS_LAMBDA_LOG_GROUP_NAME", "g")
            .env("AWS_LAMBDA_LOG_STREAM_NAME", "s")
    }
}

/// An event as Lambda sends it.
pub(crate) fn event(id: &str, body: &Value) -> Event {
    Event::new(id, body.to_string())
        .with("lambda-runtime-invoked-function-arn", ARN)
        .with("lambda-runtime-trace-id", "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700")
}

/// Headers in order.
type Headers = Vec<(String, HeaderValue)>;

/// One request of a client, without the name of the host.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sent {
    pub(crate) path: String,
    pub(crate) headers: Headers,
    pub(crate) body: Bytes,
    pub(crate) trailers: Headers,
}

/// What a client sent until it had answered this many events: its answers, and how it asked for events.
pub(crate) async fn sent(api: &RuntimeApi, answers: usize) -> (Vec<Sent>, Vec<Sent>) {
    let sorted = |headers: &HeaderMap| -> Headers {
        let mut headers: Headers = headers
            .iter()
            .map(|(name, value)| (name.to_string(), value.clone()))
            .collect();
        headers.retain(|(name, _)| name != "host");
        headers.sort();
        headers
    };
    let all = |api: &RuntimeApi| {
        let mut recorded = api.recorded();
        // Not what an extension sends.
        recorded.retain(|recorded| recorded.path.contains("/runtime/"));
        let recorded = recorded.into_iter().map(|recorded| Sent {
            headers: sorted(&recorded.headers),
            trailers: recorded.trailers.as_ref().map(sorted).unwrap_or_default(),
            path: recorded.path,
            body: recorded.body,
        });
        let (asked, answered): (Vec<_>, Vec<_>) = recorded.partition(|sent| sent.path.ends_with("/next"));
        // It asks for one event more than there are.
        (answered.len() >= answers && asked.len() > answers).then_some((answered, asked))
    };
    api.until(&format!("{answers} answers"), all).await
}

/// The function sends the same, byte for byte, with the layer and without.
pub(crate) async fn is_untouched(client: &Client, events: impl Fn() -> Vec<Event>) {
    let (direct, behind) = (RuntimeApi::start(events()).await, RuntimeApi::start(events()).await);
    let process = client.start(direct.address);
    let expected = sent(&direct, events().len()).await;
    drop(process);
    let _process = Process::start(&mut client.behind_us(behind.address));
    let found = sent(&behind, events().len()).await;
    assert_eq!(expected.0.len(), found.0.len());
    for (expected, found) in expected.0.iter().zip(&found.0) {
        // What is too long to show is only compared.
        assert_eq!((&expected.path, &expected.headers), (&found.path, &found.headers));
        assert_eq!(expected.trailers, found.trailers, "{}", found.path);
        assert!(expected.body == found.body, "the body of {}", found.path);
    }
    assert_eq!(expected.1, found.1);
}

/// Events of every kind: texts, numbers, nothing, a megabyte, and one that the function fails.
pub(crate) fn events() -> Vec<Event> {
    let bodies = [
        json!({ "n": 1, "text": "ä \u{1f600} \"quoted\"\n" }),
        json!(null),
        json!([1.5, -0, true, "x"]),
        json!({ "fail": "on purpose: ä" }),
        json!({ "blob": "0123456789abcdef".repeat(64 * 1024) }),
        json!({ "after": "all" }),
    ];
    let events = bodies.iter().enumerate();
    events
        .map(|(number, body)| event(&format!("request-{number}"), body))
        .collect()
}

/// The real binary and a table: the function meets the fault of a lease, no fault once it is released, and is killed
/// by the next.
pub(crate) async fn follows_a_lease(client: &Client) {
    let (api, dynamo) = (RuntimeApi::start([]).await, Dynamo::start().await);
    let put = |fence: u64, role: &str, faults: &Value| {
        let lease = with(with(lease(faults), "fence", fence), "role", role);
        let lease = with(lease, "poll_ms", 200);
        dynamo.set(
            &format!("TARGET#{ARN}"),
            &with(lease, "expires_at_ms", now_ms() + 600_000),
        );
    };
    let ask = async |number: usize| {
        let id = format!("request-{number}");
        api.push(event(&id, &json!({})));
        let answer = |api: &RuntimeApi| {
            let recorded = api.recorded();
            recorded
                .into_iter()
                .find(|recorded| recorded.path.contains(&format!("/{id}/")))
        };
        api.until("an answer", answer).await.path
    };
    let mut numbers = 0..;
    let mut until = async |end: &str| {
        let mut answers = Vec::new();
        crate::support::soon(&format!("an answer that ends with {end}"), async {
            for number in numbers.by_ref() {
                let path = ask(number).await;
                answers.push(path);
                if answers.last().is_some_and(|path| path.ends_with(end)) {
                    break;
                }
            }
        })
        .await;
        answers
    };

    put(1, "fault", &skip());
    let mut command = client.behind_us(api.address);
    let process = Process::start(command.envs(dynamo.environment()).env("INOCULATE_POLL_MS", "100"));
    // The first invocation only tells which function this is.
    assert!(until("/error").await.len() > 1);
    put(1, "released", &skip());
    until("/response").await;
    put(2, "fault", &json!([{ "fault": { "kind": "crash", "at": "after" } }]));
    let ended = tokio::select! {
        ended = process.end() => ended,
        answers = until("never") => panic!("{answers:?}"),
    };
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&ended.status), Some(9));
    let last = ended.log.last().unwrap();
    assert_eq!(
        (&last["message"], &last["fault"]),
        (&json!("a fault begins"), &json!("crash"))
    );
    let begun = |fault: &str| ended.log.iter().filter(|line| line["fault"] == fault).count();
    let injected = api
        .recorded()
        .iter()
        .filter(|recorded| recorded.path.ends_with("/error"))
        .count();
    assert_eq!((begun("error"), begun("crash")), (injected, 1));
}

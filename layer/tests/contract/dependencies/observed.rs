//! What is counted of the calls of a watched invocation.

use hyper::{Request, Response};
use inoculate_core::calls::{CallCounts, CallsByName};
use inoculate_core::service::Service;
use inoculate_core::sketch::{Counts, Seen};
use inoculate_layer::faults::FaultKind;
use inoculate_layer::intercept::Interceptor;
use inoculate_stack::Stack;
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::caller::call;
use super::scene::{Calling, dynamodb, start};
use super::sdk::{role, stack};
use crate::real_client::installed::sources;
use crate::support::leased::{ARN, Leased, lease, with};
use crate::support::process::{Process, exec};
use crate::support::{Event, RuntimeApi, dynamo, soon};

/// Calls, failed, throttled, retries, with a fault.
type Five = (u64, u64, u64, u64, u64);

fn five(counts: &CallCounts) -> Five {
    let CallCounts {
        calls,
        failed,
        throttled,
        retries,
        injected,
        ..
    } = *counts;
    (calls, failed, throttled, retries, injected)
}

fn of(calls: &CallsByName, name: &str) -> Five {
    calls.get(name).map(five).unwrap_or_default()
}

/// Answers the invocation, and returns what came of its calls.
async fn ended(calling: &mut Calling) -> CallsByName {
    calling.scene.runtime.respond("r", "{}").await;
    calling.scene.interceptor.outcome("r").await.calls.clone()
}

/// Makes an unsigned call to Lambda on this path, as a retry or not. `None` if the connection breaks.
async fn lambda(calling: &Calling, path: &str, attempt: u32) -> Option<u16> {
    let request = Request::get(path)
        .header("host", "x")
        .header("amz-sdk-request", format!("attempt={attempt}; max=3"));
    let called = call(calling.address(Service::Lambda), request.body("".into()).unwrap()).await;
    called.ok().map(|answer| answer.status().as_u16())
}

fn answer(status: u16, body: &'static str) -> Response<bytes::Bytes> {
    Response::builder().status(status).body(body.into()).unwrap()
}

#[tokio::test]
async fn answers_errors_and_retries_are_counted() {
    let mut calling = Calling::new("[]").await;
    let (list, get) = ("/2015-03-31/functions", "/2015-03-31/functions/f");
    calling.service.can(list, answer(429, "{}"));
    calling
        .service
        .can(get, answer(404, r#"{"message":"there is no such function"}"#));
    for attempt in [1, 2, 3] {
        assert_eq!(lambda(&calling, list, attempt).await, Some(429));
    }
    assert_eq!(lambda(&calling, get, 1).await, Some(404));
    assert_eq!(lambda(&calling, "/else", 1).await, Some(202));
    calling
        .service
        .can("/", answer(400, r#"{"__type":"x#ThrottlingException"}"#));
    calling.dynamodb("GetItem", "{}").await.unwrap();
    let made = ended(&mut calling).await;
    assert_eq!(of(&made, "lambda ListFunctions"), (3, 3, 3, 2, 0));
    assert_eq!(of(&made, "lambda GetFunction"), (1, 1, 0, 0, 0));
    assert_eq!(of(&made, "lambda"), (1, 0, 0, 0, 0));
    assert_eq!(of(&made, "dynamodb GetItem"), (1, 1, 1, 0, 0));
    assert_eq!(made.iter().count(), 4);
    assert!(made.iter().all(|(_, counts)| counts.durations.count() == counts.calls));
}

#[tokio::test]
async fn calls_of_no_watched_invocation_are_not_counted() {
    let mut calling = Calling::new("[]").await;
    let made = ended(&mut calling).await;
    assert!(made.is_empty());
    assert_eq!(calling.traced(None).await, 202, "after the invocation");
    calling.scene.other_passes().await;
    let outcomes = calling
        .scene
        .interceptor
        .told("all", |told| Some(told.outcomes.len()))
        .await;
    assert_eq!((outcomes, calling.seen()), (1, 1));
}

#[tokio::test]
async fn calls_that_meet_a_fault_are_counted_as_what_comes_of_them() {
    let fault = |operation: &str, effect: Value| json!({ "kind": "dependency", "calls": { "service": "dynamodb", "operations": [operation] }, "effect": effect });
    let plan = json!([
        fault(
            "GetItem",
            json!({ "effect": "error", "code": "ProvisionedThroughputExceededException" })
        ),
        fault("PutItem", json!({ "effect": "error", "code": "InternalServerError" })),
        fault("Query", json!({ "effect": "refuse" })),
        fault("Scan", json!({ "effect": "truncate", "keep_bytes": 2 })),
        fault(
            "DeleteItem",
            json!({ "effect": "latency", "delay": { "distribution": "fixed", "ms": 300 } })
        ),
    ]);
    let mut calling = Calling::new(&plan.to_string()).await;
    for operation in ["GetItem", "PutItem", "Query", "Scan", "DeleteItem", "UpdateItem"] {
        // What comes of each is looked at elsewhere.
        let _ = calling.dynamodb(operation, r#"{"TableName":"orders"}"#).await;
    }
    let made = ended(&mut calling).await;
    for (operation, expected) in [
        ("GetItem", (1, 1, 1, 0, 1)),
        ("PutItem", (1, 1, 0, 0, 1)),
        ("Query", (1, 1, 0, 0, 1)),
        ("Scan", (1, 1, 0, 0, 1)),
        ("DeleteItem", (1, 0, 0, 0, 1)),
        ("UpdateItem", (1, 0, 0, 0, 0)),
    ] {
        assert_eq!(of(&made, &format!("dynamodb {operation}")), expected, "{operation}");
    }
    // The call cannot have been shorter than its delay; how much longer it was is not asserted.
    let slow = made
        .get("dynamodb DeleteItem")
        .unwrap()
        .durations
        .quantile(0.5)
        .unwrap();
    assert!(slow > 300.0 * 0.94, "{slow}");
}

/// Sends a call to Lambda on a connection that stays.
async fn sent(calling: &Calling, path: &str) -> TcpStream {
    let mut stream = TcpStream::connect(calling.address(Service::Lambda)).await.unwrap();
    let head = format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    stream
}

#[tokio::test]
async fn a_call_without_an_answer_has_failed_and_one_whose_answer_is_not_read_has_not() {
    let plan =
        r#"[{"kind":"dependency","calls":{"service":"lambda","operations":["Invoke"]},"effect":{"effect":"hang"}}]"#;
    let mut calling = Calling::new(plan).await;
    // More than fits into what lies between the two, so that its end is not reached.
    let large = vec![b'x'; 50_000_000];
    calling
        .service
        .can("/2015-03-31/functions/f", Response::new(large.into()));
    let mut unread = sent(&calling, "/2015-03-31/functions/f").await;
    let mut begun = [0; 12];
    soon("the answer", unread.read_exact(&mut begun)).await.unwrap();
    // Under way when the invocation ends.
    let mut waits = TcpStream::connect(calling.address(Service::Lambda)).await.unwrap();
    waits
        .write_all(b"POST /2015-03-31/functions/f/invocations HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n")
        .await
        .unwrap();
    calling.scene.interceptor.injecting(FaultKind::Dependency).await;
    let made = ended(&mut calling).await;
    assert_eq!(of(&made, "lambda Invoke"), (1, 1, 0, 0, 1));
    assert_eq!(of(&made, "lambda GetFunction"), (1, 0, 0, 0, 0));
}

fn counted(item: &Value) -> Seen {
    serde_json::from_value(json!({ "control": item["control"], "experimental": item["experimental"] })).unwrap()
}

fn throttled(table: &str) -> Value {
    json!({
        "kind": "dependency",
        "calls": { "service": "dynamodb", "resources": [table] },
        "effect": { "effect": "error", "code": "ProvisionedThroughputExceededException" },
    })
}

#[tokio::test]
async fn both_groups_are_written_and_whether_the_caller_noticed() {
    let faults = json!([{ "fault": throttled("orders") }]);
    let mut leased = Leased::new(&with(lease(&faults), "percent", 50)).await;
    let service = RuntimeApi::start([]).await;
    let variables = start(&leased.proxy.proxy, "dynamodb", &dynamo::environment(service.address)).await;
    let url = &variables["AWS_ENDPOINT_URL_DYNAMODB"];
    let address = url.strip_prefix("http://").unwrap().parse().unwrap();
    let (mut failed, mut noticed) = (0, 0);
    for number in 0..40 {
        let id = leased.push("{}");
        leased.runtime.next().await;
        let answer = dynamodb(address, "GetItem", r#"{"TableName":"orders"}"#, None)
            .await
            .unwrap();
        let fails = answer.status() == 400;
        failed += u64::from(fails);
        match (fails, number % 3) {
            (true, 0) => drop(leased.runtime.fail(&id, "Failed", "{}").await),
            (true, 1) => drop(leased.runtime.respond(&id, r#"{"statusCode":503}"#).await),
            _ => drop(leased.runtime.respond(&id, r#"{"statusCode":200}"#).await),
        }
        noticed += u64::from(fails && number % 3 < 2);
    }
    leased.agent.shutdown(std::time::Duration::from_secs(5)).await;
    let written = leased.dynamo.written();
    let Seen { control, experimental } = counted(written.last().unwrap());
    assert!(
        failed > 0 && noticed > 0 && noticed < failed && failed < 40,
        "{failed} {noticed}"
    );
    let name = "dynamodb GetItem";
    assert_eq!(of(&control.calls, name), (40 - failed, 0, 0, 0, 0));
    assert_eq!(of(&experimental.calls, name), (failed, failed, failed, 0, failed));
    let of = experimental.calls.get(name).unwrap();
    assert_eq!((of.callers, of.failed_callers, of.noticed), (failed, failed, noticed));
}

#[tokio::test]
async fn calls_of_an_invocation_that_was_cut_short_are_not_counted() {
    let slow = json!([{ "fault": {
        "kind": "dependency", "calls": { "service": "dynamodb", "operations": ["Query"] },
        "effect": { "effect": "hang" },
    } }]);
    let mut leased = Leased::new(&lease(&slow)).await;
    let service = RuntimeApi::start([]).await;
    let variables = start(&leased.proxy.proxy, "dynamodb", &dynamo::environment(service.address)).await;
    let url = &variables["AWS_ENDPOINT_URL_DYNAMODB"];
    let address = url.strip_prefix("http://").unwrap().parse().unwrap();
    let id = leased.push("{}");
    leased.runtime.next().await;
    let waits = tokio::spawn(dynamodb(address, "Query", "{}", None));
    // All is done by this thread: when a few later calls are answered, the first one waits.
    for _ in 0..5 {
        dynamodb(address, "GetItem", "{}", None).await.unwrap();
    }
    leased.put_and_read(&with(lease(&slow), "role", "released")).await;
    assert_eq!(soon("the call", waits).await.unwrap().unwrap().status(), 202);
    leased.runtime.respond(&id, "{}").await;
    leased.agent.shutdown(std::time::Duration::from_secs(5)).await;
    assert_eq!(leased.dynamo.written(), Vec::<Value>::new());
}

/// A function that uses boto3, behind the layer, and all that it needs.
struct Observed {
    stack: Stack,
    api: RuntimeApi,
    process: Process,
    pushed: usize,
    said: Vec<Value>,
}

impl Observed {
    async fn start() -> Observed {
        let (stack, api) = (stack().await, RuntimeApi::start([]).await);
        let python = stack.python().python();
        let script = sources("python/observed.py");
        let mut command = exec(Some(api.address), &[python.to_str().unwrap(), script.to_str().unwrap()]);
        for name in Stack::ENV_REMOVED {
            command.env_remove(name);
        }
        command
            .envs(stack.env())
            .envs(role(&stack))
            .env("INOCULATE_TABLE", "inoculate")
            .env("INOCULATE_READ_MS", "500")
            .env("INOCULATE_DEPENDENCIES", "dynamodb,s3");
        let (pushed, said) = (0, Vec::new());
        let observed = Observed {
            process: Process::start(&mut command),
            stack,
            api,
            pushed,
            said,
        };
        observed.world("prepare", &json!({}));
        observed
    }

    fn world(&self, action: &str, arguments: &Value) -> Value {
        let script = include_str!("../python/observed_world.py");
        let done = self.stack.python_script(script, &[action, &arguments.to_string()]);
        done.unwrap_or_else(|error| panic!("{action}: {error}\n{}", self.stack.log_tail(20)))
    }

    fn lease(&self, role: &str, stage: &str, faults: &Value) {
        let attributes = json!({
            "schema_version": 1, "function_arn": ARN, "run_id": "r-1", "fence": 1, "role": role, "stage": stage,
            "salt": "s", "percent": 50, "key": "/order", "faults": faults, "poll_ms": 200,
        });
        self.world("lease", &json!({ "attributes": attributes }));
    }

    fn sketches(&self) -> Value {
        self.world("sketches", &json!({ "run_id": "r-1" }))
    }

    /// An invocation. Returns what boto3 said of its calls.
    async fn invoke(&mut self) -> Value {
        self.pushed += 1;
        let body = json!({ "order": format!("o-{}", self.pushed), "naive": self.pushed.is_multiple_of(2) });
        let event = Event::new(&format!("request-{}", self.pushed), body.to_string());
        self.api.push(event.with("lambda-runtime-invoked-function-arn", ARN));
        let said: Value = serde_json::from_str(&self.process.line().await).unwrap();
        self.said.push(said.clone());
        said
    }
}

/// What boto3 says of the call that meets the fault.
const THROTTLED: &str = "ProvisionedThroughputExceededException";

/// Checks that so many requests, all alike, made calls of which boto3 said this.
fn assert_counted(counts: &Counts, said: &Value, name: &str, throttled: bool) {
    let [attempts, failed] = [0, 1].map(|place| said[name][place].as_u64().unwrap());
    let found = counts.calls.get(name).unwrap();
    let requests = counts.requests;
    let faulty = if throttled { attempts } else { 0 };
    let expected = (attempts, failed, faulty, attempts - 1, faulty);
    let (calls, failed, throttled, retries, injected) = expected;
    let times = [calls, failed, throttled, retries, injected].map(|each| each * requests);
    let (calls, failed, throttled, retries, injected) = five(found);
    assert_eq!(
        [calls, failed, throttled, retries, injected],
        times,
        "{name}: {said} {found:?}"
    );
    assert_eq!((found.callers, found.durations.count()), (requests, calls), "{name}");
    assert_eq!(found.failed_callers, if failed > 0 { requests } else { 0 }, "{name}");
}

#[tokio::test]
async fn what_is_counted_is_what_boto3_says() {
    let mut observed = Observed::start().await;
    observed.lease("observe", "baseline", &json!([]));
    while observed.sketches()["baseline"].is_null() {
        observed.invoke().await;
    }
    for _ in 0..20 {
        observed.invoke().await;
    }
    observed.lease("fault", "injection", &json!([{ "fault": throttled("orders") }]));
    soon("a fault", async {
        while observed.invoke().await["dynamodb GetItem"][2] != THROTTLED {}
    })
    .await;
    for _ in 0..20 {
        observed.invoke().await;
    }
    observed.process.kill(Signal::TERM);
    soon("the end", async {
        while observed.process.output.next_line().await.unwrap().is_some() {}
    })
    .await;
    let items = observed.sketches();

    // Each request without the fault was like every other, and so was each with it.
    let with_fault = |said: &&Value| said["dynamodb GetItem"][2] == THROTTLED;
    let (met, well): (Vec<&Value>, Vec<&Value>) = observed.said.iter().partition(with_fault);
    for alike in [&met, &well] {
        assert!(alike.iter().all(|said| *said == alike[0]), "{alike:?}");
    }
    assert_eq!(well[0]["dynamodb GetItem"], json!([1, 0, null]));
    assert_eq!(well[0]["dynamodb Query"], json!([1, 1, "ResourceNotFoundException"]));
    assert_eq!(well[0]["s3 GetObject"], json!([1, 0, null]));
    assert_eq!(met[0]["dynamodb GetItem"], json!([3, 3, THROTTLED]));

    for stage in ["baseline", "injection"] {
        let Seen { control, experimental } = counted(&items[stage]);
        let in_stage = stage == "injection";
        for (counts, said, faulty) in [
            (&control, well[0], false),
            (&experimental, if in_stage { met[0] } else { well[0] }, in_stage),
        ] {
            assert!(counts.requests > 0, "{stage}: {items}");
            for name in ["dynamodb GetItem", "dynamodb Query", "s3 GetObject"] {
                assert_counted(counts, said, name, faulty && name == "dynamodb GetItem");
            }
            assert_eq!(counts.calls.iter().count(), 3, "the layer's own calls are not counted");
            let noticed = counts.calls.get("dynamodb GetItem").unwrap().noticed;
            assert_eq!((noticed, noticed > 0), (counts.errors, faulty), "{stage}");
        }
    }
}

//! The layer as an external extension, with the exec wrapper.

use std::net::TcpListener;
use std::path::PathBuf;

use bytes::Bytes;
use hyper::{Request, Response};
use rustix::process::Signal;
use serde_json::json;
use tokio::process::Command;

use crate::dependencies::caller;
use crate::real_client::{Client, event, events, node, python, rust, sent};
use crate::support::dynamo::{Dynamo, Mood};
use crate::support::leased::{ARN, lease, skip, with};
use crate::support::process::{Process, environment};
use crate::support::{LAYER, Runtime, RuntimeApi, scripted, soon};

const REGISTER: &str = "/2020-01-01/extension/register";
const NEXT: &str = "/2020-01-01/extension/event/next";

/// `/opt` as the layer makes it, with a port of its own.
struct Opt {
    directory: tempfile::TempDir,
    port: u16,
}

impl Opt {
    fn new() -> Opt {
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("extensions")).unwrap();
        std::os::unix::fs::symlink(LAYER, directory.path().join("extensions/inoculate-layer")).unwrap();
        std::fs::copy(
            concat!(env!("CARGO_MANIFEST_DIR"), "/inoculate-exec"),
            directory.path().join("inoculate-exec"),
        )
        .unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        Opt { directory, port }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn extension(&self, api: &RuntimeApi) -> Process {
        Process::start(&mut self.program("extensions/inoculate-layer", api))
    }

    /// A program of the layer, as Lambda starts it.
    fn program(&self, name: &str, api: &RuntimeApi) -> Command {
        let mut command = Command::new(self.path(name));
        environment(&mut command, Some(api.address));
        command.env("INOCULATE_PORT", self.port.to_string());
        command
    }

    /// The function as Lambda starts it: behind the wrapper.
    fn function(&self, client: &Client, api: &RuntimeApi) -> Command {
        let mut command = self.program("inoculate-exec", api);
        client.lambda(command.args(&client.command));
        command
    }

    /// The Runtime API that a runtime sees behind the wrapper.
    async fn wrapped(&self, api: &RuntimeApi) -> String {
        let mut command = self.program("inoculate-exec", api);
        command.args(["sh", "-c", "echo $AWS_LAMBDA_RUNTIME_API \"$@\"", "sh", "a b"]);
        let ended = Process::start(&mut command).end().await;
        assert_eq!(ended.status.code(), Some(0), "{ended:?}");
        ended.output[0].strip_suffix(" a b").unwrap().to_owned()
    }
}

/// A Runtime API that registers extensions, and sends them these events.
async fn api_with_extensions(event: Option<serde_json::Value>) -> RuntimeApi {
    let api = RuntimeApi::start([]).await;
    let_extensions_register(&api);
    if let Some(event) = event {
        api.can(NEXT, Response::new(Bytes::from(event.to_string())));
    }
    api
}

fn let_extensions_register(api: &RuntimeApi) {
    let registered = Response::builder()
        .header("lambda-extension-identifier", "id-1")
        .body("{}".into())
        .unwrap();
    api.can(REGISTER, registered);
}

#[tokio::test]
async fn it_listens_registers_and_waits() {
    let (api, opt) = (
        api_with_extensions(Some(json!({ "eventType": "INVOKE" }))).await,
        Opt::new(),
    );
    let _extension = opt.extension(&api);
    let registered = api.got(REGISTER).await;
    assert_eq!(registered.header("lambda-extension-name"), Some("inoculate-layer"));
    assert_eq!(registered.json(), json!({ "events": ["SHUTDOWN"] }));
    assert_eq!(api.got(NEXT).await.header("lambda-extension-identifier"), Some("id-1"));
    // It listens before it registers, so the first try of the wrapper finds it.
    assert_eq!(opt.wrapped(&api).await, format!("127.0.0.1:{}", opt.port));
    let mut runtime = Runtime::connect(([127, 0, 0, 1], opt.port).into()).await;
    api.push(crate::support::Event::new("r", "{}"));
    assert_eq!(runtime.next().await.request_id, "r");
}

#[tokio::test]
async fn the_function_makes_its_calls_through_the_extension() {
    let (api, opt, service) = (api_with_extensions(None).await, Opt::new(), RuntimeApi::start([]).await);
    let variables = crate::support::dynamo::environment(service.address);
    let mut extension = opt.program("extensions/inoculate-layer", &api);
    extension.env("INOCULATE_DEPENDENCIES", "sqs,secretsmanager,kinesis");
    let _extension = Process::start(extension.envs(variables.clone()));
    api.got(NEXT).await;
    let mut function = opt.program("inoculate-exec", &api);
    let print = "echo $AWS_ENDPOINT_URL_SQS; echo $AWS_ENDPOINT_URL_SECRETS_MANAGER; echo $AWS_ENDPOINT_URL; \
                 echo ${AWS_ENDPOINT_URL_KINESIS-unset}";
    function.env("AWS_EXECUTION_ENV", "AWS_Lambda_nodejs22.x");
    let seen = Process::start(function.args(["sh", "-c", print]).envs(variables))
        .end()
        .await
        .output;
    assert_eq!(seen[2], format!("http://{}", service.address));
    assert_eq!(seen[3], "unset", "Node speaks HTTP/2 with it");
    for (place, body) in ["one", "two"].into_iter().enumerate() {
        let address = seen[place].strip_prefix("http://").unwrap().parse().unwrap();
        let request = Request::post(format!("/{body}")).header("host", "x").body(body.into());
        assert_eq!(caller::call(address, request.unwrap()).await.unwrap().status(), 202);
        assert_eq!(service.got(body).await.body, body);
    }
}

#[tokio::test]
async fn the_proxy_of_the_extension_is_added_to_what_the_function_has() {
    let (api, opt) = (api_with_extensions(None).await, Opt::new());
    let variables = crate::support::dynamo::environment(([127, 0, 0, 1], 9).into());
    let mut extension = opt.program("extensions/inoculate-layer", &api);
    extension.env("INOCULATE_DEPENDENCIES", "api.example.com");
    let _extension = Process::start(extension.envs(variables));
    api.got(NEXT).await;
    let print = "echo $HTTPS_PROXY $http_proxy $NO_PROXY \"$JAVA_TOOL_OPTIONS\"; echo \"<$@>\"";
    let seen = async |own: &[(&str, &str)]| {
        let mut function = opt.program("inoculate-exec", &api);
        function
            .args(["sh", "-c", print, "sh", "a b"])
            .envs(own.iter().copied());
        // The key of the function plays no part in it.
        Process::start(function.env("AWS_ACCESS_KEY_ID", "AKIAOTHER"))
            .end()
            .await
            .output
    };
    let lines = seen(&[("NO_PROXY", "own.internal, x"), ("JAVA_TOOL_OPTIONS", "-Xmx64m  -Da=b")]).await;
    let words: Vec<&str> = lines[0].split(' ').collect();
    assert!(
        words[0].starts_with("http://127.0.0.1:") && words[0] == words[1],
        "{lines:?}"
    );
    assert!(words[2].starts_with("own.internal,x,127.0.0.1,localhost,"), "{lines:?}");
    assert_eq!(words[3..7], ["-Xmx64m", "", "-Da=b", "-Dhttp.proxyHost=127.0.0.1"]);
    assert_eq!(lines[1], "<a b>");
    let lines = seen(&[("https_proxy", "http://proxy:3128")]).await;
    assert_eq!(lines[0].trim(), "", "a function with a proxy of its own is left alone");
}

#[tokio::test]
async fn a_function_with_other_credentials_makes_its_calls_as_ever() {
    let (api, opt) = (api_with_extensions(None).await, Opt::new());
    let variables = crate::support::dynamo::environment(([127, 0, 0, 1], 9).into());
    let mut extension = opt.program("extensions/inoculate-layer", &api);
    extension.env("INOCULATE_DEPENDENCIES", "sqs");
    let mut extension = Process::start(extension.envs(variables.clone()));
    api.got(NEXT).await;
    let mut function = opt.program("inoculate-exec", &api);
    let print = "echo ${AWS_ENDPOINT_URL_SQS-unset} $AWS_LAMBDA_RUNTIME_API";
    function.args(["sh", "-c", print]).envs(variables);
    let seen = Process::start(function.env("AWS_ACCESS_KEY_ID", "AKIAOTHER"))
        .end()
        .await
        .output;
    assert_eq!(seen, [format!("unset 127.0.0.1:{}", opt.port)]);
    let reason = &extension.logged().await["reason"];
    assert_eq!(*reason, "the function has other credentials than the layer");
}

#[tokio::test]
async fn with_a_table_it_is_told_of_invocations_if_the_platform_does_that() {
    for (status, last) in [(200, json!(["INVOKE", "SHUTDOWN"])), (400, json!(["SHUTDOWN"]))] {
        let (api, opt) = (RuntimeApi::start([]).await, Opt::new());
        let answer = Response::builder().header("lambda-extension-identifier", "id-1");
        api.can(REGISTER, answer.status(status).body("{}".into()).unwrap());
        let mut command = Command::new(opt.path("extensions/inoculate-layer"));
        environment(&mut command, Some(api.address));
        let command = command.env("INOCULATE_PORT", opt.port.to_string());
        let _extension = Process::start(
            command
                .env("INOCULATE_TABLE", "inoculate")
                .env("AWS_REGION", "eu-west-1"),
        );
        api.until("a registration", |api| {
            api.recorded()
                .iter()
                .any(|recorded| recorded.path == REGISTER && recorded.json() == json!({ "events": last }))
                .then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn shutdown_ends_it() {
    let shutdown =
        json!({ "eventType": "SHUTDOWN", "shutdownReason": "spindown", "deadlineMs": scripted::now_ms() + 2000 });
    let (api, opt) = (api_with_extensions(Some(shutdown)).await, Opt::new());
    let ended = opt.extension(&api).end().await;
    assert_eq!((ended.status.code(), ended.log.len()), (Some(0), 0), "{ended:?}");
}

#[tokio::test]
async fn without_an_extension_the_runtime_is_untouched() {
    let (api, opt) = (RuntimeApi::start([]).await, Opt::new());
    assert_eq!(opt.wrapped(&api).await, api.address.to_string());
    std::fs::remove_file(opt.path("extensions/inoculate-layer")).unwrap();
    assert_eq!(opt.wrapped(&api).await, api.address.to_string());
}

#[tokio::test]
async fn if_the_port_is_taken_the_runtime_is_untouched() {
    let (api, opt) = (api_with_extensions(None).await, Opt::new());
    // A stranger who accepts and says nothing, which is the worst for whoever asks.
    let _stranger = TcpListener::bind(("127.0.0.1", opt.port)).unwrap();
    let extension = opt.extension(&api);
    api.got(NEXT).await;
    assert_eq!(opt.wrapped(&api).await, api.address.to_string());
    extension.kill(Signal::KILL);
    let log = extension.end().await.log;
    assert_eq!(log.len(), 1);
    assert!(
        log[0]["reason"].as_str().unwrap().starts_with("cannot listen on port"),
        "{log:?}"
    );
}

#[tokio::test]
async fn if_it_cannot_register_it_stays_and_everything_passes() {
    let (api, opt) = (
        RuntimeApi::start([crate::support::Event::new("r", "{}")]).await,
        Opt::new(),
    );
    let refusal = Response::builder()
        .status(403)
        .body("{\"errorType\":\"Extension.Unknown\"}".into())
        .unwrap();
    api.can(REGISTER, refusal);
    let extension = opt.extension(&api);
    api.until("the last try", |api| (api.paths().len() == 20).then_some(()))
        .await;
    let mut runtime = Runtime::connect(([127, 0, 0, 1], opt.port).into()).await;
    assert_eq!(runtime.next().await.request_id, "r");
    extension.kill(Signal::KILL);
    let log = extension.end().await.log;
    // The second says that there is no table.
    assert_eq!(log.len(), 2, "{log:?}");
    assert!(log[0]["error"].as_str().unwrap().contains("403"));
}

#[tokio::test]
async fn a_disabled_extension_registers_and_leaves_the_runtime_alone() {
    let (api, opt) = (api_with_extensions(None).await, Opt::new());
    let mut command = Command::new(LAYER);
    environment(&mut command, Some(api.address));
    let _extension = Process::start(
        command
            .env("INOCULATE_PORT", opt.port.to_string())
            .env("INOCULATE_DISABLED", "true"),
    );
    api.got(NEXT).await;
    assert_eq!(opt.wrapped(&api).await, api.address.to_string());
}

#[tokio::test]
async fn the_usage_is_shown_for_a_wrong_command_line() {
    let mut command = Command::new(LAYER);
    environment(&mut command, None);
    assert_eq!(
        Process::start(command.args(["exec", "node"])).end().await.status.code(),
        Some(2)
    );
}

/// Somebody else on a port: says nothing, or answers everything with `answer`.
fn stranger(port: u16, answer: Option<&'static str>) {
    let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
    listener.set_nonblocking(true).unwrap();
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    tokio::spawn(async move {
        let mut kept = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            if let Some(answer) = answer {
                let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, answer.as_bytes()).await;
            }
            kept.push(stream);
        }
    });
}

#[tokio::test]
async fn whatever_is_wrong_the_function_is_untouched() {
    let direct = RuntimeApi::start(events()).await;
    let _function = rust::client().start(direct.address);
    let expected = sent(&direct, events().len()).await;

    let dynamo = Dynamo::start().await;
    dynamo.behave(Mood::Hangs);
    let other = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
    for (why, variables, reason) in [
        ("no table", vec![], "INOCULATE_TABLE is not set"),
        (
            "a table that hangs",
            dynamo.environment().to_vec(),
            "did not answer in time",
        ),
        ("disabled", vec![("INOCULATE_DISABLED", "true".into())], ""),
        ("a silent stranger", vec![], "cannot listen on port"),
        ("another service", vec![], "cannot listen on port"),
        ("no extension", vec![], ""),
    ] {
        let (api, opt) = (RuntimeApi::start(events()).await, Opt::new());
        let_extensions_register(&api);
        match why {
            "a silent stranger" => stranger(opt.port, None),
            "another service" => stranger(opt.port, Some(other)),
            _ => {}
        }
        let mut extension = opt.program("extensions/inoculate-layer", &api);
        let extension = (why != "no extension").then(|| Process::start(extension.envs(variables.clone())));
        if extension.is_some() {
            api.got(NEXT).await;
        }
        let _function = Process::start(opt.function(&rust::client(), &api).envs(variables));
        assert!(sent(&api, events().len()).await == expected, "{why}: {:?}", api.paths());
        let Some(mut extension) = extension else { continue };
        let reasons = if reason.is_empty() {
            Vec::new()
        } else {
            vec![extension.logged().await["reason"].as_str().unwrap().to_owned()]
        };
        extension.kill(Signal::KILL);
        assert_eq!(extension.end().await.log.len(), 0, "{why}: one line says it");
        assert!(reasons.iter().all(|said| said.contains(reason)), "{why}: {reasons:?}");
    }
}

#[tokio::test]
async fn an_extension_that_is_killed_takes_the_runtime_with_it_and_the_next_one_is_untouched() {
    let clients = [Some(rust::client()), Some(python::client()), node::client("handle")];
    for client in clients.into_iter().flatten() {
        let sleep = json!([{ "fault":
            { "kind": "latency", "delay": { "distribution": "fixed", "ms": 600_000 }, "at": "before" } }]);
        // In the long poll, and while a fault holds an event.
        for faults in [skip(), sleep] {
            let (api, opt, dynamo) = (RuntimeApi::start([]).await, Opt::new(), Dynamo::start().await);
            let_extensions_register(&api);
            let long = with(lease(&faults), "expires_at_ms", scripted::now_ms() + 600_000);
            dynamo.set(&format!("TARGET#{ARN}"), &long);
            let mut extension = opt.program("extensions/inoculate-layer", &api);
            let mut extension = Process::start(extension.envs(dynamo.environment()));
            api.got(NEXT).await;
            let function = Process::start(&mut opt.function(&client, &api));
            let mut number = 0;
            let line = soon("a fault", async {
                let ask = async {
                    loop {
                        number += 1;
                        api.push(event(&format!("request-{number}"), &json!({})));
                        api.got(&format!("request-{number}/response")).await;
                    }
                };
                tokio::select! { line = extension.logged() => line, () = ask => unreachable!() }
            })
            .await;
            assert_eq!(line["message"], "a fault begins");
            extension.kill(Signal::KILL);
            let ended = function.end().await;
            assert!(!ended.status.success(), "{:?}: {:?}", client.command, ended.status);
            let answers = |api: &RuntimeApi| {
                let paths = api.paths();
                paths.into_iter().filter(|path| path.contains("/request-")).count()
            };
            let before = answers(&api);
            assert!((number - 1..=number).contains(&before), "{before} of {number}");

            let _next = Process::start(&mut opt.function(&client, &api));
            api.push(event("next", &json!({ "n": 1 })));
            assert_eq!(api.got("next/response").await.json()["echo"], json!({ "n": 1 }));
            assert_eq!(answers(&api), before);
        }
    }
}

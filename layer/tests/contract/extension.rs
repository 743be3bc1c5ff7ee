//! The layer as an external extension, with the exec wrapper.

use std::net::TcpListener;
use std::path::PathBuf;

use bytes::Bytes;
use hyper::Response;
use rustix::process::Signal;
use serde_json::json;
use tokio::process::Command;

use crate::support::process::{Process, environment};
use crate::support::{LAYER, Runtime, RuntimeApi, scripted};

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
        let mut command = Command::new(self.path("extensions/inoculate-layer"));
        environment(&mut command, Some(api.address));
        Process::start(command.env("INOCULATE_PORT", self.port.to_string()))
    }

    /// The Runtime API that a runtime sees behind the wrapper.
    async fn wrapped(&self, api: &RuntimeApi) -> String {
        let mut command = Command::new(self.path("inoculate-exec"));
        command.args(["sh", "-c", "echo $AWS_LAMBDA_RUNTIME_API \"$@\"", "sh", "a b"]);
        environment(&mut command, Some(api.address));
        let ended = Process::start(command.env("INOCULATE_PORT", self.port.to_string()))
            .end()
            .await;
        assert_eq!(ended.status.code(), Some(0), "{ended:?}");
        ended.output[0].strip_suffix(" a b").unwrap().to_owned()
    }
}

/// A Runtime API that registers extensions, and sends them these events.
async fn api_with_extensions(event: Option<serde_json::Value>) -> RuntimeApi {
    let api = RuntimeApi::start([]).await;
    let registered = Response::builder()
        .header("lambda-extension-identifier", "id-1")
        .body("{}".into())
        .unwrap();
    api.can(REGISTER, registered);
    if let Some(event) = event {
        api.can(NEXT, Response::new(Bytes::from(event.to_string())));
    }
    api
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

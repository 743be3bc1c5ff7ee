//! The real binary as a process.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStderr, ChildStdout, Command};

use super::{LAYER, soon};

/// A process with its output. Killed when dropped.
pub(crate) struct Process {
    child: Child,
    pub(crate) output: Lines<BufReader<ChildStdout>>,
    errors: Lines<BufReader<ChildStderr>>,
}

/// What is left of a process.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) output: Vec<String>,
    /// The log of the layer, as far as it was not read before.
    pub(crate) log: Vec<Value>,
}

/// `inoculate-layer exec -- COMMAND...` before this Runtime API.
pub(crate) fn exec(api: Option<SocketAddr>, command: &[&str]) -> Command {
    let mut process = Command::new(LAYER);
    process.args(["exec", "--"]).args(command);
    environment(&mut process, api);
    process
}

/// Gives a process the environment of the layer, and nothing of that of the test.
pub(crate) fn environment(process: &mut Command, api: Option<SocketAddr>) {
    for name in [
        "AWS_LAMBDA_RUNTIME_API",
        "INOCULATE_DEPENDENCIES",
        "INOCULATE_DISABLED",
        "INOCULATE_LOG",
        "INOCULATE_MAX_PERCENT",
        "INOCULATE_POLL_MS",
        "INOCULATE_PORT",
        "INOCULATE_READ_MS",
        "INOCULATE_TABLE",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_EXECUTION_ENV",
        "AWS_ENDPOINT_URL",
        "AWS_ENDPOINT_URL_DYNAMODB",
        "AWS_REGION",
        "AWS_DEFAULT_REGION",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        "AWS_USE_FIPS_ENDPOINT",
        "AWS_USE_DUALSTACK_ENDPOINT",
        "AWS_DISABLE_HOST_PREFIX_INJECTION",
        "AWS_CA_BUNDLE",
        "HTTP_PROXY",
        "http_proxy",
        "HTTPS_PROXY",
        "https_proxy",
        "ALL_PROXY",
        "all_proxy",
        "NO_PROXY",
        "no_proxy",
        "NODE_USE_ENV_PROXY",
        "JAVA_TOOL_OPTIONS",
    ] {
        process.env_remove(name);
    }
    if let Some(api) = api {
        process.env("AWS_LAMBDA_RUNTIME_API", api.to_string());
    }
}

impl Process {
    pub(crate) fn start(command: &mut Command) -> Process {
        let command = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap()).lines();
        let errors = BufReader::new(child.stderr.take().unwrap()).lines();
        Process { child, output, errors }
    }

    pub(crate) fn pid(&self) -> i32 {
        self.child.id().unwrap().try_into().unwrap()
    }

    pub(crate) fn kill(&self, signal: Signal) {
        kill(self.pid(), signal);
    }

    /// Waits for the next line of output.
    pub(crate) async fn line(&mut self) -> String {
        soon("a line of output", self.output.next_line())
            .await
            .unwrap()
            .expect("the process has ended")
    }

    /// Waits for the end.
    pub(crate) async fn end(mut self) -> Ended {
        let status = soon("the end of the process", self.child.wait()).await.unwrap();
        let mut output = Vec::new();
        while let Some(line) = soon("the output", self.output.next_line()).await.unwrap() {
            output.push(line);
        }
        let mut log = Vec::new();
        while let Some(line) = soon("the log", self.errors.next_line()).await.unwrap() {
            log.extend(ours(&line));
        }
        Ended { status, output, log }
    }

    /// Waits for the next line of the layer's log.
    pub(crate) async fn logged(&mut self) -> Value {
        soon("a log line", async {
            loop {
                let line = self.errors.next_line().await.unwrap().expect("the process has ended");
                if let Some(line) = ours(&line) {
                    return line;
                }
            }
        })
        .await
    }
}

/// A line of the layer's log, if it is one.
fn ours(line: &str) -> Option<Value> {
    let ours = line.contains("\"source\":\"inoculate-layer\"");
    ours.then(|| serde_json::from_str(line).unwrap())
}

/// Sends a signal to any process.
pub(crate) fn kill(pid: i32, signal: Signal) {
    kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
}

/// Waits until a process is gone.
pub(crate) async fn gone(pid: i32) {
    let process = Path::new("/proc").join(pid.to_string());
    let ended = || {
        let state = std::fs::read_to_string(process.join("stat")).unwrap_or_default();
        // What has ended may still wait to be collected.
        (state.is_empty() || state.contains(") Z ")).then_some(())
    };
    super::seen("the end of a process", ended).await;
}

//! `inoculate-layer exec -- COMMAND...`: runs a runtime behind the proxy.
//!
//! To the outside this process looks like COMMAND: signals sent to it go to COMMAND, it exits with COMMAND's exit
//! code, and if COMMAND is killed by a signal it dies by the same one. If the proxy cannot be started, this process
//! becomes COMMAND.
//!
//! COMMAND is started through `inoculate-layer exec-child`, which asks the kernel to be killed when this process ends
//! and then becomes COMMAND.

use std::ffi::OsString;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitCode, ExitStatus};
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, Signal, setrlimit};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};

use crate::agent;
use crate::child;
use crate::command::without_us;
use crate::config::{Config, RUNTIME_API, RuntimeApi};
use crate::dependencies;
use crate::dependencies::offer::Variable;
use crate::log::Log;
use crate::proxy::{Proxy, Tools};

/// The signals that are passed on. What the kernel does not let anyone catch needs no passing.
const PASSED_ON: [Signal; 8] = [
    Signal::HUP,
    Signal::INT,
    Signal::QUIT,
    Signal::USR1,
    Signal::USR2,
    Signal::TERM,
    Signal::CONT,
    Signal::WINCH,
];

/// How long the interceptor may take to finish after COMMAND has ended.
const FINISH: Duration = Duration::from_millis(500);

/// Why COMMAND does not run behind the proxy.
#[derive(Debug, thiserror::Error)]
enum NoProxy {
    #[error("INOCULATE_DISABLED is set")]
    Disabled,
    #[error("AWS_LAMBDA_RUNTIME_API is not set")]
    NoRuntimeApi,
    #[error("the address of the Runtime API is not valid: {0}")]
    Address(#[from] hyper::header::InvalidHeaderValue),
    #[error("{0}")]
    System(#[from] io::Error),
}

/// Runs `command` behind the proxy. Returns what to exit with, unless it became `command` or died by its signal.
pub fn run(command: &[OsString], config: &Config, log: Log) -> ExitCode {
    match try_run(command, config, log) {
        Ok(status) => end_like(status),
        Err(reason) => {
            let fields = json!({ "reason": reason.to_string() });
            match reason {
                NoProxy::Disabled => log.debug("the function runs without the layer", fields),
                _ => log.error("the function runs without the layer", fields),
            }
            without_us(command, log)
        }
    }
}

/// The other half of [`run`]: the process that becomes `command`, and dies with `parent`.
pub fn run_child(parent: u32, command: &[OsString], log: Log) -> ExitCode {
    if child::die_with(parent).is_err() {
        return ExitCode::FAILURE;
    }
    without_us(command, log)
}

fn try_run(command: &[OsString], config: &Config, log: Log) -> Result<ExitStatus, NoProxy> {
    if config.disabled {
        return Err(NoProxy::Disabled);
    }
    let api = config.runtime_api.as_ref().ok_or(NoProxy::NoRuntimeApi)?;
    let proxy = Arc::new(Proxy::new(api, agent::interceptor(config, log), Tools::default(), log)?);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let status = runtime.block_on(supervise(proxy, api, config, command));
    // Not by dropping it, which waits for a name server that does not answer.
    runtime.shutdown_background();
    status
}

/// Serves until COMMAND ends. Errors are only those before it has started.
async fn supervise(
    proxy: Arc<Proxy>,
    api: &RuntimeApi,
    config: &Config,
    command: &[OsString],
) -> Result<ExitStatus, NoProxy> {
    let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?;
    let address = listener.local_addr()?.to_string();
    // Before COMMAND starts, so that no signal is lost and none ends this process alone.
    let signals = PASSED_ON
        .into_iter()
        .map(|passed| Ok((passed, signal(SignalKind::from_raw(passed.as_raw()))?)))
        .collect::<io::Result<Vec<_>>>()?;
    let mut variables = dependencies::start(&proxy, config, |name| std::env::var_os(name)).await;
    variables.push((RUNTIME_API.to_owned(), api.behind(&address)));
    let mut process = start(command, variables)?;
    if let Some(pid) = process.id().and_then(|pid| i32::try_from(pid).ok()) {
        proxy.runtime().set(pid);
    }
    for (passed, mut received) in signals {
        let proxy = Arc::clone(&proxy);
        tokio::spawn(async move {
            while received.recv().await.is_some() {
                // COMMAND may have ended just now.
                let _ = proxy.runtime().signal(passed);
            }
        });
    }
    let status = tokio::select! {
        status = process.wait() => status?,
        never = Arc::clone(&proxy).serve(listener) => match never {},
    };
    proxy.runtime().gone();
    proxy.shutdown(FINISH).await;
    Ok(status)
}

/// Starts COMMAND with these variables, of which one says that the proxy is its Runtime API.
fn start(command: &[OsString], variables: Vec<Variable>) -> io::Result<Child> {
    Command::new(std::env::current_exe()?)
        .args(["exec-child", &std::process::id().to_string(), "--"])
        .args(command)
        .envs(variables)
        .kill_on_drop(true)
        .spawn()
}

/// Ends this process as COMMAND has ended.
fn end_like(status: ExitStatus) -> ExitCode {
    if let Some(code) = status.code() {
        return ExitCode::from(u8::try_from(code & 0xff).unwrap_or(u8::MAX));
    }
    let number = status.signal().unwrap_or_default();
    // COMMAND has written its core already, if it should.
    let _ = setrlimit(
        Resource::Core,
        Rlimit {
            current: Some(0),
            maximum: Some(0),
        },
    );
    // Does not return for the signals that end a process, except in the first process of a container.
    let _ = signal_hook::low_level::emulate_default_handler(number);
    ExitCode::from(u8::try_from(128 + number).unwrap_or(u8::MAX))
}

//! The whole machine on the local stack: the emulator, Inoculate deployed into it, a function to experiment on, and a
//! pretended system whose failures depend on that function.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Command, Output};

use aws_config::{BehaviorVersion, Region};
use aws_credential_types::Credentials;
use inoculate_aws::Aws;
use inoculate_core::names::RunId;
use inoculate_core::run::{Phase, Run};
use inoculate_core::undo::UndoState;
use inoculate_stack::{Deployment, Guarded, Outputs, REGION, Stack, dev_binaries, workspace_root};
use inoculate_tests::eventually;
use serde_json::{Value, json};

/// The function that the experiments of these tests touch.
pub(crate) const TARGET: &str = "machine-target";

/// How the pretended system behaves.
#[derive(Debug, Clone, Copy)]
pub(crate) enum System {
    /// Fails while the target is throttled.
    Fragile,
    /// Never fails.
    Sturdy,
    /// Always fails.
    Broken,
}

/// A running local stack with Inoculate in it.
pub(crate) struct Local {
    pub(crate) stack: Stack,
    pub(crate) inoculate: inoculate_aws::Stack,
    pub(crate) outputs: Outputs,
    /// The ARN of the queue that feeds the target.
    pub(crate) source: String,
    before: Value,
    _system: Guarded,
}

impl Local {
    pub(crate) async fn start(system: System) -> Self {
        Local::start_with(system, &[]).await
    }

    /// The same with parameters of the template.
    pub(crate) async fn start_with(system: System, parameters: &[(&str, &str)]) -> Self {
        let stack = Stack::start().unwrap_or_else(|error| panic!("{error}"));
        let template = workspace_root().join("infra/template.yaml");
        let mut deployment = Deployment::new("inoculate", template).parameter("ProtectTable", "false");
        for (name, value) in parameters {
            deployment = deployment.parameter(*name, *value);
        }
        let outputs = stack.deploy(&deployment).unwrap_or_else(|error| panic!("{error}"));
        let target = call(&stack, "function", &json!({ "name": TARGET, "source": true }));
        let behaviour = match system {
            System::Fragile => "fragile",
            System::Sturdy => "sturdy",
            System::Broken => "broken",
        };
        let system = feed(&stack, TARGET, behaviour);
        let inoculate = connect(&stack).await;
        let before = call(&stack, "settings", &json!({ "name": TARGET }));
        let source = target["source"].as_str().unwrap().to_owned();
        Local {
            stack,
            inoculate,
            outputs,
            source,
            before,
            _system: system,
        }
    }

    /// Does something to the world; see `world.py`.
    pub(crate) fn world(&self, action: &str, arguments: &Value) -> Value {
        call(&self.stack, action, arguments)
    }

    pub(crate) async fn begin(&self, id: &str, experiment: &Value) -> RunId {
        let run_id: RunId = id.parse().unwrap();
        let input = json!({ "experiment": experiment });
        self.inoculate.executions.start(&run_id, &input).await.unwrap();
        run_id
    }

    /// Waits until a run has come to a phase.
    pub(crate) async fn reached(&self, run_id: &RunId, phase: Phase) -> Run {
        let ask = || async {
            let run = self.inoculate.ports.runs.load(run_id).await.unwrap()?;
            (run.phase >= phase).then_some(run)
        };
        eventually(&format!("{run_id} is {phase:?}"), ask).await
    }

    /// Waits until the execution is over and the record closed.
    pub(crate) async fn closed(&self, run_id: &RunId) -> Run {
        let ask = || async {
            let execution = self.inoculate.executions.state(run_id).await.unwrap()?;
            (!execution.running).then_some(())
        };
        eventually(&format!("the execution of {run_id} is over"), ask).await;
        self.reached(run_id, Phase::Closed).await
    }

    /// How the execution ended: its status, and its error name when it failed.
    pub(crate) async fn execution(&self, run_id: &RunId) -> (String, Option<String>) {
        let state = self.inoculate.executions.state(run_id).await.unwrap().unwrap();
        (state.status, state.error)
    }

    /// Proves that the target is as it was, nobody holds it, and the record is whole.
    pub(crate) async fn assert_nothing_left(&self, run: &Run) {
        let ports = &self.inoculate.ports;
        let now = self.world("settings", &json!({ "name": TARGET }));
        for setting in ["timeout", "memory", "concurrency", "sources"] {
            assert_eq!(now[setting], self.before[setting], "{setting}");
        }
        for record in ports.runs.undo_records(&run.id).await.unwrap() {
            let clean = matches!(record.state, UndoState::Restored | UndoState::NotApplied);
            assert!(clean, "{record:?}");
        }
        for function in &run.functions {
            let lease = ports.leases.read(&function.arn).await.unwrap();
            let held = lease.filter(|lease| lease.role != inoculate_core::lease::LeaseRole::Released);
            assert_eq!(held, None, "a lease is left");
        }
        let journal = ports.runs.journal(&run.id).await.unwrap();
        let numbers: Vec<u64> = journal.iter().map(|entry| entry.number).collect();
        assert_eq!(numbers, (1..=run.version).collect::<Vec<_>>(), "the journal has gaps");
    }

    /// Proves that not even a write was tried: the revision of the target is the one from before.
    pub(crate) fn assert_never_touched(&self) {
        assert_eq!(self.world("settings", &json!({ "name": TARGET })), self.before);
    }

    /// Runs the `inoculate` command against this stack.
    pub(crate) fn command(&self, arguments: &[&str]) -> Output {
        let mut command = inoculate(arguments);
        command.envs(self.stack.env());
        command.output().unwrap()
    }
}

pub(crate) fn assert_failed(output: &Output, exit: i32, says: &str) {
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(output.status.code(), Some(exit), "{text}");
    assert!(text.contains(says), "{says:?} is not in: {text}");
}

/// The `inoculate` command with an empty configuration of AWS.
pub(crate) fn inoculate(arguments: &[&str]) -> Command {
    let mut command = Command::new(dev_binaries().join("inoculate"));
    command
        .args(arguments)
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("NO_COLOR", "1");
    command
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("HOME", "/nonexistent");
    command
}

/// An experiment on the target: short windows, one measure.
pub(crate) fn experiment(faults: &Value) -> Value {
    json!({
        "name": "machine",
        "hypothesis": "The pretended system does not mind.",
        "blast_radius": { "functions": [TARGET], "percent": 100, "longest": "6s" },
        "windows": { "baseline": "6s", "round": "1s", "recovery": "6s" },
        "faults": faults,
        "steady_state": [{
            "name": "failed",
            "unit": "share of requests",
            "period": "1s",
            "metric": { "namespace": "Machine", "name": "Failed", "dimensions": { "System": TARGET }, "statistic": "Average" },
            "tolerance": { "at_most": 0.5 }
        }]
    })
}

/// Every invocation of the target is throttled.
pub(crate) fn throttled() -> Value {
    experiment(&json!([{ "kind": "reserved_concurrency", "function": TARGET, "executions": 0 }]))
}

/// Writes an experiment to a file for the command.
pub(crate) fn file(folder: &tempfile::TempDir, experiment: &Value) -> PathBuf {
    let path = folder.path().join("experiment.json");
    std::fs::write(&path, experiment.to_string()).unwrap();
    path
}

fn call(stack: &Stack, action: &str, arguments: &Value) -> Value {
    let answer = stack.call(include_str!("world.py"), action, arguments);
    answer.unwrap_or_else(|error| panic!("{action} {arguments}: {error}\n{}", stack.log_tail(20)))
}

fn feed(stack: &Stack, name: &str, behaviour: &str) -> Guarded {
    let mut command = Guarded::command(stack.python(), stack.python().python());
    let arguments = json!({ "name": name, "behaviour": behaviour });
    command
        .args(["-c", include_str!("world.py"), "feed", &arguments.to_string()])
        .envs(stack.env());
    Guarded::spawn(command).unwrap_or_else(|error| panic!("{error}"))
}

async fn connect(stack: &Stack) -> inoculate_aws::Stack {
    let env: BTreeMap<_, _> = stack.env().into_iter().collect();
    let [key, secret] = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"].map(|name| env[name].clone());
    let config = aws_config::defaults(BehaviorVersion::latest())
        .endpoint_url(stack.endpoint_url())
        .region(Region::new(REGION))
        .credentials_provider(Credentials::new(key, secret, None, None, "local stack"))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .load()
        .await;
    let aws = Aws::with(config).unwrap_or_else(|error| panic!("{error}"));
    aws.stack("inoculate").await.unwrap_or_else(|error| panic!("{error}"))
}

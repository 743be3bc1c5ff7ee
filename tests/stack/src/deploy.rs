//! Templates onto the local stack, through CloudFormation.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::PoisonError;

use serde::Serialize;

use crate::package::{self, Files};
use crate::{Error, Stack, crate_dir, dev_binaries};

/// The outputs of a deployed stack, by name.
pub type Outputs = BTreeMap<String, String>;

/// A SAM template, the name of the stack to make of it, and what goes into it.
#[derive(Debug, Clone, Serialize)]
pub struct Deployment {
    stack: String,
    template: PathBuf,
    parameters: BTreeMap<String, String>,
    artifacts: BTreeMap<String, PathBuf>,
    binaries: PathBuf,
    packages: BTreeMap<&'static str, Files>,
}

impl Deployment {
    /// The template in the file `template` as the stack `stack`, with the parameters at their defaults.
    ///
    /// The template is used as it is. A location that ends in `target/lambda/NAME`, where `cargo xtask package` puts
    /// release builds, gets dev builds of `target/debug` instead, laid out in the same way; see [`package`].
    #[must_use]
    pub fn new(stack: impl Into<String>, template: impl Into<PathBuf>) -> Self {
        let dev_binary = |name: &str| dev_binaries().join(name);
        let packages = package::BEHIND_THE_LAYER.into_iter().chain([package::LAYER]);
        Self {
            stack: stack.into(),
            template: template.into(),
            parameters: BTreeMap::new(),
            artifacts: BTreeMap::new(),
            binaries: dev_binaries(),
            packages: packages.map(|name| (name, package::files(name, dev_binary))).collect(),
        }
    }

    /// Gives a parameter of the template a value.
    #[must_use]
    pub fn parameter(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.parameters.insert(name.into(), value.into());
        self
    }

    /// Uses `file`, a binary or a finished zip, as the code of the resource `logical_id`, whatever its `CodeUri` says.
    #[must_use]
    pub fn artifact(mut self, logical_id: impl Into<String>, file: impl Into<PathBuf>) -> Self {
        self.artifacts.insert(logical_id.into(), file.into());
        self
    }
}

impl Stack {
    /// Creates a CloudFormation stack, or updates it if it is there, and waits until that is complete.
    ///
    /// # Errors
    /// When a binary was not built, or CloudFormation fails; then the error names the resources and their reasons.
    pub fn deploy(&self, deployment: &Deployment) -> Result<Outputs, Error> {
        let what = format!("deploying {} as `{}`", deployment.template.display(), deployment.stack);
        self.call_deployer("deploy", deployment, what)
    }

    /// Deletes a CloudFormation stack and waits until it is gone. One that is not there counts as deleted.
    ///
    /// # Errors
    /// When CloudFormation fails.
    pub fn delete(&self, stack: &str) -> Result<(), Error> {
        let what = format!("deleting the stack `{stack}`");
        self.call_deployer("delete", &serde_json::json!({ "stack": stack }), what)
            .map(drop)
    }

    /// Runs Python code with `boto3` at hand against this stack and answers the JSON it prints.
    ///
    /// For a question that is not worth an SDK, such as reading back a setting. The code finds `arguments` in
    /// `sys.argv[1:]`.
    ///
    /// # Errors
    /// When the code fails or prints something else than JSON.
    pub fn python_script<A: AsRef<OsStr>>(&self, code: &str, arguments: &[A]) -> Result<serde_json::Value, Error> {
        let what = "a Python script";
        let mut command = self.python_command();
        command.arg("-c").arg(code).args(arguments);
        let output = run(command, b"")?;
        if !output.status.success() {
            return Err(Error::Command {
                what: what.to_owned(),
                status: output.status.to_string(),
                output: text(&output.stderr),
            });
        }
        parse(what, &output)
    }

    /// Calls a function of a Python script with `boto3` at hand, with these arguments by name, and answers what it returns.
    ///
    /// The script is kept running until the stack ends, so a call takes a fraction of what [`python_script`](Self::python_script)
    /// takes. What the script keeps in its variables is there in the next call.
    ///
    /// # Errors
    /// When the function raises an exception, or the script cannot be started.
    pub fn call(
        &self,
        script: &'static str,
        function: &str,
        arguments: &serde_json::Value,
    ) -> Result<serde_json::Value, Error> {
        let mut scripts = self.scripts.lock().unwrap_or_else(PoisonError::into_inner);
        scripts.of(script, || self.python_command())?.call(function, arguments)
    }

    /// The Python of the stack's environment, set to talk to this stack as its root.
    #[must_use]
    pub fn python_command(&self) -> Command {
        let mut command = Command::new(self.python().python());
        self.reached_by(command.arg("-I"));
        command
    }

    /// Sets a command to talk to this stack as its root.
    pub fn reached_by<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command.envs(self.env());
        for name in Self::ENV_REMOVED {
            command.env_remove(name);
        }
        command
    }

    fn call_deployer(&self, action: &str, request: &impl Serialize, what: String) -> Result<Outputs, Error> {
        let mut command = self.python_command();
        command.arg(crate_dir().join("deploy.py")).arg(action);
        let request = serde_json::to_vec(request).map_err(|source| Error::Output {
            what: what.clone(),
            output: String::new(),
            source,
        })?;
        let output = run(command, &request)?;
        if !output.status.success() {
            return Err(Error::Deploy {
                what,
                reason: text(&output.stderr),
            });
        }
        parse(&what, &output)
    }
}

fn run(mut command: Command, input: &[u8]) -> Result<Output, Error> {
    let program = command.get_program().to_string_lossy().into_owned();
    let failed = |source| Error::Start {
        program: program.clone(),
        source,
    };
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    if let Some(mut stdin) = child.stdin.take() {
        // A child that ends without reading says why on its standard error, which is what counts.
        let _ = stdin.write_all(input);
    }
    child.wait_with_output().map_err(failed)
}

fn parse<T: serde::de::DeserializeOwned>(what: &str, output: &Output) -> Result<T, Error> {
    serde_json::from_slice(&output.stdout).map_err(|source| Error::Output {
        what: what.to_owned(),
        output: text(&output.stdout),
        source,
    })
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim_end().to_owned()
}

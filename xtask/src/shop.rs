//! The sample shop and Inoculate on the local stack, for everything that shows them to a person.

use std::io::IsTerminal;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use inoculate_stack::{Deployment, Guarded, Stack, dev_binaries, workspace_root};

use crate::error::Error;
use crate::process::{cargo, run as run_command};
use crate::report::phase;

/// The versions of the checkout.
pub(crate) const CHECKOUTS: [&str; 2] = ["shop-checkout-naive", "shop-checkout-hardened"];

/// A first rush of orders would start one environment for each; a trickle for a few seconds starts the few that are needed.
const WARM_UP_RATE: u32 = 4;
const WARM_UP: &str = "5s";

/// How long the traffic generator may wait for the last answers before it prints its summary.
pub(crate) const TRAFFIC_PATIENCE: Duration = Duration::from_secs(20);

/// Builds everything, starts the local stack, and deploys Inoculate and the shop onto it.
///
/// # Errors
/// When one of these fails.
pub(crate) fn open() -> Result<Stack, Error> {
    phase("build", || run_command(&mut cargo(&["build", "--workspace", "--bins"])))?;
    let stack = phase("local stack", || {
        let stack = Stack::start()?;
        println!("MiniStack answers at {}", stack.endpoint_url());
        Ok(stack)
    })?;
    phase("deploy Inoculate and the shop", || {
        for (name, template) in [
            ("inoculate", "infra/template.yaml"),
            ("shop", "examples/shop/template.yaml"),
        ] {
            stack.deploy(&Deployment::new(name, workspace_root().join(template)))?;
            println!("stack `{name}` of {template}");
        }
        Ok(())
    })?;
    Ok(stack)
}

/// Sends the first few orders to a checkout, and waits until they are answered.
///
/// # Errors
/// When the traffic generator fails.
pub(crate) fn warm_up(stack: &Stack, function: &str) -> Result<(), Error> {
    println!("warming up {function}");
    let status = Guarded::spawn(traffic(stack, function, WARM_UP_RATE, WARM_UP))?.wait()?;
    if status.success() {
        return Ok(());
    }
    Err(Error::Failed {
        command: "shop-traffic".to_owned(),
        status: status.to_string(),
    })
}

/// The traffic generator: so many orders per second to a checkout, for this time.
pub(crate) fn traffic(stack: &Stack, function: &str, rate: u32, time: &str) -> Command {
    let mut command = program(stack, "shop-traffic");
    command.args(["--function", function, "--rate", &rate.to_string(), "--for", time]);
    command
}

/// A program of this workspace as it was just built, in the root of the workspace, talking to the stack. It ends with this
/// process.
pub(crate) fn program(stack: &Stack, name: &str) -> Command {
    let mut command = Guarded::command(stack.python(), dev_binaries().join(name));
    talking(stack, &mut command, &workspace_root());
    command
}

/// Gives a command this folder, and the variables that let it talk to the stack.
pub(crate) fn talking<'a>(stack: &Stack, command: &'a mut Command, folder: &Path) -> &'a mut Command {
    stack.reached_by(command).current_dir(folder);
    if !std::io::stdout().is_terminal() {
        command.env("NO_COLOR", "1");
    }
    command
}

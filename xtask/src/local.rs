//! `cargo xtask local`: a place to try `inoculate` by hand, on this machine.
//!
//! The local stack with Inoculate and the shop, orders for both versions of the checkout, and a shell in which `inoculate`
//! and every AWS client talk to it. When the shell ends, everything does.

use std::ffi::OsString;
use std::io::IsTerminal;
use std::process::Command;

use inoculate_stack::{Guarded, dev_binaries, workspace_root};

use crate::error::Error;
use crate::report::phase;
use crate::{process, shop};

/// Enough for a verdict within a minute, and few enough for two cores.
const DEFAULT_RATE: u32 = 5;

/// Longer than anybody tries things out; the orders end with the shell.
const LONGEST: &str = "1440m";

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Orders per second to each version of the checkout; 0: none
    #[arg(long, default_value_t = DEFAULT_RATE)]
    rate: u32,

    /// What to run instead of a shell, after `--`
    #[arg(value_name = "COMMAND", last = true)]
    command: Vec<OsString>,
}

/// Opens the shop, runs the shell or the command, and ends everything.
///
/// # Errors
/// When the shop cannot be opened, or the command fails. How a shell ends does not matter.
pub(crate) fn run(args: &Args) -> Result<(), Error> {
    let stack = shop::open()?;
    let mut traffic = Vec::new();
    if args.rate > 0 {
        for checkout in shop::CHECKOUTS {
            shop::warm_up(&stack, checkout)?;
            traffic.push(Guarded::spawn(shop::traffic(&stack, checkout, args.rate, LONGEST))?);
            println!("{} orders per second go to {checkout}", args.rate);
        }
    }
    let mut shown = command(args);
    let here = std::env::current_dir().unwrap_or_else(|_| workspace_root());
    shop::talking(&stack, &mut shown, &here).env("PATH", path());
    let result = if args.command.is_empty() {
        welcome();
        shown.status().map(drop).map_err(|source| Error::Start {
            command: process::shown(&shown),
            source,
        })
    } else {
        process::run(&mut shown)
    };
    phase("end every process", || {
        for orders in traffic {
            orders.terminate(shop::TRAFFIC_PATIENCE)?;
        }
        drop(stack);
        Ok(())
    })?;
    result
}

fn command(args: &Args) -> Command {
    let shell = || std::env::var_os("SHELL").unwrap_or_else(|| "sh".into());
    match args.command.split_first() {
        Some((program, arguments)) => {
            let mut command = Command::new(program);
            command.args(arguments);
            command
        }
        None => Command::new(shell()),
    }
}

/// The programs of this workspace before all others.
fn path() -> OsString {
    let mut path = dev_binaries().into_os_string();
    if let Some(others) = std::env::var_os("PATH") {
        path.push(":");
        path.push(others);
    }
    path
}

fn welcome() {
    println!("\nThis shell talks to the local stack. Try `inoculate list`, or follow docs/getting-started.md.");
    if std::io::stdin().is_terminal() {
        println!("`exit` ends everything.");
    }
}

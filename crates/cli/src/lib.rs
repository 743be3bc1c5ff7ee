//! The `inoculate` command: arguments in, text or JSON and an exit code out.
//!
//! | look in | for |
//! |---|---|
//! | [`args`] | the commands and their options |
//! | [`help`] | the examples of `--help` |
//! | [`commands`] | what each command does |
//! | [`render`] | what people read: pure functions from data to text |
//! | [`report`] | reports of runs as files |
//! | [`chaostoolkit`] | experiments of Chaos Toolkit in, journals out |
//! | [`outcome`] | what came of a run, for people and for CI servers |
//! | [`terminal`] | the terminal that a person sits at |
//! | [`github`] | the job of GitHub Actions that a command is a part of |
//! | [`exit`] | the exit codes, and which cause leads to which |
//! | [`connection`] | what a command needs of AWS |
//! | [`when`] | when schedules start runs |
//!
//! Results go to stdout, progress and errors to stderr. With `--json`, stdout holds one JSON document, also for errors.

pub mod args;
pub mod chaostoolkit;
pub mod commands;
pub mod connection;
pub mod exit;
pub mod failure;
pub mod github;
pub mod help;
pub mod input;
pub mod outcome;
pub mod output;
pub mod render;
pub mod report;
pub mod run_id;
pub mod templates;
pub mod terminal;
pub mod when;

use std::ffi::OsString;

use inoculate_core::error::Error;

use args::Cli;
use exit::Exit;
use failure::Failure;
use output::Output;

/// Runs the command line and returns what the process should exit with.
pub fn main(args: impl IntoIterator<Item = OsString>) -> Exit {
    let args: Vec<OsString> = args.into_iter().collect();
    let wants_json = args.iter().any(|arg| arg == "--json");
    match help::parse(&args) {
        Ok(cli) => {
            let output = Output::of_process(cli.global.json);
            run(&cli, &output).unwrap_or_else(|failure| {
                output.failure(&failure);
                failure.exit()
            })
        }
        Err(error) => usage(&error, wants_json),
    }
}

/// Help and version go to stdout and are no mistake; anything else is one.
fn usage(error: &clap::Error, wants_json: bool) -> Exit {
    let is_mistake = error.use_stderr();
    if is_mistake && wants_json {
        Output::of_process(true).usage(&error.to_string());
    } else {
        // Nobody is left to tell when the terminal is gone.
        let _ = error.print();
    }
    if is_mistake { Exit::Usage } else { Exit::Upheld }
}

fn run(cli: &Cli, output: &Output) -> Result<Exit, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Error::internal(format!("cannot start the async runtime: {error}")))?;
    runtime.block_on(commands::dispatch(cli, output))
}

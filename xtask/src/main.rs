//! `cargo xtask`: what a developer of Inoculate does often, needing only a Rust toolchain and Python 3.10 or newer.

mod bench;
mod demo;
mod error;
mod local;
mod package;
mod process;
mod report;
mod shop;
mod test;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(name = "cargo xtask", about = "Tasks of the Inoculate repository")]
struct Args {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Run a real chaos experiment against the sample shop, all of it on this machine
    Demo(demo::Args),
    /// Open a shell in which `inoculate` talks to the sample shop, all of it on this machine
    Local(local::Args),
    /// Check everything that CI checks: formatting, lints, templates, unit and whole-machine tests
    Test(test::Args),
    /// Cross-build the Lambda functions and zip them for `sam deploy`
    Package(package::Args),
    /// Measure what Inoculate costs, and print it
    Bench(bench::Args),
}

fn main() -> ExitCode {
    let result = match Args::parse().task {
        Task::Demo(args) => demo::run(&args),
        Task::Local(args) => local::run(&args),
        Task::Test(args) => test::run(&args),
        Task::Package(args) => package::run(&args),
        Task::Bench(args) => bench::run(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report::failure(&error);
            ExitCode::FAILURE
        }
    }
}

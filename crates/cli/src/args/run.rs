//! Options of `inoculate run`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use inoculate_core::names::RunId;

/// Options of `inoculate run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// A file, or the name of a saved experiment
    #[arg(value_name = "FILE|NAME")]
    pub experiment: String,

    /// Name of the run [default: experiment, time and a random suffix]
    #[arg(long, value_name = "ID")]
    pub run_id: Option<RunId>,

    /// Follow it until its verdict, as without this option
    #[arg(long)]
    pub wait: bool,

    /// Start it and return at once
    #[arg(long, conflicts_with_all = ["wait", "junit", "report"])]
    pub no_wait: bool,

    /// Options about the JUnit file.
    #[command(flatten)]
    pub junit: JunitArgs,

    /// Write a report of the run: Markdown if the name of the file ends with .md or .markdown, else HTML
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
}

/// Where the results go for a CI server, and how.
#[derive(Debug, Clone, Args)]
pub struct JunitArgs {
    /// Write the results as JUnit XML: a case for each run, and one for each measure
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,

    /// What an inconclusive result is in the JUnit file
    #[arg(long, value_enum, value_name = "WHAT", default_value_t, requires = "junit")]
    pub inconclusive_as: InconclusiveAs,
}

/// What an inconclusive result is in a JUnit file, which knows no such thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum InconclusiveAs {
    /// Nobody is to look at it.
    #[default]
    Skipped,
    /// Somebody is to look at it.
    Failure,
}

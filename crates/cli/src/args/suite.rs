//! Options of `inoculate suite`.

use std::path::PathBuf;

use clap::Args;

use super::JunitArgs;

/// Options of `inoculate suite`.
#[derive(Debug, Args)]
pub struct SuiteArgs {
    /// Files, or directories whose YAML and JSON files are meant
    #[arg(value_name = "DIR|FILE", required = true)]
    pub paths: Vec<PathBuf>,

    /// How many runs at the same time, at most
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub parallel: u32,

    /// Say what would run when, and start nothing; needs no AWS
    #[arg(long, conflicts_with_all = ["junit", "markdown"])]
    pub dry_run: bool,

    /// Options about the JUnit file.
    #[command(flatten)]
    pub junit: JunitArgs,

    /// Write the scorecard as Markdown
    #[arg(long, value_name = "FILE")]
    pub markdown: Option<PathBuf>,
}

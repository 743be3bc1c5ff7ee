//! `cargo xtask bench`: what Inoculate costs. It prints; it never fails because something is slow.
//!
//! To add a benchmark: a variant of [`Benchmark`], with a function that prints a table.

use clap::ValueEnum;

use crate::error::Error;
use crate::{package, report};

/// What can be measured.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Benchmark {
    /// How big the packages are, as built and zipped
    PackageSize,
}

impl Benchmark {
    fn run(self) -> Result<(), Error> {
        match self {
            Self::PackageSize => report::phase("package sizes", package::print_sizes),
        }
    }
}

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The benchmarks to run; all of them if none is named
    #[arg(value_enum)]
    benchmarks: Vec<Benchmark>,
}

/// Runs the benchmarks that were asked for.
pub(crate) fn run(args: &Args) -> Result<(), Error> {
    let chosen = if args.benchmarks.is_empty() {
        Benchmark::value_variants()
    } else {
        &args.benchmarks
    };
    chosen.iter().try_for_each(|benchmark| benchmark.run())
}

//! `cargo xtask bench`: what Inoculate costs. It prints; it never fails because something is slow.
//!
//! To add a benchmark: a variant of [`Benchmark`], with a function that prints a table. `docs/benchmarks.md` says what
//! each figure means and how it is counted.

mod binaries;
mod cold_start;
mod figures;
mod judge;
mod layer;
mod run_cost;
mod runtime_api;
mod safety;
mod usage;

use clap::ValueEnum;

use crate::error::Error;
use crate::{package, report};

/// What can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Benchmark {
    /// How big the packages are, as built and zipped
    PackageSize,
    /// How long the functions take from nothing to being ready for their first event, and how much memory they hold then
    ColdStart,
    /// What one run uses on the local stack, what that is at list price, and what the plan says about it
    RunCost,
    /// What the layer adds to an invocation and to a start, how fast it follows a lease, and how true its delays are
    Layer,
    /// What the layer adds to a call to AWS that passes through it, and how much memory it holds with many connections
    Dependencies,
    /// How often the judge is wrong when it looks all the time, how long it takes to find an effect, and what judging costs
    Judge,
    /// How long after each kind of stop signal requests still meet faults
    Safety,
}

impl Benchmark {
    fn run(self) -> Result<(), Error> {
        match self {
            Self::PackageSize => report::phase("package sizes", package::print_sizes),
            Self::ColdStart => report::phase("cold start", cold_start::print),
            Self::RunCost => report::phase("cost of a run", run_cost::print),
            Self::Layer => report::phase("layer", layer::print),
            Self::Dependencies => report::phase("dependencies", layer::print_dependencies),
            Self::Judge => report::phase("judge", judge::print),
            Self::Safety => report::phase("safety", safety::print),
        }
    }
}

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The benchmarks to run; all of them if none is named
    #[arg(value_enum)]
    benchmarks: Vec<Benchmark>,
}

/// Runs the benchmarks that were asked for. One that fails does not keep the others from running.
pub(crate) fn run(args: &Args) -> Result<(), Error> {
    if !args.benchmarks.is_empty() {
        return run_each(&args.benchmarks);
    }
    let (packaged, all) = (package::all_packaged(), Benchmark::value_variants());
    if packaged {
        return run_each(all);
    }
    println!("There are no packages to measure: make them with `cargo xtask package`.");
    let others: Vec<_> = all
        .iter()
        .filter(|one| **one != Benchmark::PackageSize)
        .copied()
        .collect();
    run_each(&others)
}

fn run_each(benchmarks: &[Benchmark]) -> Result<(), Error> {
    let results: Vec<_> = benchmarks.iter().map(|benchmark| benchmark.run()).collect();
    results.into_iter().collect()
}

/// How many cores there are, and how busy they are: without it, times say little.
fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or_else(|_| "?".to_owned(), |cores| cores.to_string());
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split_whitespace().next().unwrap_or("unknown");
    format!("{cores} cores with a load of {load}")
}

//! `cargo xtask test`: everything that CI checks.

use std::fs::File;
use std::io::Seek;
use std::process::{Child, Command};
use std::time::Instant;

use inoculate_stack::{PythonEnv, target_dir, workspace_root};

use crate::error::Error;
use crate::process::{cargo, run as run_command, shown};
use crate::report::{duration, phase};

/// The templates that cfn-lint checks.
const TEMPLATES: [&str; 2] = ["infra/template.yaml", "examples/shop/template.yaml"];

/// Where tests that need Node say what they did not run, and why: files whose names begin like this.
const NOT_RUN: (&str, &str) = ("node", "not-run");

/// The tests of the shop, and their modules: minutes of waiting for runs, during which the others can use the processor.
const SHOP: (&str, [&str; 3]) = ("shop", ["demo::", "getting_started::", "weaknesses::"]);

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only what needs no running stack: formatting, lints, templates
    #[arg(long)]
    quick: bool,
}

/// Runs the checks, the fast ones first, and stops at the first that fails.
pub(crate) fn run(args: &Args) -> Result<(), Error> {
    let start = Instant::now();
    // In CI the lock file is law; a developer who adds a dependency changes it with the build.
    let locked: &[&str] = if std::env::var_os("CI").is_some() {
        &["--locked"]
    } else {
        &[]
    };
    let cargo_phase = |heading: &str, before: &[&str], after: &[&str]| {
        phase(heading, || run_command(&mut cargo(&[before, after].concat())))
    };

    cargo_phase("formatting", &["fmt", "--all", "--check"], &[])?;
    let python = phase("Python environment", || Ok(PythonEnv::for_stack()?))?;
    phase("templates (cfn-lint)", || {
        run_command(
            Command::new(python.program("cfn-lint"))
                .args(TEMPLATES)
                .current_dir(workspace_root()),
        )
    })?;
    let clippy = [&["clippy", "--workspace", "--all-targets"], locked].concat();
    cargo_phase("lints (clippy)", &clippy, &["--", "-D", "warnings"])?;
    if !args.quick {
        // The whole-machine tests deploy the functions and call the command, so these must be there first.
        cargo_phase("build", &["build", "--workspace", "--bins"], locked)?;
        let all = [&["test", "--workspace"], locked].concat();
        cargo_phase("build of the tests", &all, &["--no-run"])?;
        // The tests of the shop take the longest, so they begin first.
        let shop = Beside::start(cargo(&[&all, &["--test", SHOP.0][..]].concat()))?;
        // Before the tests that need it, so that none of them waits for it.
        let install = |heading: &str, tests: &str, name: &str| {
            let install = [&all[..], &["--test", tests]].concat();
            cargo_phase(heading, &install, &["--", "--nocapture", "--exact", "--ignored", name])
        };
        let skip = SHOP.1.iter().flat_map(|module| ["--skip", module]);
        let skip: Vec<&str> = std::iter::once("--").chain(skip).collect();
        let others = install(
            "clients of the Runtime API",
            "contract",
            "real_client::installed::install",
        )
        .and_then(|()| install("browser of the report", "browser", "install"))
        .and_then(|()| {
            let mut others = cargo(&[&all, &skip[..]].concat());
            phase("tests", || run_command(others.env("RUST_TEST_THREADS", threads())))
        });
        phase("tests of the shop", || shop.end())?;
        others?;
        print!("{}", not_run());
    }

    println!("\nall checks passed in {}", duration(start.elapsed()));
    Ok(())
}

/// How many tests run at once: one more than there are processors, because most of the time is spent waiting for runs.
fn threads() -> String {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    (processors + 1).to_string()
}

/// A command that runs beside others, and is shown when it has ended.
struct Beside {
    child: Child,
    shown: String,
    output: File,
}

impl Beside {
    fn start(mut command: Command) -> Result<Self, Error> {
        let shown = shown(&command);
        let failed = |source| Error::Start {
            command: shown.clone(),
            source,
        };
        let output = tempfile::tempfile().map_err(failed)?;
        let both = [output.try_clone(), output.try_clone()];
        let [out, err] = both.map(|file| file.map_err(failed));
        let child = command.stdout(out?).stderr(err?).spawn().map_err(failed)?;
        Ok(Self { child, shown, output })
    }

    /// Waits until it has ended, and prints what it has said.
    fn end(mut self) -> Result<(), Error> {
        let failed = |source| Error::Start {
            command: self.shown.clone(),
            source,
        };
        let status = self.child.wait().map_err(failed)?;
        self.output.rewind().map_err(failed)?;
        std::io::copy(&mut self.output, &mut std::io::stdout()).map_err(failed)?;
        if status.success() {
            return Ok(());
        }
        Err(Error::Failed {
            command: self.shown,
            status: status.to_string(),
        })
    }
}

/// What was not run, a line each.
fn not_run() -> String {
    let (folder, start) = NOT_RUN;
    let entries = std::fs::read_dir(target_dir().join(folder))
        .into_iter()
        .flatten()
        .flatten();
    let notes = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(start));
    let notes = notes.filter_map(|entry| std::fs::read_to_string(entry.path()).ok());
    notes.map(|note| format!("\n{note}")).collect()
}

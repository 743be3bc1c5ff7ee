//! How long a function takes from nothing to being ready, and how much memory it holds then.
//!
//! A process is started with the environment that Lambda would give it and a [`RuntimeApi`] that never has an event.
//! The time is from before the start of the process until its request for the first event. That is the part of a cold
//! start that depends on the function; what Lambda does before is its own, and the same for everybody.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use inoculate_stack::PythonEnv;

use crate::bench::binaries::Binaries;
use crate::bench::machine;
use crate::bench::runtime_api::RuntimeApi;
use crate::error::Error;
use crate::package;
use crate::report;

/// How often each function is started; enough for a 99th percentile.
const STARTS: usize = 100;

/// The services that the steps make a client for before their first event.
const SERVICES: [&str; 5] = ["dynamodb", "lambda", "cloudwatch", "sns", "events"];

/// What is started, and how it is called in the table.
struct Subject {
    name: String,
    program: PathBuf,
    arguments: Vec<String>,
    starts: Vec<Start>,
}

/// One start.
struct Start {
    took: Duration,
    /// Resident memory, where the system tells.
    resident_kb: Option<u64>,
}

/// A process that ends with this value.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        // Fails only if it has ended, which is what is wanted.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Measures every function, and a Python function beside them, and prints a table.
pub(crate) fn print() -> Result<(), Error> {
    let binaries = Binaries::find()?;
    let mut subjects: Vec<Subject> = package::names().map(|name| function(binaries, name)).collect();
    subjects.extend(python_functions(&PythonEnv::for_stack()?));
    println!(
        "starting each of {} programs {STARTS} times, on {}",
        subjects.len(),
        machine()
    );

    let api = RuntimeApi::start().map_err(|source| Error::Start {
        command: "a Runtime API".to_owned(),
        source,
    })?;
    // The first round fills the caches of the disk and does not count. In turns, so that a busy moment of the machine
    // meets all of them.
    for round in 0..=STARTS {
        for subject in &mut subjects {
            let start = subject.start(&api)?;
            if round > 0 {
                subject.starts.push(start);
            }
        }
    }
    let rows: Vec<_> = subjects.iter().map(Subject::row).collect();
    report::table(&["started until ready", "p50", "p99", "longest", "resident"], &rows);
    Ok(())
}

fn function(binaries: Binaries, name: &str) -> Subject {
    Subject {
        name: name.to_owned(),
        program: binaries.file(name),
        arguments: Vec::new(),
        starts: Vec::new(),
    }
}

fn python_functions(python: &PythonEnv) -> [Subject; 2] {
    let script = inoculate_stack::workspace_root().join("xtask/src/bench/cold_start.py");
    let subject = |name: &str, services: &[&str]| Subject {
        name: name.to_owned(),
        program: python.python(),
        arguments: ["-I", &script.display().to_string()]
            .iter()
            .chain(services)
            .map(|&argument| argument.to_owned())
            .collect(),
        starts: Vec::new(),
    };
    [
        subject("Python, import boto3", &[]),
        subject("Python, the same 5 clients", &SERVICES),
    ]
}

impl Subject {
    /// Starts the program once, until it asks for its first event.
    fn start(&self, api: &RuntimeApi) -> Result<Start, Error> {
        let mut command = self.command(api);
        let before = Instant::now();
        let child = command.spawn().map_err(|source| Error::Start {
            command: self.name.clone(),
            source,
        })?;
        let process = Process(child);
        let ready = api.first_next().map_err(|instead| Error::Benchmark {
            problem: format!("{} {instead}", self.name),
        })?;
        Ok(Start {
            took: ready.duration_since(before),
            resident_kb: resident_kb(process.0.id()),
        })
    }

    /// The command with the environment of Lambda, and what the templates add. Nothing is inherited.
    fn command(&self, api: &RuntimeApi) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).env_clear();
        command.stdout(Stdio::null()).stderr(Stdio::null());
        for (name, value) in [
            ("AWS_LAMBDA_FUNCTION_NAME", "bench"),
            ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"),
            ("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/bench"),
            ("AWS_LAMBDA_LOG_STREAM_NAME", "bench"),
            ("AWS_REGION", inoculate_stack::REGION),
            ("AWS_DEFAULT_REGION", inoculate_stack::REGION),
            ("AWS_ACCESS_KEY_ID", "none"),
            ("AWS_SECRET_ACCESS_KEY", "none"),
            ("LANG", "en_US.UTF-8"),
            ("PATH", "/usr/local/bin:/usr/bin:/bin"),
            ("INOCULATE_TABLE", "bench"),
            (
                "INOCULATE_NOTICES_TOPIC_ARN",
                "arn:aws:sns:eu-west-1:123456789012:bench",
            ),
            ("INOCULATE_EVENT_BUS", "default"),
            ("PAYMENTS_FUNCTION", "bench"),
            ("ORDERS_TABLE", "bench"),
        ] {
            command.env(name, value);
        }
        command.env("AWS_LAMBDA_RUNTIME_API", api.address());
        command
    }

    fn row(&self) -> Vec<String> {
        let mut times: Vec<Duration> = self.starts.iter().map(|start| start.took).collect();
        times.sort_unstable();
        let mut memory: Vec<u64> = self.starts.iter().filter_map(|start| start.resident_kb).collect();
        memory.sort_unstable();
        vec![
            self.name.clone(),
            report::percentile(&times, 50).map_or_else(missing, report::milliseconds),
            report::percentile(&times, 99).map_or_else(missing, report::milliseconds),
            report::percentile(&times, 100).map_or_else(missing, report::milliseconds),
            report::percentile(&memory, 50).map_or_else(missing, |kb| report::megabytes(kb * 1024)),
        ]
    }
}

fn missing() -> String {
    "-".to_owned()
}

/// The memory a process holds, from `/proc`; only Linux has it.
fn resident_kb(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}

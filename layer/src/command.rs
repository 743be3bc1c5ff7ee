//! The command line.
//!
//! ```text
//! inoculate-layer                        runs as an external extension of Lambda
//! inoculate-layer exec -- COMMAND...     runs COMMAND behind the proxy
//! ```
//!
//! The other forms are between processes of the layer itself: `exec-child`, `probe` and `pressure`.

use std::ffi::OsString;
use std::process::ExitCode;

use serde_json::json;

use crate::config::{Config, Mistake};
use crate::faults::pressure::{self, Helper};
use crate::log::Log;
use crate::{child, exec, extension, probe};

const USAGE: &str = "\
usage: inoculate-layer exec -- COMMAND [ARGUMENT...]
           runs a Lambda runtime behind the proxy
       inoculate-layer
           runs as an external extension of Lambda, beside /opt/inoculate-exec
       inoculate-layer --version
";

/// What to do.
#[derive(Debug, PartialEq, Eq)]
enum Command {
    Extension,
    Exec(Vec<OsString>),
    /// COMMAND itself, which dies with its parent.
    ExecChild(u32, Vec<OsString>),
    /// Asks for the proxy of the extension, in the name of the runtime that has this process id.
    Probe(i32),
    /// Takes memory or processor time until its parent ends.
    Pressure(u32, Helper, u32),
    Version,
    Usage,
}

impl Command {
    fn parse(arguments: &[OsString]) -> Command {
        let text: Vec<&str> = arguments.iter().map_while(|argument| argument.to_str()).collect();
        let command = match text.as_slice() {
            [] if arguments.is_empty() => Some(Command::Extension),
            ["exec", "--", ..] => Some(Command::Exec(arguments[2..].to_vec())),
            ["exec-child", parent, "--", ..] => parent
                .parse()
                .ok()
                .map(|parent| Command::ExecChild(parent, arguments[3..].to_vec())),
            ["probe", pid] => pid.parse().ok().map(Command::Probe),
            ["pressure", parent, kind, amount, secs] => pressure_of(parent, kind, amount, secs),
            ["--version"] => Some(Command::Version),
            _ => None,
        };
        command.unwrap_or(Command::Usage)
    }
}

fn pressure_of(parent: &str, kind: &str, amount: &str, secs: &str) -> Option<Command> {
    let helper = Helper::parse(kind, amount.parse().ok()?)?;
    Some(Command::Pressure(parent.parse().ok()?, helper, secs.parse().ok()?))
}

/// Runs the program with these arguments (without its own name), and returns how it ends.
#[expect(clippy::print_stdout, clippy::print_stderr, reason = "this is the command line")]
pub fn run(arguments: &[OsString]) -> ExitCode {
    match Command::parse(arguments) {
        Command::Extension => {
            let (config, log) = configure();
            extension::run(&config, log)
        }
        Command::Exec(command) => {
            let (config, log) = configure();
            exec::run(&command, &config, log)
        }
        Command::ExecChild(parent, command) => exec::run_child(parent, &command, Log::new(Config::from_env().0.log)),
        Command::Probe(pid) => match probe::find(&Config::from_env().0, pid) {
            Some(variables) => {
                println!("{}", variables.join("\n"));
                ExitCode::SUCCESS
            }
            None => ExitCode::FAILURE,
        },
        Command::Pressure(parent, helper, secs) => match pressure::help(parent, helper, secs) {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        },
        Command::Version => {
            println!("inoculate-layer {}", env!("CARGO_PKG_VERSION"));
            ExitCode::SUCCESS
        }
        Command::Usage => {
            eprint!("{USAGE}");
            ExitCode::from(2)
        }
    }
}

/// Reads the environment, and logs all that is wrong with it in one line.
fn configure() -> (Config, Log) {
    let (config, mistakes) = Config::from_env();
    let log = Log::new(config.log);
    if !mistakes.is_empty() {
        let mistakes: Vec<String> = mistakes.iter().map(Mistake::to_string).collect();
        log.error("the configuration has mistakes", json!({ "mistakes": mistakes }));
    }
    (config, log)
}

/// Becomes `command`, in the environment as it is. Returns only if that fails, with what to exit with.
pub(crate) fn without_us(command: &[OsString], log: Log) -> ExitCode {
    let failure = child::become_command(command);
    log.error(
        "the command cannot be run",
        json!({
            "command": command.first().map(|program| program.to_string_lossy()),
            "error": failure.to_string(),
        }),
    );
    ExitCode::from(child::exit_code(&failure))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_read() {
        let command = |arguments: &[&str]| Command::parse(&arguments.iter().map(OsString::from).collect::<Vec<_>>());
        let os = |arguments: &[&str]| arguments.iter().map(OsString::from).collect::<Vec<_>>();
        assert_eq!(command(&[]), Command::Extension);
        assert_eq!(
            command(&["exec", "--", "node", "--", "x"]),
            Command::Exec(os(&["node", "--", "x"]))
        );
        assert_eq!(
            command(&["exec-child", "7", "--", "node"]),
            Command::ExecChild(7, os(&["node"]))
        );
        assert_eq!(command(&["probe", "12"]), Command::Probe(12));
        assert_eq!(
            command(&["pressure", "7", "cpu", "2", "9"]),
            Command::Pressure(7, Helper::Cpu(2), 9)
        );
        for wrong in [
            &["exec"][..],
            &["exec", "node"],
            &["probe"],
            &["pressure", "7", "disk", "1", "1"],
            &["-h"],
        ] {
            assert_eq!(command(wrong), Command::Usage, "{wrong:?}");
        }
    }
}

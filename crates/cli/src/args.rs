//! The commands and their options.

mod init;
mod list;
mod run;
pub mod schedule;
mod suite;
#[cfg(test)]
mod tests;

use std::ffi::OsStr;
use std::path::PathBuf;
use std::str::FromStr;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Arg, Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use inoculate_core::names::{FunctionName, RunId};
use inoculate_core::passing::Dependency;
use inoculate_core::service::Service;
use inoculate_core::span::Span;
use inoculate_report::Format;

use crate::exit::Exit;

pub use init::Init;
pub use list::ListArgs;
pub use run::{InconclusiveAs, JunitArgs, RunArgs};
pub use suite::SuiteArgs;

/// Chaos experiments on AWS Lambda: inject a failure, measure, undo it, and say whether the system held.
#[derive(Debug, Parser)]
#[command(name = "inoculate", version, after_help = Exit::help(), max_term_width = 80)]
pub struct Cli {
    /// Options of every command.
    #[command(flatten, next_help_heading = "Options of every command")]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Options of every command.
#[derive(Debug, Args)]
pub struct Global {
    /// Name of the stack that Inoculate was deployed as
    #[arg(long, global = true, env = "INOCULATE_STACK", hide_env_values = true, default_value = DEFAULT_STACK, value_parser = stack_name)]
    pub stack: String,

    /// AWS region [default: the usual AWS configuration]
    #[arg(long, global = true)]
    pub region: Option<String>,

    /// Profile of the AWS configuration [default: the usual AWS configuration]
    #[arg(long, global = true)]
    pub profile: Option<String>,

    /// Print one JSON document instead of text, also for errors
    #[arg(long, global = true)]
    pub json: bool,
}

/// The name of the stack when nobody names another.
const DEFAULT_STACK: &str = "inoculate";

impl Global {
    /// A command about a run, for a person to type, that reaches the same stack as this one.
    pub fn command(&self, command: &str, run: &RunId) -> String {
        self.line(&format!("{command} {run}"))
    }

    /// A command for a person to type that reaches the same stack as this one.
    pub fn line(&self, command: &str) -> String {
        format!("inoculate {command}{}", self.options())
    }

    /// The options that a command needs to reach the same stack as this one, with a blank before each.
    pub fn options(&self) -> String {
        let mut line = String::new();
        let stack = Some(&self.stack).filter(|stack| stack.as_str() != DEFAULT_STACK);
        for (option, value) in [
            ("stack", stack),
            ("region", self.region.as_ref()),
            ("profile", self.profile.as_ref()),
        ] {
            if let Some(value) = value {
                line.push_str(&format!(" --{option} {value}"));
            }
        }
        line
    }
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Check experiment files and show every mistake; needs no AWS
    Validate {
        /// YAML or JSON files
        #[arg(value_name = "FILE", required = true)]
        files: Vec<PathBuf>,
    },

    /// Show what a run would touch, for how long, at what cost, and whether it could start now
    Plan {
        /// A file, or the name of a saved experiment
        #[arg(value_name = "FILE|NAME")]
        experiment: String,

        /// Do not ask AWS: say only what the file says
        #[arg(long)]
        offline: bool,
    },

    /// Run an experiment and follow it until its verdict
    Run(RunArgs),

    /// Run several experiments, those at the same time that have no function in common, and give one scorecard
    Suite(SuiteArgs),

    /// Follow a run that was started elsewhere until its verdict
    Watch {
        /// Name of the run
        run: RunId,
    },

    /// Show a run: record, faults, measures, verdict, journal
    Show {
        /// Name of the run
        run: RunId,
    },

    /// Write a run as one page for people: verdict, plots, time line, journal, what to look for
    Report {
        /// Name of the run
        run: RunId,

        /// Where to write it; a file that is there is replaced [default: RUN.html or RUN.md]
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,

        /// How it is written [default: by the name of the file; html if it does not say]
        #[arg(long, value_parser = report_format())]
        format: Option<Format>,
    },

    /// List the latest runs, newest first
    List(ListArgs),

    /// End a run now: stop its execution and put everything back
    Abort {
        /// Name of the run
        run: RunId,

        /// Why, for the journal
        #[arg(long, value_name = "TEXT", default_value = "no reason given", value_parser = reason)]
        reason: String,

        /// How long to wait until everything is back
        #[arg(long, value_name = "SPAN", default_value = "5m")]
        timeout: Span,
    },

    /// Put back whatever a run left changed; does nothing when nothing is left
    Rollback {
        /// Name of the run
        run: RunId,

        /// How long to wait until everything is back
        #[arg(long, value_name = "SPAN", default_value = "5m")]
        timeout: Span,
    },

    /// Let nothing start, and end every run under way, until `resume`
    Halt {
        /// Why, for everybody who wants to start a run
        #[arg(long, value_name = "TEXT", value_parser = reason)]
        reason: String,

        /// How long to wait until everything is back
        #[arg(long, value_name = "SPAN", default_value = "5m")]
        timeout: Span,
    },

    /// Lift the halt: runs may start again
    Resume,

    /// Save an experiment in the table, so that a schedule or the console can start it by its name
    Save {
        /// A YAML or JSON file
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },

    /// Let saved experiments start by themselves
    Schedule {
        /// What to do with schedules
        #[command(subcommand)]
        command: schedule::ScheduleCommand,
    },

    /// Add the layer to functions, for faults in single invocations
    Attach {
        /// Names of functions that are tagged inoculate=allow
        #[arg(value_name = "FUNCTION", required = true)]
        functions: Vec<FunctionName>,

        /// Services and hosts whose calls pass through the layer, so that they can meet faults; added to those that do already
        #[arg(long, value_name = "SERVICE|HOST", value_delimiter = ',', value_parser = Dependencies, hide_possible_values = true)]
        dependencies: Vec<Dependency>,

        /// Say what would change, and change nothing
        #[arg(long)]
        dry_run: bool,

        /// How long to wait until Lambda has carried out each change
        #[arg(long, value_name = "SPAN", default_value = "2m")]
        timeout: Span,
    },

    /// Take away from functions what `attach` added
    Detach {
        /// Names of functions
        #[arg(value_name = "FUNCTION", required = true)]
        functions: Vec<FunctionName>,

        /// Also while a run holds the function
        #[arg(long)]
        force: bool,

        /// Say what would change, and change nothing
        #[arg(long)]
        dry_run: bool,

        /// How long to wait until Lambda has carried out each change
        #[arg(long, value_name = "SPAN", default_value = "2m")]
        timeout: Span,
    },

    /// Say whether the layer could do its work in a function
    Doctor {
        /// Name of the function
        function: FunctionName,
    },

    /// Make an experiment of one that another tool runs
    Import {
        /// Whose it is
        #[command(subcommand)]
        from: Importable,
    },

    /// Write a run in the form of another tool
    Export {
        /// Name of the run
        run: RunId,

        /// The form: a journal of Chaos Toolkit
        #[arg(long, value_enum)]
        format: ExportFormat,

        /// Write it to this file, which must not be there yet [default: stdout]
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },

    /// Print the JSON Schema of experiments, for editors
    Schema,

    /// Print what makes a shell complete this command
    Completion {
        /// The shell
        shell: Shell,
    },

    /// Print the manual page of this command, or write it and those of all its commands
    Man {
        /// Write a page for each command into this directory
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
    },

    /// Make an experiment from the template for a weakness; without one, list them
    Init(Init),
}

/// What can be imported.
#[derive(Debug, Subcommand)]
pub enum Importable {
    /// A Chaos Toolkit experiment: Lambda actions, CloudWatch probes
    Chaostoolkit {
        /// A YAML or JSON file
        #[arg(value_name = "FILE")]
        file: PathBuf,

        /// Write the experiment to this file, which must not be there yet [default: stdout]
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,

        /// Write nothing: say only what would become of each part
        #[arg(long)]
        check: bool,

        /// A value of the configuration; the environment is not read
        #[arg(long = "var", value_name = "NAME=VALUE")]
        variables: Vec<Variable>,

        /// What an event source mapping connects: its function, and the ARN of its source
        #[arg(long = "event-source", value_name = "UUID=FUNCTION,ARN")]
        event_sources: Vec<EventSource>,
    },
}

/// The forms in which a run can be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ExportFormat {
    /// A journal of Chaos Toolkit.
    Chaostoolkit,
}

/// A value of the configuration of a Chaos Toolkit experiment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable {
    /// The name in the configuration.
    pub name: String,
    /// The value as text.
    pub value: String,
}

impl FromStr for Variable {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((name, value)) if !name.is_empty() => Ok(Variable {
                name: name.to_owned(),
                value: value.to_owned(),
            }),
            _ => Err("write it as NAME=VALUE".to_owned()),
        }
    }
}

/// What an event source mapping connects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventSource {
    /// The UUID of the mapping.
    pub uuid: String,
    /// The function that gets the events.
    pub function: FunctionName,
    /// The ARN of what they come from.
    pub arn: String,
}

impl FromStr for EventSource {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text
            .split_once('=')
            .and_then(|(uuid, rest)| Some((uuid, rest.split_once(',')?)));
        match parts {
            Some((uuid, (function, arn))) if !uuid.is_empty() && arn.starts_with("arn:") => Ok(EventSource {
                uuid: uuid.to_owned(),
                function: function.parse().map_err(|error| format!("{error}"))?,
                arn: arn.to_owned(),
            }),
            _ => Err("write it as UUID=FUNCTION,ARN".to_owned()),
        }
    }
}

/// Reads a dependency. Shells complete the services; any host is right, too.
#[derive(Clone)]
struct Dependencies;

impl TypedValueParser for Dependencies {
    type Value = Dependency;

    fn parse_ref(&self, command: &clap::Command, arg: Option<&Arg>, value: &OsStr) -> Result<Dependency, clap::Error> {
        TypedValueParser::parse_ref(&dependency, command, arg, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(
            Service::ALL
                .map(|service| PossibleValue::new(service.name()))
                .into_iter(),
        ))
    }
}

fn dependency(name: &str) -> Result<Dependency, String> {
    name.parse().map_err(|_| {
        let known: Vec<&str> = Service::ALL.iter().map(|service| service.name()).collect();
        format!(
            "the services are {}; a host is like api.example.com or *.example.com:443",
            known.join(", ")
        )
    })
}

/// The longest stack name whose functions still get names that Lambda accepts.
const LONGEST_STACK_NAME: usize = 50;

fn stack_name(text: &str) -> Result<String, String> {
    let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let starts_well = text.starts_with(|first: char| first.is_ascii_alphabetic());
    if plain && starts_well && text.len() <= LONGEST_STACK_NAME {
        Ok(text.to_owned())
    } else {
        Err(format!(
            "a stack name is a letter, then letters, digits or `-`, at most {LONGEST_STACK_NAME} in all"
        ))
    }
}

fn report_format() -> impl TypedValueParser<Value = Format> {
    named([("html", Format::Html), ("markdown", Format::Markdown)])
}

/// One of several values by its name. Shells complete the names.
fn named<T: Clone + Send + Sync + 'static>(
    values: impl IntoIterator<Item = (&'static str, T)>,
) -> impl TypedValueParser<Value = T> {
    let values: Vec<(&str, T)> = values.into_iter().collect();
    let names = PossibleValuesParser::new(values.iter().map(|(name, _)| *name));
    names.try_map(move |name| {
        let found = values.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| value.clone()).ok_or("not one of them")
    })
}

/// The longest reason: Step Functions keeps it as the cause of the stop, with a few words around it.
const LONGEST_REASON: usize = 1000;

fn reason(text: &str) -> Result<String, String> {
    if text.trim().is_empty() || text.chars().count() > LONGEST_REASON {
        return Err(format!("a reason has 1 to {LONGEST_REASON} characters"));
    }
    Ok(text.to_owned())
}

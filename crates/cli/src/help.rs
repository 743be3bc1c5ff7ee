//! What `--help` adds to the definition of the commands: examples, each of which a test parses.

use clap::{CommandFactory, FromArgMatches};

use crate::args::Cli;

/// The examples of each command, by the words that name it.
const EXAMPLES: &[(&str, &[&str])] = &[
    (
        "validate",
        &[
            "inoculate validate experiments/*.yaml",
            "inoculate validate throttle.yaml --json",
        ],
    ),
    (
        "plan",
        &[
            "inoculate plan throttle.yaml",
            "inoculate plan throttle.yaml --offline",
            "inoculate plan throttle-payments --json",
        ],
    ),
    (
        "run",
        &[
            "inoculate run throttle.yaml",
            "inoculate run throttle-payments --run-id release-42 --no-wait",
            "inoculate run throttle.yaml --junit results.xml --report report.md",
        ],
    ),
    (
        "suite",
        &[
            "inoculate suite experiments --dry-run",
            "inoculate suite experiments --parallel 2 --junit results.xml",
            "inoculate suite slow.yaml throttle.yaml --markdown scorecard.md",
        ],
    ),
    ("watch", &["inoculate watch throttle-payments-20260304-090000-9f3c2a"]),
    (
        "show",
        &[
            "inoculate show throttle-payments-20260304-090000-9f3c2a",
            "inoculate show release-42 --json",
        ],
    ),
    (
        "report",
        &[
            "inoculate report release-42",
            "inoculate report release-42 --out release-42.md",
        ],
    ),
    (
        "list",
        &[
            "inoculate list",
            "inoculate list --status failed,rollback_failed --since 24h",
            "inoculate list --experiment throttle-payments --limit 100 --json",
        ],
    ),
    ("abort", &["inoculate abort release-42 --reason \"incident 4711\""]),
    ("rollback", &["inoculate rollback release-42"]),
    ("halt", &["inoculate halt --reason \"incident 4711\""]),
    ("resume", &["inoculate resume"]),
    ("save", &["inoculate save throttle.yaml"]),
    (
        "schedule",
        &[
            "inoculate schedule add throttle-payments --cron \"0 10 ? * TUE *\" --timezone Europe/Berlin",
            "inoculate schedule list",
            "inoculate schedule remove throttle-payments",
        ],
    ),
    (
        "schedule add",
        &[
            "inoculate schedule add throttle-payments --cron \"0 10 ? * TUE *\" --timezone Europe/Berlin",
            "inoculate schedule add throttle-payments --rate \"7 days\" --flexible 1h --until 2026-12-31",
            "inoculate schedule add throttle-payments --at 2026-12-01T10:00 --name before-the-sale",
        ],
    ),
    (
        "schedule list",
        &["inoculate schedule list", "inoculate schedule list --json"],
    ),
    ("schedule remove", &["inoculate schedule remove throttle-payments"]),
    (
        "attach",
        &[
            "inoculate attach shop-payments shop-checkout",
            "inoculate attach shop-payments --dry-run",
        ],
    ),
    ("detach", &["inoculate detach shop-payments shop-checkout"]),
    ("doctor", &["inoculate doctor shop-payments"]),
    (
        "import",
        &[
            "inoculate import chaostoolkit experiment.json --check",
            "inoculate import chaostoolkit experiment.json --out experiment.yaml",
        ],
    ),
    (
        "import chaostoolkit",
        &[
            "inoculate import chaostoolkit experiment.json --check",
            "inoculate import chaostoolkit experiment.json --var function=shop-payments --out experiment.yaml",
            "inoculate import chaostoolkit experiment.json --event-source \
             bc9f5f0a-a3a7-4b1c-9b3e-5f5ad9f3c2a1=shop-orders,arn:aws:sqs:eu-west-1:123456789012:orders",
        ],
    ),
    (
        "export",
        &["inoculate export release-42 --format chaostoolkit --out journal.json"],
    ),
    (
        "init",
        &[
            "inoculate init",
            "inoculate init --template latency",
            "inoculate init --template latency --function checkout --dependency payments slow.yaml",
        ],
    ),
    ("schema", &["inoculate schema > experiment.schema.json"]),
    (
        "completion",
        &[
            "inoculate completion bash > ~/.local/share/bash-completion/completions/inoculate",
            "inoculate completion zsh > ~/.zfunc/_inoculate",
            "inoculate completion fish > ~/.config/fish/completions/inoculate.fish",
        ],
    ),
    ("man", &["inoculate man --out ~/.local/share/man/man1"]),
];

/// The definition of the command line, with examples.
pub fn command() -> clap::Command {
    EXAMPLES.iter().fold(Cli::command(), |command, (path, examples)| {
        let path: Vec<&str> = path.split(' ').collect();
        let examples = format!("Examples:\n  {}", examples.join("\n  "));
        with_help(command, &path, examples)
    })
}

/// The command with this text below the help of the command of this path.
fn with_help(command: clap::Command, path: &[&str], text: String) -> clap::Command {
    match path {
        [] => command.after_help(text),
        [name, rest @ ..] => command.mut_subcommand(name, |command| with_help(command, rest, text)),
    }
}

/// Reads a command line, of which the first word is the name of the program.
///
/// # Errors
/// What is wrong with it; help and version, too, when they are asked for.
pub fn parse<Word>(words: impl IntoIterator<Item = Word>) -> Result<Cli, clap::Error>
where
    Word: Into<std::ffi::OsString> + Clone,
{
    let mut command = command();
    let matches = command.try_get_matches_from_mut(words)?;
    Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut command))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_definition_is_sound() {
        command().debug_assert();
    }

    /// The commands with the words that name each, those within others behind them.
    fn commands(within: &str, command: &clap::Command) -> Vec<(String, clap::Command)> {
        let each = |command: &clap::Command| {
            let path = format!("{within} {}", command.get_name()).trim().to_owned();
            let nested = commands(&path, command);
            [(path, command.clone())].into_iter().chain(nested)
        };
        let people = command.get_subcommands().filter(|command| command.get_name() != "help");
        people.flat_map(each).collect()
    }

    #[test]
    fn every_command_has_examples_that_are_right() {
        let named: BTreeSet<String> = EXAMPLES.iter().map(|(path, _)| (*path).to_owned()).collect();
        let known: BTreeSet<String> = commands("", &Cli::command())
            .into_iter()
            .map(|(path, _)| path)
            .collect();
        assert_eq!(named, known);
        for (path, examples) in EXAMPLES {
            assert!(!examples.is_empty(), "{path}");
            for example in *examples {
                let of_the_command = format!("inoculate {path}");
                let rest = example.strip_prefix(&of_the_command);
                assert!(
                    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(' ')),
                    "{example}"
                );
                let line = example.split(" > ").next().unwrap();
                let words = shlex::split(line).unwrap();
                parse(words).unwrap_or_else(|error| panic!("{example}: {error}"));
            }
        }
    }

    #[test]
    fn the_help_of_every_command() {
        let mut command = command().term_width(80);
        command.build();
        let helps = commands("", &command)
            .into_iter()
            .map(|(_, mut command)| command.render_help().to_string());
        insta::assert_snapshot!(helps.collect::<Vec<_>>().join("\n---\n\n"));
    }

    #[test]
    fn what_is_wrong_with_a_command_line_is_said_with_what_would_be_right() {
        let said = [
            "inoculate wach r-1",
            "inoculate run throttle.yaml --jnuit results.xml",
            "inoculate abort",
            "inoculate report r-1 --format pdf",
            "inoculate attach shop --dependencies dynamo",
            "inoculate halt --reason=",
        ]
        .map(|line| {
            let error = parse(line.split(' ')).unwrap_err();
            format!("$ {line}\n{error}")
        });
        insta::assert_snapshot!(said.join("\n"));
    }
}

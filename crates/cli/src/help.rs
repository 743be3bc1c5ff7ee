//! What `--help` adds to the definition of the commands: examples, each of which a test parses.

use clap::{CommandFactory, FromArgMatches};

use crate::args::Cli;

/// The examples of each command.
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
    EXAMPLES.iter().fold(Cli::command(), |command, (name, examples)| {
        let examples = format!("Examples:\n  {}", examples.join("\n  "));
        command.mut_subcommand(name, |command| command.after_help(examples))
    })
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
    use super::*;

    #[test]
    fn the_definition_is_sound() {
        command().debug_assert();
    }

    #[test]
    fn every_command_has_examples_that_are_right() {
        let mut named: Vec<&str> = EXAMPLES.iter().map(|(name, _)| *name).collect();
        let command = Cli::command();
        let mut commands: Vec<&str> = command.get_subcommands().map(clap::Command::get_name).collect();
        named.sort_unstable();
        commands.sort_unstable();
        assert_eq!(named, commands);
        for (name, examples) in EXAMPLES {
            assert!(!examples.is_empty(), "{name}");
            for example in *examples {
                let line = example.split(" > ").next().unwrap();
                let words = shlex::split(line).unwrap();
                assert_eq!(
                    (words[0].as_str(), words[1].as_str()),
                    ("inoculate", *name),
                    "{example}"
                );
                parse(words).unwrap_or_else(|error| panic!("{example}: {error}"));
            }
        }
    }

    #[test]
    fn the_help_of_every_command() {
        let mut command = command().term_width(80);
        command.build();
        let helps = command
            .get_subcommands_mut()
            .map(|command| command.render_help().to_string());
        insta::assert_snapshot!(helps.collect::<Vec<_>>().join("\n---\n\n"));
    }
}

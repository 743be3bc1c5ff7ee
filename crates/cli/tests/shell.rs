//! What the built command gives to shells and to `man`.

#![expect(
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is not as it should be"
)]

use std::io::Write;
use std::process::{Command, Stdio};

use inoculate_cli::help;

fn inoculate(args: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_inoculate"))
        .args(args)
        .output()
        .unwrap();
    assert!(output.status.success(), "{args:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The words that name each command, those within others behind them: `schedule`, `schedule add`.
fn commands() -> Vec<String> {
    fn within(path: &str, command: &clap::Command) -> Vec<String> {
        let each = |command: &clap::Command| {
            let path = format!("{path} {}", command.get_name()).trim().to_owned();
            let nested = within(&path, command);
            [path].into_iter().chain(nested)
        };
        command.get_subcommands().flat_map(each).collect()
    }
    within("", &help::command())
}

#[test]
fn every_shell_completes_every_command_and_its_options() {
    for shell in ["bash", "zsh", "fish"] {
        let script = inoculate(&["completion", shell]);
        for command in commands().iter().flat_map(|path| path.split(' ')) {
            assert!(script.contains(command), "{shell} does not know {command}");
        }
        for option in ["inconclusive-as", "rollback_failed", "dry-run"] {
            assert!(script.contains(option), "{shell} does not know {option}");
        }
        for value in ["regional-failover", "secretsmanager"] {
            assert!(script.contains(value), "{shell} does not know {value}");
        }
    }
}

/// Bash itself reads the script and completes the last word of each line with it.
#[test]
fn bash_completes_a_command_and_its_values() {
    let script = inoculate(&["completion", "bash"]);
    for (line, completed) in [
        ("wat", "watch"),
        ("report --format ma", "markdown"),
        ("init --template lat", "latency"),
        ("attach shop --dependencies sec", "secretsmanager"),
    ] {
        let words: Vec<&str> = ["inoculate"].into_iter().chain(line.split(' ')).collect();
        let (at, last) = (words.len() - 1, words[words.len() - 1]);
        let before = words[at - 1];
        let asks = format!(
            "COMP_WORDS=({}); COMP_CWORD={at}; _inoculate inoculate {last} {before}; echo \"${{COMPREPLY[@]}}\"",
            words.join(" ")
        );
        assert_eq!(bash(&format!("{script}\n{asks}")), completed, "{line}");
    }
}

/// What bash says to a script.
fn bash(script: &str) -> String {
    let mut bash = Command::new("bash")
        .args(["--norc", "-s"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = bash.stdin.take().unwrap();
    writeln!(stdin, "{script}").unwrap();
    drop(stdin);
    let output = bash.wait_with_output().unwrap();
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

#[test]
fn there_is_a_manual_page_for_every_command() {
    let page = inoculate(&["man"]);
    assert!(page.contains(".TH inoculate 1"), "{page}");
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("man1");
    inoculate(&["man", "--out", out.to_str().unwrap()]);
    for command in commands() {
        let name = format!("inoculate-{}.1", command.replace(' ', "-"));
        let page = std::fs::read_to_string(out.join(name)).unwrap();
        assert!(
            page.contains("Examples:") && page.contains(&format!("inoculate {command}")),
            "{page}"
        );
    }
    assert!(out.join("inoculate.1").is_file());
    insta::assert_snapshot!(std::fs::read_to_string(out.join("inoculate-run.1")).unwrap());
}

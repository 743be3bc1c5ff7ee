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

fn commands() -> Vec<String> {
    let command = help::command();
    let names = command.get_subcommands().map(|command| command.get_name().to_owned());
    names.collect()
}

#[test]
fn every_shell_completes_every_command_and_its_options() {
    for shell in ["bash", "zsh", "fish"] {
        let script = inoculate(&["completion", shell]);
        for command in commands() {
            assert!(script.contains(&command), "{shell} does not know {command}");
        }
        for option in ["inconclusive-as", "rollback_failed", "dry-run"] {
            assert!(script.contains(option), "{shell} does not know {option}");
        }
    }
}

/// Bash itself reads the script and completes a word with it.
#[test]
fn bash_completes_a_command() {
    let script = inoculate(&["completion", "bash"]);
    let asks = "COMP_WORDS=(inoculate wat); COMP_CWORD=1; _inoculate inoculate wat inoculate; echo \"${COMPREPLY[@]}\"";
    let mut bash = Command::new("bash")
        .args(["--norc", "-s"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = bash.stdin.take().unwrap();
    writeln!(stdin, "{script}\n{asks}").unwrap();
    drop(stdin);
    let output = bash.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "watch");
}

#[test]
fn there_is_a_manual_page_for_every_command() {
    let page = inoculate(&["man"]);
    assert!(page.contains(".TH inoculate 1"), "{page}");
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("man1");
    inoculate(&["man", "--out", out.to_str().unwrap()]);
    for command in commands() {
        let page = std::fs::read_to_string(out.join(format!("inoculate-{command}.1"))).unwrap();
        assert!(
            page.contains("Examples:") && page.contains(&format!("inoculate {command}")),
            "{page}"
        );
    }
    assert!(out.join("inoculate.1").is_file());
}

//! Every command of docs/getting-started.md, one after the other, as somebody who follows it types them.

use std::path::Path;
use std::process::{Command, Output};

use inoculate_stack::{Stack, dev_binaries, workspace_root};

use super::{HARDENED, NAIVE, open, traffic, turn};

/// What a reader types first: the local stack, which the test opens itself.
const OPENING: &str = "cargo xtask local";

/// One command of the document, and the exit code that it says.
struct Step {
    command: String,
    exits_with: i32,
}

/// The lines that begin with `$`. After `# exits with N` stands what the reader will see instead of 0.
fn steps(document: &str) -> Vec<Step> {
    let commands = document.lines().filter_map(|line| line.strip_prefix("$ "));
    let step = |line: &str| {
        let (command, comment) = line.split_once(" # exits with ").unwrap_or((line, "0"));
        let digits: String = comment.chars().take_while(char::is_ascii_digit).collect();
        Step {
            command: command.to_owned(),
            exits_with: digits.parse().unwrap(),
        }
    };
    commands.map(step).collect()
}

/// The command as the shell of `cargo xtask local` runs it.
fn typed(stack: &Stack, folder: &Path, command: &str) -> Output {
    let mut shell = Command::new("sh");
    stack.reached_by(shell.args(["-c", command]).current_dir(folder));
    let path = std::env::var("PATH").unwrap_or_default();
    shell.env("PATH", format!("{}:{path}", dev_binaries().display()));
    shell.output().unwrap()
}

#[test]
fn somebody_who_follows_getting_started_sees_what_it_says() {
    let _turn = turn();
    let document = std::fs::read_to_string(workspace_root().join("docs/getting-started.md")).unwrap();
    let mut steps = steps(&document);
    assert_eq!(steps.remove(0).command, OPENING);
    assert!(steps.len() >= 8, "{}", steps.len());

    let stack = open();
    for checkout in [NAIVE, HARDENED] {
        traffic(&stack, checkout, "3s").wait().unwrap();
    }
    let customers = [NAIVE, HARDENED].map(|checkout| traffic(&stack, checkout, "20m"));
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(workspace_root().join("examples"), folder.path().join("examples")).unwrap();
    for Step { command, exits_with } in steps {
        let output = typed(&stack, folder.path(), &command);
        assert_eq!(output.status.code(), Some(exits_with), "{command}\n{output:?}");
    }
    drop(customers);
}

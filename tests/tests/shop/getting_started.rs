//! Every command of docs/getting-started.md, typed one after the other into the shell that it opens.

use std::os::unix::fs::symlink;

use inoculate_stack::workspace_root;
use inoculate_tests::documents::{commands, page};
use inoculate_tests::terminal::{CommandBuilder, Terminal};

use super::turn;

const DOCUMENT: &str = "docs/getting-started.md";

/// What a reader types first.
const OPENING: &str = "cargo xtask local";

#[test]
fn somebody_who_follows_getting_started_sees_what_it_says() {
    let _turn = turn();
    let mut commands = commands(DOCUMENT, &page(DOCUMENT)).into_iter();
    let opening = commands.next().unwrap().typed;
    assert_eq!(opening, OPENING);
    let mut words = opening.split(' ');
    let mut local = CommandBuilder::new(words.next().unwrap());
    local.args(words);
    local.cwd(workspace_root());
    local.env("SHELL", "sh");

    let mut shell = Terminal::start(local);
    shell.shows("This shell talks to the local stack");
    // What the reader makes is not for this workspace.
    let folder = tempfile::tempdir().unwrap();
    symlink(workspace_root().join("examples"), folder.path().join("examples")).unwrap();
    shell.press(&format!("cd {}\n", folder.path().display()));
    let mut typed = 0;
    for command in commands {
        typed += 1;
        shell.press(&format!("{}; echo \"it\" {typed} exited with $?.\n", command.typed));
        let code = shell.shows_between(&format!("it {typed} exited with "), ".");
        assert_eq!(
            code,
            command.exits_with.to_string(),
            "{command:?}\n{}",
            shell.contents()
        );
    }
    assert!(typed >= 8, "{typed}");
    shell.press("exit\n");
    assert_eq!(shell.ends(), 0);
}

//! `cargo xtask demo`, the first thing that the README tells people to type.

use std::process::Command;

use inoculate_stack::workspace_root;

use super::turn;

#[test]
fn the_demo_shows_what_the_readme_says() {
    let _turn = turn();
    let mut demo = Command::new("cargo");
    let output = demo
        .args(["xtask", "demo"])
        .current_dir(workspace_root())
        .output()
        .unwrap();
    let shown = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{shown}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let readme = std::fs::read_to_string(workspace_root().join("README.md")).unwrap();
    for sentence in [
        "What this showed:",
        "with payments a second slower for half of the orders:",
        "with every invocation of payments throttled:",
        "Everything is as it was: the reserved concurrency of shop-payments is none again, and every process has ended.",
    ] {
        assert!(readme.contains(sentence), "the README does not show: {sentence}");
        assert!(shown.contains(sentence), "the demo does not say: {sentence}\n{shown}");
    }
}

//! `inoculate import`, as the built command: files in, files and text and exit code out.

#![expect(
    clippy::unwrap_used,
    reason = "a test ends at the first thing that is not as it should be"
)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

fn sample(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/chaostoolkit")
        .join(name)
}

/// Runs the command in a folder, with an environment that an experiment could ask for.
fn inoculate(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_inoculate"))
        .args(args)
        .current_dir(folder)
        .env_clear()
        .env("HOME", folder)
        .env("SHOP_ALARM", "from-the-environment")
        .env("PAYMENTS_FUNCTION", "from-the-environment")
        .output()
        .unwrap()
}

fn import(folder: &Path, name: &str, more: &[&str]) -> Output {
    let file = sample(name);
    let args = ["import", "chaostoolkit", file.to_str().unwrap()];
    inoculate(folder, &[&args, more].concat())
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn what_goes_to_stdout_is_valid_and_nothing_is_said_there_but_it() {
    let folder = tempfile::tempdir().unwrap();
    let output = import(folder.path(), "throttled.json", &["--var", "alarm=shop-revenue"]);
    assert_eq!(output.status.code(), Some(0));
    std::fs::write(folder.path().join("a.yaml"), &output.stdout).unwrap();
    let validated = inoculate(folder.path(), &["validate", "a.yaml"]);
    let name = "checkout-goes-on-while-payments-is-throttled";
    assert_eq!(
        text(&validated.stdout),
        format!("a.yaml: valid: {name}, 1 fault, 1 measure\n")
    );
    assert!(text(&output.stderr).contains("nothing is left out"));
}

/// Whoever wrote the file does not get at the environment of whoever imports it.
#[test]
fn the_environment_is_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let output = import(folder.path(), "throttled.json", &[]);
    let said = text(&output.stdout) + &text(&output.stderr);
    assert!(!said.contains("from-the-environment"), "{said}");
    assert!(said.contains("give it with `--var alarm=VALUE`"), "{said}");
}

#[test]
fn a_file_is_written_once_and_not_at_all_when_it_is_only_checked() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out.yaml");
    let write = ["--var", "alarm=a", "--out", "out.yaml"];
    let checked = import(folder.path(), "throttled.json", &[&write[..], &["--check"]].concat());
    assert_eq!((checked.status.code(), out.exists()), (Some(0), false));
    assert!(text(&checked.stdout).starts_with("becomes\n"));

    let written = import(folder.path(), "throttled.json", &write);
    assert_eq!(written.status.code(), Some(0));
    assert!(text(&written.stdout).ends_with("wrote out.yaml\n"));

    std::fs::write(&out, "mine").unwrap();
    let refused = import(folder.path(), "throttled.json", &write);
    assert_eq!(refused.status.code(), Some(2));
    assert!(text(&refused.stderr).contains("error[Conflict]: out.yaml is there already"));
    assert_eq!(std::fs::read_to_string(&out).unwrap(), "mine");
}

#[test]
fn a_draft_that_is_not_valid_yet_exits_with_2_and_says_what_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let output = import(folder.path(), "alarm-only.json", &["--json"]);
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(2), String::new()));
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&said["valid"], &said["experiment"]),
        (&Value::Bool(false), &Value::Null)
    );
    assert_eq!(said["problems"][0]["pointer"], "/steady_state");
    assert_eq!(said["parts"][0]["fate"], "becomes");
}

#[test]
fn what_cannot_be_read_says_where() {
    let folder = tempfile::tempdir().unwrap();
    for (file, content, expected) in [
        (
            "broken.json",
            "{ \"title\": \"a\", \"method\": [\n  \"say \"hello\"\" ] }",
            "broken.json:2:",
        ),
        ("anchor.yaml", "title: &a x\nmethod: []\n", "anchors and aliases"),
        ("other.yaml", "name: a\n", "this is no experiment of Chaos Toolkit"),
        ("empty.json", "", "the file is empty"),
    ] {
        std::fs::write(folder.path().join(file), content).unwrap();
        let output = inoculate(folder.path(), &["import", "chaostoolkit", file]);
        assert_eq!(output.status.code(), Some(2), "{file}");
        assert_eq!(text(&output.stdout), "", "{file}");
        assert!(
            text(&output.stderr).contains(expected),
            "{file}: {}",
            text(&output.stderr)
        );
    }
}

//! What a policy scanner says of the template: nothing, but what is argued there.
//!
//! The first use on a machine installs the packages of `tests/scanner/requirements.txt` into `target/python/`; that takes about
//! a minute and 300 MB. The scan itself needs no network, and has none.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a helper of a test fails the test")]

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use inoculate_stack::{PythonEnv, workspace_root};
use inoculate_tests::template;
use serde_json::Value;

/// A check, and the resource that it is about.
type Finding = (String, String);

/// What checkov finds in a template.
fn scan(file: &Path) -> Value {
    let python = PythonEnv::prepare(&workspace_root().join("tests/scanner/requirements.txt"))
        .unwrap_or_else(|error| panic!("checkov is needed: {error}"));
    // An empty home, where it could find no settings, and a way to the network that ends at once.
    let home = tempfile::tempdir().unwrap();
    let output = Command::new(python.program("checkov"))
        .args([
            "--framework",
            "cloudformation",
            "--skip-download",
            "--output",
            "json",
            "--file",
        ])
        .arg(file)
        .current_dir(home.path())
        .env_clear()
        .env("HOME", home.path())
        .env("PATH", python.bin())
        .envs(["HTTP_PROXY", "HTTPS_PROXY"].map(|proxy| (proxy, "http://127.0.0.1:9")))
        .output()
        .unwrap();
    let report: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    assert_eq!(report["summary"]["parsing_errors"], 0, "{report:#}");
    let resources = template::inoculate().resources().count();
    assert_eq!(report["summary"]["resource_count"], resources, "{report:#}");
    assert!(report["summary"]["passed"].as_u64() > Some(50), "{report:#}");
    report
}

fn findings(report: &Value, kind: &str) -> BTreeSet<Finding> {
    let found = report["results"][kind].as_array().unwrap().iter();
    let finding = |found: &Value| {
        let (_, resource) = found["resource"].as_str().unwrap().rsplit_once('.').unwrap();
        (found["check_id"].as_str().unwrap().to_owned(), resource.to_owned())
    };
    found.map(finding).collect()
}

#[test]
fn the_scanner_finds_nothing_but_what_is_argued() {
    let report = scan(&workspace_root().join("infra/template.yaml"));
    assert_eq!(findings(&report, "failed_checks"), BTreeSet::new());
}

/// An argument for what is not found any more would hide the day on which it is found again.
#[test]
fn what_is_argued_is_what_the_scanner_would_find() {
    let mut argued = BTreeSet::new();
    let mut bare = template::inoculate().value().clone();
    for (name, resource) in bare["Resources"].as_object_mut().unwrap() {
        let Some(metadata) = resource.as_object_mut().unwrap().remove("Metadata") else {
            continue;
        };
        for skip in metadata["checkov"]["skip"].as_array().unwrap() {
            let argument = skip["comment"].as_str().unwrap();
            assert!(argument.split(' ').count() >= 5, "{name}: {argument} is no argument");
            argued.insert((skip["id"].as_str().unwrap().to_owned(), name.clone()));
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("template.json");
    std::fs::write(&file, bare.to_string()).unwrap();
    assert_eq!(findings(&scan(&file), "failed_checks"), argued);
}

//! The functions of both templates: code, logs, tags.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::Command;

use inoculate_stack::{package, workspace_root};
use inoculate_tests::template::{self, Template, text};
use serde_json::{Value, json};

fn both() -> [&'static Template; 2] {
    [template::inoculate(), template::shop()]
}

/// The binaries of the workspace, by the folder of their package.
fn binaries() -> BTreeMap<String, BTreeSet<String>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .current_dir(workspace_root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let root = workspace_root().display().to_string();
    let mut found = BTreeMap::new();
    for package in metadata["packages"].as_array().unwrap() {
        let manifest = package["manifest_path"].as_str().unwrap();
        let folder = manifest.trim_start_matches(&root).trim_matches('/');
        let targets = package["targets"].as_array().unwrap().iter();
        let names = targets
            .filter(|target| target["kind"] == json!(["bin"]))
            .map(|target| target["name"].as_str().unwrap().to_owned());
        found.insert(folder.trim_end_matches("/Cargo.toml").to_owned(), names.collect());
    }
    found
}

/// The names of the packages that a template deploys.
fn packages(template: &Template, folder: &str) -> BTreeSet<String> {
    let name = |function| {
        let uri = template.of_function(function, "CodeUri").as_str().unwrap();
        let name = uri.strip_prefix(folder).and_then(|rest| rest.strip_suffix('/'));
        name.unwrap_or_else(|| panic!("{function} is not in {folder}: {uri}"))
            .to_owned()
    };
    template.functions().into_iter().map(name).collect()
}

#[test]
fn every_function_is_a_binary_of_the_workspace() {
    let binaries = binaries();
    let steps: BTreeSet<String> = binaries
        .iter()
        .filter(|(folder, _)| folder.starts_with("functions/"))
        .flat_map(|(_, names)| names.clone())
        .collect();
    assert_eq!(packages(template::inoculate(), "../target/lambda/"), steps);
    let shop = packages(template::shop(), "../../target/lambda/");
    assert!(shop.is_subset(&binaries["examples/shop"]), "{shop:?}");
}

#[test]
fn every_function_runs_as_a_binary_on_amazon_linux() {
    for template in both() {
        for function in template.functions() {
            let property = |name| template.of_function(function, name);
            assert_eq!(property("Runtime"), "provided.al2023", "{function}");
            assert_eq!(
                property("Architectures"),
                &json!([{ "Ref": "Architecture" }]),
                "{function}"
            );
        }
    }
}

/// The script that starts the shop takes the handler for the name of the program.
#[test]
fn every_package_has_a_bootstrap_and_the_program_that_it_starts() {
    for template in both() {
        for function in template.functions() {
            let uri = template.of_function(function, "CodeUri").as_str().unwrap();
            let (_, name) = uri.trim_end_matches('/').rsplit_once('/').unwrap();
            let files = package::files(name, |name| PathBuf::from(name));
            assert!(files.contains_key("bootstrap"), "{function}");
            let handler = template.of_function(function, "Handler").as_str().unwrap();
            assert_eq!(files.get(handler), Some(&PathBuf::from(name)), "{function}");
        }
    }
}

/// Without a group of its own Lambda would make one that keeps logs for ever.
#[test]
fn every_function_has_a_log_group_of_its_own_with_retention() {
    for template in both() {
        let mut groups = BTreeSet::new();
        for function in template.functions() {
            let group = text(&template.of_function(function, "LoggingConfig")["LogGroup"]);
            let group = group.trim_start_matches("${").trim_end_matches('}').to_owned();
            let name = text(template.of_function(function, "FunctionName"));
            let properties = template.properties(&group);
            assert_eq!(text(&properties["LogGroupName"]), format!("/aws/lambda/{name}"));
            assert!(groups.insert(group.clone()), "{group} is shared");
        }
        for (group, properties) in template.all("AWS::Logs::LogGroup") {
            assert_eq!(
                properties["RetentionInDays"],
                json!({ "Ref": "LogRetentionDays" }),
                "{group}"
            );
        }
    }
}

#[test]
fn the_shop_allows_experiments_and_inoculate_does_not() {
    for function in template::shop().functions() {
        assert_eq!(
            template::shop().properties(function)["Tags"]["inoculate"],
            "allow",
            "{function}"
        );
    }
    for function in template::inoculate().functions() {
        let tags = template::inoculate().of_function(function, "Tags");
        assert_eq!(tags, &Value::Null, "{function}");
    }
}

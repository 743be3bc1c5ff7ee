//! Every experiment in `examples/experiments` is one that may be run.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a helper of a test fails the test")]

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use inoculate_core::experiment::{Experiment, Fault};
use inoculate_core::read::experiment_from_text;

/// The experiments, each with the name of its file without `.yaml`.
fn examples() -> Vec<(String, Experiment)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../examples/experiments");
    let files = fs::read_dir(&folder).unwrap().map(|file| file.unwrap().path());
    let read = |file: PathBuf| {
        let text = fs::read_to_string(&file).unwrap();
        let experiment =
            experiment_from_text(&text).unwrap_or_else(|problems| panic!("{}: {problems:#?}", file.display()));
        let schema = text
            .lines()
            .next()
            .and_then(|line| line.strip_prefix("# yaml-language-server: $schema="));
        let schema = folder.join(schema.unwrap_or_else(|| panic!("{}: line 1 names no schema", file.display())));
        assert!(
            schema.exists(),
            "{}: {} does not exist",
            file.display(),
            schema.display()
        );
        (file.file_stem().unwrap().to_string_lossy().into_owned(), experiment)
    };
    files.map(read).collect()
}

#[test]
fn every_example_is_valid_and_named_like_its_file() {
    for (file, experiment) in examples() {
        assert_eq!(experiment.name.as_str(), file);
    }
}

#[test]
fn there_is_an_example_of_every_kind_of_fault() {
    let examples = examples();
    let kinds: BTreeSet<&str> = examples.iter().flat_map(|(_, e)| &e.faults).map(Fault::kind).collect();
    let schema = Experiment::json_schema();
    let known = schema.pointer("/$defs/Fault/oneOf").unwrap().as_array().unwrap();
    let known = known
        .iter()
        .map(|kind| kind["properties"]["kind"]["const"].as_str().unwrap());
    assert_eq!(kinds, known.collect());
}

#[test]
fn those_of_the_demo_differ_only_in_the_checkout_that_they_look_at() {
    for what in ["throttled", "slow"] {
        let read = |version: &str| {
            let name = format!("payments-{what}-{version}");
            let found = examples().into_iter().find(|(file, _)| *file == name);
            serde_json::to_string(&found.unwrap().1).unwrap()
        };
        assert_eq!(read("naive").replace("-naive", "-hardened"), read("hardened"));
    }
}

#[test]
fn the_experiments_in_the_readme_are_valid() {
    let readme = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../README.md");
    let text = fs::read_to_string(readme).unwrap();
    let blocks = text
        .split("```yaml\n")
        .skip(1)
        .filter_map(|rest| rest.split("```").next());
    let experiments: Vec<&str> = blocks.filter(|block| block.contains("hypothesis:")).collect();
    assert_eq!(
        experiments.len(),
        2,
        "the README shows an experiment with and one without the layer"
    );
    for experiment in experiments {
        experiment_from_text(experiment).unwrap_or_else(|problems| panic!("README.md: {problems:#?}"));
    }
}

//! Files of Chaos Toolkit in, journals out, and what Chaos Toolkit itself says of both.
//!
//! The first use on a machine installs the packages of `tests/chaostoolkit/requirements.txt` into `target/python/`. Without
//! Python or a way to its packages the test fails and says so.

mod published;
mod refs;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use inoculate_core::experiment::Tolerance;
use inoculate_core::judge::Verdict;
use inoculate_core::read::experiment_from_text;
use inoculate_core::run::Status;
use inoculate_stack::{PythonEnv, workspace_root};
use serde_json::{Map, Value, json};

use super::activity::Known;
use super::parts;
use super::variables::Variables;
use super::{Draft, Given, Source, actions, import, journal, probes, read, tolerance};
use crate::render;
use crate::render::samples;
use crate::render::style::Style;
use inoculate_core::details::RunDetails;

const FILES: [&str; 5] = [
    "throttled.json",
    "alarm-only.json",
    "settings.yaml",
    "invocations.yaml",
    "elsewhere.json",
];

fn folder() -> PathBuf {
    workspace_root().join("crates/cli/tests/chaostoolkit")
}

fn file(name: &str) -> Value {
    read(&std::fs::read_to_string(folder().join(name)).unwrap()).unwrap()
}

/// What a person gives for a file: values of the variables that it has.
fn given_to(file: &Value) -> Given {
    let source = Source {
        function: "shop-payments".parse().unwrap(),
        arn: "arn:aws:sqs:eu-central-1:123456789012:orders".to_owned(),
    };
    let mut variables = BTreeMap::from([("alarm".to_owned(), "shop-revenue".to_owned())]);
    variables.retain(|variable, _| file.pointer(&format!("/configuration/{variable}")).is_some());
    Given {
        variables,
        event_sources: BTreeMap::from([("11111111-2222-3333-4444-555555555555".to_owned(), source)]),
    }
}

fn imported(name: &str) -> Draft {
    let file = file(name);
    import(name, &file, &given_to(&file)).unwrap()
}

#[test]
fn a_file_becomes_an_experiment_and_each_part_of_it_says_what_became_of_it() {
    for name in FILES {
        let draft = imported(name);
        let text = render::import::text(&draft, None, Style::PLAIN);
        insta::assert_snapshot!(name, format!("{}\n{text}", draft.text));
        assert_eq!(experiment_from_text(&draft.text).ok(), draft.experiment, "{name}");
    }
}

/// Nothing in a file is passed over in silence.
#[test]
fn every_activity_control_and_variable_is_named_once() {
    for name in FILES {
        every_part_is_named_once(name, &file(name), &imported(name));
    }
}

/// Each part that docs/chaos-toolkit.md lists has one fate, and no fate is of something else.
fn every_part_is_named_once(name: &str, file: &Value, draft: &Draft) {
    const READ: [&str; 9] = [
        "version",
        "title",
        "description",
        "configuration",
        "secrets",
        "controls",
        "steady-state-hypothesis",
        "method",
        "rollbacks",
    ];
    let entries = |pointer: &str| -> Vec<String> {
        let listed = file.pointer(pointer);
        let count = listed.and_then(Value::as_array).map_or(0, Vec::len);
        let fields = listed.and_then(Value::as_object).into_iter().flat_map(Map::keys);
        let indexed = (0..count).map(|index| parts::child(pointer, index));
        indexed
            .chain(fields.map(|field| parts::child(pointer, field)))
            .collect()
    };
    let mut expected = entries("");
    expected.retain(|field| !READ.contains(&&field[1..]));
    for group in [
        "/configuration",
        "/secrets",
        "/controls",
        "/steady-state-hypothesis/controls",
    ] {
        expected.extend(entries(group));
    }
    for list in ["/steady-state-hypothesis/probes", "/method", "/rollbacks"] {
        for activity in entries(list) {
            expected.extend(entries(&format!("{activity}/controls")));
            expected.push(activity);
        }
    }
    let pointers = draft.parts.iter().map(|part| part.pointer.clone());
    // A pause is named only when it cannot be read.
    let mut named: Vec<String> = pointers.filter(|pointer| !pointer.contains("/pauses/")).collect();
    named.sort();
    expected.sort();
    assert_eq!(named, expected, "{name}");
}

#[test]
fn the_title_has_the_values_of_its_variables() {
    let mut file = file("throttled.json");
    file["configuration"]["place"] = json!("Paris");
    for (title, name) in [("${place}: a $place", "paris-a-paris"), ("${nowhere} b", "nowhere-b")] {
        file["title"] = json!(title);
        let experiment = import("a.json", &file, &given_to(&file)).unwrap().experiment.unwrap();
        assert_eq!(experiment.name.as_str(), name);
    }
}

/// What a draft says of the measure that is missing can be taken as it is.
#[test]
fn the_example_in_a_draft_makes_it_valid() {
    let draft = imported("alarm-only.json");
    assert_eq!(draft.experiment, None);
    let comment: Vec<&str> = draft
        .text
        .lines()
        .skip_while(|line| !line.starts_with("# [{"))
        .map_while(|line| line.strip_prefix('#'))
        .collect();
    let text = draft
        .text
        .replace("steady_state: []", &format!("steady_state: {}", comment.concat()));
    let experiment = experiment_from_text(&text).unwrap();
    assert_eq!(experiment.guards.alarms, ["payments-errors"]);
}

#[test]
fn what_is_no_experiment_of_chaos_toolkit_says_so() {
    for value in [
        json!({}),
        json!([]),
        json!({ "title": "a", "steady-state-hypothesis": {} }),
    ] {
        let error = import("a.json", &value, &Given::default()).unwrap_err();
        assert!(error.contains("no experiment of Chaos Toolkit"), "{error}");
    }
    let mistyped = Given {
        variables: BTreeMap::from([("alarn".to_owned(), "x".to_owned())]),
        ..Given::default()
    };
    let error = import("a.json", &file("throttled.json"), &mistyped).unwrap_err();
    assert!(error.contains("no `alarn` in the configuration"), "{error}");
}

/// A fault is left out rather than given a wider reach than it was written with.
#[test]
fn a_fault_of_some_invocations_does_not_become_one_of_all() {
    let mut file = file("invocations.yaml");
    let mut setting = self::file("throttled.json")["method"][0].clone();
    setting["provider"]["arguments"] = json!({ "function_name": "shop-cart", "concurrent_executions": 1 });
    file["method"].as_array_mut().unwrap().push(setting);
    let experiment = import("a.yaml", &file, &Given::default()).unwrap().experiment.unwrap();
    let kinds: Vec<&str> = experiment.faults.iter().map(|fault| fault.kind()).collect();
    assert_eq!(
        (kinds, experiment.blast_radius.percent),
        (vec!["reserved_concurrency"], 100.0)
    );
}

fn runs() -> Vec<(&'static str, RunDetails)> {
    vec![
        ("upheld", samples::upheld()),
        ("deviated", samples::deviated()),
        ("refused", samples::refused()),
        ("layered", samples::layered()),
        ("not-recovered", samples::not_recovered()),
        ("unreadable", unreadable()),
    ]
}

/// A run whose experiment could not be read.
fn unreadable() -> RunDetails {
    RunDetails {
        experiment: None,
        ..samples::refused()
    }
}

#[test]
fn a_run_is_a_journal_with_its_verdict() {
    for (name, status, deviated, before, after) in [
        ("upheld", "completed", false, json!(true), json!(true)),
        ("deviated", "completed", true, json!(true), json!(false)),
        // Not steady, or not known to be: nothing was injected.
        ("refused", "failed", false, json!(null), json!(null)),
        ("layered", "completed", true, json!(true), json!(false)),
        ("not-recovered", "completed", false, json!(true), json!(true)),
    ] {
        let details = &runs().into_iter().find(|(run, _)| *run == name).unwrap().1;
        let journal = journal(details).unwrap();
        assert_eq!(journal["status"], status, "{name}");
        assert_eq!(journal["deviated"], deviated, "{name}");
        let met = |state: &str| journal["steady_states"][state]["steady_state_met"].clone();
        assert_eq!((met("before"), met("after")), (before, after), "{name}");
        assert_eq!(
            journal["deviated"],
            details.run.verdict == Some(Verdict::Deviated),
            "{name}"
        );
    }
    insta::assert_json_snapshot!("journal", journal(&samples::deviated()).unwrap());
}

#[test]
fn a_run_that_is_under_way_or_whose_setting_is_not_back_is_no_journal_yet() {
    assert_eq!(journal(&samples::running()), None);
    assert_eq!(journal(&samples::rollback_failed()), None);
    let mut closed = samples::rollback_failed();
    closed.run.closed_at = Some(samples::at(300));
    let journal = journal(&closed).unwrap();
    assert_eq!(closed.run.status, Status::RollbackFailed);
    assert_eq!(journal["status"], "failed");
    let why = journal["rollbacks"][0]["exception"][0].as_str().unwrap();
    assert!(
        why.contains("it is not back: aws lambda delete-function-concurrency"),
        "{why}"
    );
}

const TEXTS: [&str; 8] = ["${a}", "$a b", "${n}", "${n} ${a}", "$$a", "5$", "${", "a$n-${a}"];

fn tolerances() -> Vec<Value> {
    vec![
        json!(0),
        json!(5),
        json!([0, 5]),
        json!([1.5, 2.5]),
        json!({ "type": "range", "range": [-1, 2.5] }),
        json!([1, 2, 3]),
        json!("OK"),
        json!(["OK"]),
        json!(["INSUFFICIENT_DATA", "OK"]),
        json!(["OK", "INSUFFICIENT_DATA"]),
        json!({ "type": "regex", "pattern": "^(OK|INSUFFICIENT_DATA)$" }),
        json!({ "type": "regex", "pattern": "A" }),
    ]
}

fn values() -> Vec<Value> {
    let numbers = [-1.5, -1.0, 0.0, 1.0, 1.5, 2.0, 2.5, 3.0, 5.0, 6.0].map(Value::from);
    let states = ["OK", "INSUFFICIENT_DATA", "ALARM"].map(Value::from);
    numbers.into_iter().chain(states).collect()
}

fn configuration() -> Value {
    json!({ "a": "shop", "n": 7 })
}

fn python() -> PythonEnv {
    let requirements = workspace_root().join("tests/chaostoolkit/requirements.txt");
    PythonEnv::prepare(&requirements).unwrap_or_else(|error| panic!("Chaos Toolkit is needed: {error}"))
}

/// What a script beside the files prints, run in `dir`.
fn said(dir: &Path, script: &str, argument: &Path) -> Value {
    let path = std::env::join_paths([dir, Path::new("/usr/bin"), Path::new("/bin")]).unwrap();
    let output = Command::new(python().python())
        .arg("-I")
        .arg(folder().join(script))
        .arg(argument)
        .current_dir(dir)
        .env_clear()
        .envs([
            ("HOME", dir.as_os_str()),
            ("MPLCONFIGDIR", dir.as_os_str()),
            ("PATH", &path),
        ])
        .envs([("SHOP_ALARM", "shop-revenue"), ("TOKEN", "x")])
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// What Chaos Toolkit says of all there is.
fn asked(dir: &Path) -> Value {
    let mut journals = Vec::new();
    for (name, details) in runs() {
        let path = dir.join(format!("{name}.json"));
        std::fs::write(&path, journal(&details).unwrap().to_string()).unwrap();
        journals.push(path);
    }
    // Chaos Toolkit looks for the program that an activity names, and starts nothing here.
    std::os::unix::fs::symlink("/bin/true", dir.join("inoculate")).unwrap();
    let question = json!({
        "experiments": FILES.map(|name| folder().join(name)),
        "journals": journals,
        "modules": [actions::MODULE, probes::MODULE],
        "tolerances": tolerances(),
        "values": values(),
        "configuration": configuration(),
        "texts": TEXTS,
    });
    let file = dir.join("question.json");
    std::fs::write(&file, question.to_string()).unwrap();
    said(dir, "ask.py", &file)
}

#[test]
fn chaos_toolkit_agrees() {
    let dir = tempfile::tempdir().unwrap();
    let said = asked(dir.path());
    for (file, mistake) in said["experiments"].as_object().unwrap() {
        assert_eq!(*mistake, Value::Null, "{file}");
    }
    journals_are_reported(&said["journals"]);
    functions_are_those(&said["functions"][actions::MODULE], actions::ACTIONS);
    functions_are_those(&said["functions"][probes::MODULE], probes::PROBES);
    defaults_are_those(&said["functions"]);
    tolerances_accept_the_same(&said["tolerances"]);
    texts_become_the_same(&said["texts"]);
}

/// Its reports can be made, and say what the run found.
fn journals_are_reported(said: &Value) {
    for ((name, details), (file, said)) in runs().into_iter().zip(said.as_object().unwrap()) {
        assert!(file.ends_with(&format!("{name}.json")), "{file}");
        assert_eq!(said["mistake"], Value::Null, "{name}");
        let report = said["report"].as_str().unwrap();
        let journal = journal(&details).unwrap();
        let words = [
            &journal["status"],
            &journal["experiment"]["title"],
            &journal["experiment"]["description"],
        ];
        for word in words.map(|word| word.as_str().unwrap()) {
            assert!(report.contains(word), "{name}: {word} in {report}");
        }
        for done in journal["run"].as_array().unwrap() {
            let title = format!("#### Action - {}", done["activity"]["name"].as_str().unwrap());
            assert!(report.contains(&title), "{name}: {title} in {report}");
        }
        let (_, before) = report.split_once("##### Before Run").unwrap();
        let (before, after) = before.split_once("##### After Run").unwrap();
        for (state, section) in [("before", before), ("after", after)] {
            let is_met = journal["steady_states"][state]["steady_state_met"] == true;
            assert_eq!(!section.contains("not verified"), is_met, "{name}: {section}");
        }
    }
}

fn functions_are_those<M>(said: &Value, ours: &[Known<M>]) {
    let found: BTreeMap<&str, Vec<&str>> = said
        .as_object()
        .unwrap()
        .iter()
        .map(|(func, parameters)| {
            (
                func.as_str(),
                parameters.as_object().unwrap().keys().map(String::as_str).collect(),
            )
        })
        .collect();
    let known = ours
        .iter()
        .map(|known| (known.func, known.arguments.to_vec()))
        .collect();
    assert_eq!(found, known);
}

/// What is left out means the same here. Each of these is a literal beside the reading of its argument.
fn defaults_are_those(said: &Value) {
    for (function, argument, default) in [
        ("add_latency", "latency", json!(1)),
        ("add_latency", "probability", json!(0.9)),
        ("add_error", "probability", json!(0.9)),
        ("add_error", "body", json!(actions::DEFAULT_ANSWER)),
        ("get_metric_statistics", "duration", json!(60)),
        ("get_metric_statistics", "offset", json!(0)),
        ("get_metric_data", "duration", json!(300)),
        ("get_metric_data", "period", json!(60)),
        ("get_metric_data", "offset", json!(0)),
    ] {
        let found = [actions::MODULE, probes::MODULE]
            .iter()
            .find_map(|module| said[*module].get(function)?.get(argument));
        assert_eq!(found, Some(&default), "{function}({argument})");
    }
}

fn tolerances_accept_the_same(said: &Value) {
    let mut compared = 0;
    for (tolerance, said) in tolerances().iter().zip(said.as_array().unwrap()) {
        for (value, said) in values().iter().zip(said.as_array().unwrap()) {
            let ours = match value {
                Value::String(state) => tolerance::accepts(tolerance, state).ok(),
                number => tolerance::limits(tolerance)
                    .ok()
                    .map(|limits| holds(&limits, number.as_f64().unwrap())),
            };
            if let Some(ours) = ours {
                assert_eq!(*said, ours, "{tolerance} of {value}");
                compared += 1;
            }
        }
    }
    // Five tolerances of ten numbers, seven of three states.
    assert_eq!(compared, 5 * 10 + 7 * 3);
}

fn holds(limits: &Tolerance, value: f64) -> bool {
    limits.at_least.is_none_or(|least| value >= least) && limits.at_most.is_none_or(|most| value <= most)
}

fn texts_become_the_same(said: &Value) {
    let experiment = json!({ "configuration": configuration() });
    let variables = Variables::of(experiment.as_object().unwrap(), &BTreeMap::new(), &mut Vec::new()).unwrap();
    let ours: Vec<Value> = TEXTS
        .iter()
        .map(|text| variables.substituted(&json!(text)).unwrap())
        .collect();
    assert_eq!(*said, json!(ours));
}

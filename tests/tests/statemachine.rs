//! Contract tests over the state machine file: it is the only place with control flow, and nothing compiles it.
#![expect(clippy::unwrap_used, reason = "a test says what it found by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use inoculate_core::error::Code;
use inoculate_core::experiment::MAX_RUN;
use inoculate_core::judge::Verdict;
use inoculate_core::ports::Grounds;
use inoculate_core::run::Status;
use inoculate_stack::{PythonEnv, workspace_root};
use inoculate_step::Next;
use serde_json::{Value, json};

/// The tasks of the machine, with a sample of what each answers.
fn answers() -> BTreeMap<&'static str, Value> {
    let run_id = || "r".parse().unwrap();
    let baseline = inoculate_baseline::Output {
        run_id: run_id(),
        next: Next::Measure,
        ending: None,
        baseline_secs: 1,
        seen: String::new(),
    };
    let inject = inoculate_inject::Output {
        wait_secs: 1,
        run_id: run_id(),
        next: Next::Observe,
        ending: None,
    };
    let observe = inoculate_observe::Output {
        wait_secs: 1,
        run_id: run_id(),
        next: Next::Observe,
        ending: None,
        seen: String::new(),
    };
    let rollback = inoculate_rollback::Output {
        run_id: "r".into(),
        next: Next::Evaluate,
        settled: true,
        status: Status::Completed,
        pending: vec![],
        detail: String::new(),
        recovery_secs: 1,
    };
    let evaluate = inoculate_evaluate::Output {
        run_id: run_id(),
        experiment: "e".into(),
        status: Status::Completed,
        verdict: Verdict::Upheld,
        grounds: Grounds::Measures,
        because: String::new(),
        recovered: Some(Verdict::Upheld),
    };
    BTreeMap::from([
        ("Open", serde_json::to_value(&baseline).unwrap()),
        ("Baseline", serde_json::to_value(&baseline).unwrap()),
        ("Inject", serde_json::to_value(&inject).unwrap()),
        ("Observe", serde_json::to_value(&observe).unwrap()),
        ("Rollback", serde_json::to_value(&rollback).unwrap()),
        ("Evaluate", serde_json::to_value(&evaluate).unwrap()),
    ])
}

/// What each task may answer as `next`, as its code says.
const NEXT: [(&str, &str, &[&str]); 5] = [
    ("Open", "May it run?", &["measure", "rollback"]),
    ("Baseline", "Steady?", &["inject", "rollback"]),
    ("Inject", "In place?", &["observe", "settle", "rollback"]),
    ("Observe", "Go on?", &["observe", "rollback"]),
    ("Rollback", "Rolled back?", &["evaluate", "settle", "end"]),
];

fn machine() -> Value {
    let text = std::fs::read_to_string(workspace_root().join("statemachine/experiment.asl.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn template() -> &'static Value {
    inoculate_tests::template::inoculate().value()
}

fn states(machine: &Value) -> &serde_json::Map<String, Value> {
    machine["States"].as_object().unwrap()
}

fn tasks(machine: &Value) -> impl Iterator<Item = (&String, &Value)> {
    states(machine).iter().filter(|(_, state)| state["Type"] == "Task")
}

/// Every string in a value, with its keys.
fn texts<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::String(text) => found.push(text),
        Value::Array(items) => items.iter().for_each(|item| texts(item, found)),
        Value::Object(fields) => fields.values().for_each(|field| texts(field, found)),
        _ => {}
    }
}

fn all_texts(value: &Value) -> Vec<&str> {
    let mut found = Vec::new();
    texts(value, &mut found);
    found
}

/// The words after each occurrence of a prefix: the fields that expressions ask for.
fn words_after<'a>(text: &'a str, prefix: &str) -> Vec<&'a str> {
    let pieces = text.split(prefix).skip(1);
    let word = |piece: &'a str| {
        piece
            .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .next()
            .unwrap_or("")
    };
    pieces.map(word).filter(|word| !word.is_empty()).collect()
}

/// Every way out of a state.
fn ways_out(state: &Value) -> Vec<&str> {
    let mut targets: Vec<&str> = ["Next", "Default"]
        .iter()
        .filter_map(|key| state[*key].as_str())
        .collect();
    for list in ["Choices", "Catch"] {
        let entries = state[list].as_array().into_iter().flatten();
        targets.extend(entries.filter_map(|entry| entry["Next"].as_str()));
    }
    targets
}

#[test]
fn every_way_leads_to_a_state_and_every_state_is_reached() {
    let machine = machine();
    let mut reached = BTreeSet::from([machine["StartAt"].as_str().unwrap()]);
    for (name, state) in states(&machine) {
        for target in ways_out(state) {
            assert!(
                states(&machine).contains_key(target),
                "{name} goes to {target}, which does not exist"
            );
            reached.insert(target);
        }
        let ends = state["Type"] == "Succeed" || state["Type"] == "Fail";
        assert_eq!(ends, ways_out(state).is_empty(), "{name}");
    }
    let all: BTreeSet<&str> = states(&machine).keys().map(String::as_str).collect();
    assert_eq!(all, reached, "states that nothing leads to");
}

#[test]
fn every_failure_leads_to_the_rollback() {
    let machine = machine();
    for (name, task) in tasks(&machine) {
        let catch = &task["Catch"][0];
        assert_eq!(
            catch["ErrorEquals"],
            json!(["States.ALL"]),
            "{name} does not catch everything"
        );
        // The rollback cannot catch itself, and after it there is nothing left to roll back.
        let expected = if name == "Rollback" || name == "Evaluate" {
            "How did it end?"
        } else {
            "Rollback"
        };
        assert_eq!(catch["Next"], expected, "{name}");
    }
}

#[test]
fn every_transient_code_is_retried_and_every_retried_name_exists() {
    let machine = machine();
    let transient: BTreeSet<&str> = Code::ALL
        .iter()
        .filter(|code| code.is_transient())
        .map(|code| code.name())
        .collect();
    let known: BTreeSet<&str> = Code::ALL.iter().map(|code| code.name()).collect();
    for (name, task) in tasks(&machine) {
        let retry = &task["Retry"][0];
        let names: BTreeSet<&str> = all_texts(&retry["ErrorEquals"]).into_iter().collect();
        assert!(retry["MaxAttempts"].as_u64().unwrap() >= 3, "{name} gives up too soon");
        if name == "Rollback" {
            assert_eq!(
                names,
                BTreeSet::from(["States.ALL"]),
                "the rollback must try again whatever happened"
            );
            continue;
        }
        assert!(
            names.is_superset(&transient),
            "{name} does not retry {:?}",
            transient.difference(&names)
        );
        for error in names.iter().filter(|error| !error.contains('.')) {
            assert!(known.contains(error), "{name} retries {error}, which no step returns");
        }
    }
}

#[test]
fn every_field_that_is_asked_for_is_in_the_answer() {
    let machine = machine();
    for (name, answer) in answers() {
        let task = &states(&machine)[name];
        for text in all_texts(task) {
            for field in words_after(text, "$states.result.Payload.") {
                assert!(
                    answer.get(field).is_some(),
                    "{name} asks for `{field}`, which is not in its answer"
                );
            }
        }
        if name != "Evaluate" {
            assert_eq!(task["Output"], "{% $states.result.Payload %}", "{name}");
        }
        let mut next = task["Next"].as_str().unwrap();
        while let "Wait" | "Choice" = states(&machine)[next]["Type"].as_str().unwrap() {
            for text in all_texts(&states(&machine)[next]) {
                for field in words_after(text, "$states.input.") {
                    assert!(
                        answer.get(field).is_some(),
                        "{next} asks for `{field}`, which is not in the answer of {name}"
                    );
                }
            }
            let ways = ways_out(&states(&machine)[next]);
            let Some(wait) = ways.into_iter().find(|way| states(&machine)[*way]["Type"] == "Wait") else {
                break;
            };
            next = wait;
        }
    }
}

#[test]
fn every_answer_has_a_branch_and_unknown_ones_roll_back() {
    let machine = machine();
    for (task, choice, next) in NEXT {
        assert_eq!(states(&machine)[task]["Next"], choice);
        let choice_state = &states(&machine)[choice];
        let conditions = all_texts(&choice_state["Choices"]).join(" ");
        for value in next {
            serde_json::from_value::<Next>(json!(value)).unwrap();
            let by_default = choice_state["Default"] == "Rollback" && *value == "rollback";
            assert!(
                by_default || conditions.contains(&format!("'{value}'")),
                "{choice} has no branch for {value}"
            );
        }
        for value in words_after(&conditions, "next = '") {
            assert!(
                next.contains(&value),
                "{choice} has a branch for {value}, which {task} never answers"
            );
        }
        if task != "Rollback" {
            assert_eq!(choice_state["Default"], "Rollback", "{choice}");
        }
    }
}

#[test]
fn every_verdict_and_every_status_has_an_end() {
    let machine = machine();
    let conditions = all_texts(&states(&machine)["How did it end?"]["Choices"]).join(" ");
    for verdict in [Verdict::Upheld, Verdict::Deviated, Verdict::Inconclusive] {
        assert!(
            conditions.contains(&format!("$verdict = '{verdict}'")),
            "{verdict} has no end"
        );
    }
    for status in [Status::Refused, Status::Aborted, Status::Failed, Status::RollbackFailed] {
        let failing = states(&machine).values().find(|state| state["Error"] == status.name());
        assert_eq!(failing.unwrap_or_else(|| panic!("{status} has no end"))["Type"], "Fail");
        let by_default = states(&machine)["How did it end?"]["Default"] == "Failed" && status == Status::Failed;
        assert!(
            by_default || conditions.contains(&format!("$status = '{status}'")),
            "{status} has no branch"
        );
    }
}

/// What a person sees of an execution without opening anything: which run of which experiment, what came of it, and why.
#[test]
fn the_output_of_an_execution_says_what_came_of_it() {
    let machine = machine();
    let states = states(&machine);
    let fields = ["run", "experiment", "verdict", "because", "status", "recovered", "more"];
    let outcome = states["Evaluate"]["Output"].as_object().unwrap();
    assert!(outcome.keys().eq(fields), "{outcome:?}");
    let show = "'inoculate show ' & $states.context.Execution.Name & ' --stack ${StackName}";
    assert!(outcome["more"].as_str().unwrap().contains(show));
    for end in states.values() {
        match end["Type"].as_str().unwrap() {
            "Succeed" => assert!(end["Output"].is_null(), "it passes on what Evaluate says"),
            "Fail" => {
                let cause = end["Cause"].as_str().unwrap();
                assert!(cause.contains("$detail") && cause.contains("inoculate show"), "{cause}");
            }
            _ => {}
        }
    }
    for (name, state) in states {
        assert!(
            state["Comment"].as_str().is_some_and(|words| words.ends_with('.')),
            "{name} says nothing"
        );
    }
}

#[test]
fn every_variable_has_a_value_on_every_way() {
    let machine = machine();
    let open = &states(&machine)["Open"];
    let assigned: BTreeSet<&str> = open["Assign"].as_object().unwrap().keys().map(String::as_str).collect();
    let caught: BTreeSet<&str> = open["Catch"][0]["Assign"]
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    let functions = BTreeSet::from(["states", "exists", "substring", "type"]);
    for (name, state) in states(&machine) {
        for text in all_texts(state).iter().filter(|text| text.starts_with("{%")) {
            for variable in words_after(text, "$")
                .into_iter()
                .filter(|word| !functions.contains(word))
            {
                assert!(
                    assigned.contains(variable),
                    "{name} uses ${variable}, which Open does not assign"
                );
                assert!(
                    caught.contains(variable),
                    "{name} uses ${variable}, which is not there when Open failed"
                );
            }
        }
    }
}

/// Expressions are those of the file. What a run brings along is data to them: nothing takes a text for an expression.
#[test]
fn words_of_others_are_data() {
    let machine = machine();
    for text in all_texts(&machine) {
        let is_expression = text.starts_with("{%");
        assert_eq!(text.contains("{%"), is_expression, "{text} is half an expression");
        for evaluates in ["$eval", "$parse", "States."] {
            assert!(!(is_expression && text.contains(evaluates)), "{text}");
        }
    }
    assert_eq!(machine["QueryLanguage"], "JSONata");
    assert!(!machine.to_string().contains(".$\":"), "a field is a JSONPath");
}

#[test]
fn every_timeout_exceeds_what_it_waits_for() {
    let machine = machine();
    let template = template();
    for (name, task) in tasks(&machine) {
        let function = task["Arguments"]["FunctionName"].as_str().unwrap();
        let function = function.trim_start_matches("${").trim_end_matches("Arn}");
        let resource = &template["Resources"][function]["Properties"];
        let globals = &template["Globals"]["Function"]["Timeout"];
        let timeout = resource["Timeout"].as_u64().or(globals.as_u64());
        let timeout = timeout.unwrap_or_else(|| panic!("{function} has no timeout in the template"));
        assert!(
            task["TimeoutSeconds"].as_u64().unwrap() > timeout,
            "{name} times out before its function"
        );
    }
    let whole = machine["TimeoutSeconds"].as_u64().unwrap();
    assert!(
        whole > u64::from(MAX_RUN.secs()) + 3600,
        "the machine times out before the longest run"
    );
    let longest = inoculate_core::sweep::LONGEST_EXECUTION.as_secs();
    assert_eq!(i64::try_from(whole), Ok(longest), "the sweep counts on it");
}

#[test]
fn the_rollback_waits_longer_than_a_step_may_run_and_runs_longer_than_it_waits() {
    let template = template();
    let timeout = |function: &str| {
        let own = template["Resources"][function]["Properties"]["Timeout"].as_i64();
        own.or(template["Globals"]["Function"]["Timeout"].as_i64()).unwrap()
    };
    let in_flight = inoculate_core::undo::IN_FLIGHT.as_secs();
    let patience = inoculate_rollback::PATIENCE.as_secs();
    assert!(timeout("InjectFunction") < in_flight);
    assert!(in_flight < patience && patience < timeout("RollbackFunction"));
    let settled_after = inoculate_core::run_alarms::SETTLED_AFTER.as_secs();
    assert!(
        timeout("InjectFunction") < settled_after,
        "the sweep would come before its maker has looked whether an alarm may stay"
    );
}

#[test]
fn every_function_that_is_called_is_in_the_template() {
    let machine = machine();
    let template = template();
    let substitutions = template["Resources"]["Experiment"]["Properties"]["DefinitionSubstitutions"]
        .as_object()
        .unwrap();
    let mut used = BTreeSet::new();
    for text in all_texts(&machine) {
        used.extend(words_after(text, "${"));
    }
    let given: BTreeSet<&str> = substitutions.keys().map(String::as_str).collect();
    assert_eq!(used, given);
    let functions = substitutions.iter().filter(|(name, _)| name.ends_with("FunctionArn"));
    for (name, arn) in functions {
        let function = arn["Fn::GetAtt"][0]
            .as_str()
            .or_else(|| arn["Fn::GetAtt"].as_str()?.split('.').next())
            .unwrap();
        assert_eq!(
            template["Resources"][function]["Type"], "AWS::Serverless::Function",
            "{name}"
        );
    }
}

/// cfn-lint carries the schema of the Amazon States Language, JSONata included.
#[test]
fn the_definition_is_valid_and_the_validator_would_notice() {
    let good = machine();
    let mut bad = good.clone();
    bad["States"]["Open"]["Nxet"] = json!("Rollback");
    assert_eq!(lint(&good), "");
    assert!(lint(&bad).contains("Nxet"), "the validator lets everything pass");
}

fn lint(definition: &Value) -> String {
    let substitutions = ["Baseline", "Inject", "Observe", "Evaluate", "Rollback"];
    let arn = "arn:aws:lambda:eu-west-1:123456789012:function:x";
    let mut substitutions: BTreeMap<String, &str> =
        substitutions.iter().map(|s| (format!("{s}FunctionArn"), arn)).collect();
    substitutions.insert("StackName".to_owned(), "inoculate");
    let template = json!({
        "AWSTemplateFormatVersion": "2010-09-09",
        "Resources": { "Machine": {
            "Type": "AWS::StepFunctions::StateMachine",
            "Properties": {
                "RoleArn": "arn:aws:iam::123456789012:role/x",
                "Definition": definition,
                "DefinitionSubstitutions": substitutions,
            },
        } },
    });
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("template.json");
    std::fs::write(&file, serde_json::to_vec(&template).unwrap()).unwrap();
    let python = PythonEnv::for_stack().unwrap();
    let output = Command::new(python.program("cfn-lint")).arg(&file).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

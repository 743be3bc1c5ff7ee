//! Experiments that Chaos Toolkit's own authors publish, through the import.
//!
//! They are in the tests of its source distribution, which `tests/chaostoolkit/sources.txt` names with its hash. The first
//! use on a machine downloads it into `target/python/`; nothing of it is kept here.

use inoculate_core::read::value_from_text;
use inoculate_stack::workspace_root;
use serde_json::Value;

use super::super::parts::Fate;
use super::super::{Draft, Given, actions, import, probes, read};
use super::{every_part_is_named_once, python, said};

/// By name: the text of the file, and why Chaos Toolkit does not take it.
fn published() -> Vec<(String, String, Option<String>)> {
    let requirements = workspace_root().join("tests/chaostoolkit/sources.txt");
    let sources = python().sources(&requirements);
    let sources = sources.unwrap_or_else(|error| panic!("Chaos Toolkit's experiments are needed: {error}"));
    let mut found = std::fs::read_dir(sources).unwrap().map(|entry| entry.unwrap().path());
    let library = found.find(|path| path.join("tests/fixtures").is_dir()).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let said = said(dir.path(), "published.py", &library);
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let files = said.as_object().unwrap().iter();
    files
        .map(|(name, file)| (name.clone(), text(&file["text"]).unwrap(), text(&file["mistake"])))
        .collect()
}

#[test]
fn what_chaos_toolkits_authors_publish_is_imported_part_by_part() {
    let mut valid = 0;
    let mut pointers = Vec::new();
    for (name, text, mistake) in published() {
        if mistake.is_some() {
            // No panic, and an experiment or a reason.
            let _ = read(&text).map(|file| import(&name, &file, &Given::default()));
            continue;
        }
        valid += 1;
        let file = read(&text).unwrap_or_else(|problems| panic!("{name}: {problems:?}"));
        let draft = import(&name, &file, &Given::default()).unwrap_or_else(|why| panic!("{name}: {why}"));
        every_part_is_named_once(&name, &file, &draft);
        only_what_is_known_becomes_something(&name, &file, &draft);
        pointers.extend(draft.parts.into_iter().map(|part| part.pointer));
    }
    assert!(valid >= 48, "only {valid} are valid");
    for (part, least) in [
        ("/steady-state-hypothesis/probes/", 30),
        ("/method/", 60),
        ("/rollbacks/", 25),
        ("/controls/", 15),
        ("/secrets/", 2),
        ("/configuration/", 2),
    ] {
        let found = pointers.iter().filter(|pointer| pointer.contains(part)).count();
        assert!(found >= least, "only {found} of {part}");
    }
}

/// What becomes something is in the tables of actions and probes, and what is missing is said.
fn only_what_is_known_becomes_something(name: &str, file: &Value, draft: &Draft) {
    let mut places = Vec::new();
    for part in &draft.parts {
        if let Fate::Becomes { into } = &part.fate {
            assert!(
                is_known(file.pointer(&part.pointer).unwrap()),
                "{name}: {}",
                part.pointer
            );
            places.push(into);
        }
    }
    let experiment = value_from_text(&draft.text).unwrap();
    for (list, missing) in [
        ("faults", "# Missing: no action of the method became a fault."),
        ("steady_state", "# Missing: no probe became a measure;"),
    ] {
        let made = places
            .iter()
            .filter(|into| into.starts_with(&format!("/{list}/")))
            .count();
        assert_eq!(experiment[list].as_array().unwrap().len(), made, "{name}: {list}");
        assert_eq!(draft.text.contains(missing), made == 0, "{name}: {list}");
        let is_problem = draft
            .problems
            .iter()
            .any(|problem| problem.pointer == format!("/{list}"));
        assert_eq!(is_problem, made == 0, "{name}: {list}");
    }
}

fn is_known(activity: &Value) -> bool {
    let provider = &activity["provider"];
    let is_function = |func: &str| provider["func"] == func;
    let is_action =
        provider["module"] == actions::MODULE && actions::ACTIONS.iter().any(|known| is_function(known.func));
    let is_probe = provider["module"] == probes::MODULE && probes::PROBES.iter().any(|known| is_function(known.func));
    is_action || is_probe
}

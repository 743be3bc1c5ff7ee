//! Entries of the method and the rollbacks that refer to others.

use serde_json::{Value, json};

use super::super::import;
use super::super::parts::Fate;
use super::{every_part_is_named_once, file, given_to};

/// A `ref` is what it refers to, for which Chaos Toolkit takes the last of a name, and the steady state first.
#[test]
fn a_ref_has_the_fate_of_what_it_refers_to() {
    let mut file = file("settings.yaml");
    let refs = [
        "no dead letters",
        "order time",
        "a look at the configuration",
        "short of time",
        "some traffic",
        "time as before",
    ];
    let mut expected = [
        "Automatic: what is measured",
        "LeftOut: /steady-state-hypothesis/probes/2, to which it refers",
        "LeftOut: nothing is judged by a probe of the method",
        "LeftOut: a run changes this once, as /method/0 says",
        "LeftOut: Inoculate sends no requests of its own",
        "LeftOut: no probe of the steady state and no activity of the method has this name",
    ];
    for list in ["method", "rollbacks"] {
        let entries = file[list].as_array_mut().unwrap();
        let first = entries.len();
        entries.extend(refs.map(|name| json!({ "ref": name })));
        let draft = import("a.yaml", &file, &given_to(&file)).unwrap();
        every_part_is_named_once(list, &file, &draft);
        for (index, expected) in expected.iter().enumerate() {
            let pointer = format!("/{list}/{}", first + index);
            let part = draft.parts.iter().find(|part| part.pointer == pointer).unwrap();
            assert_eq!(part.what, format!("ref \"{}\"", refs[index]));
            let said = match &part.fate {
                Fate::Becomes { into } => format!("Becomes: {into}"),
                Fate::Automatic { why } => format!("Automatic: {why}"),
                Fate::LeftOut { why } => format!("LeftOut: {why}"),
            };
            assert!(said.starts_with(expected), "{pointer}: {said}");
        }
        expected[2] = "LeftOut: nothing is judged by a probe of the rollbacks";
        expected[3] = "Automatic: the run itself puts back what was there before /method/0";
    }
}

/// The pauses of a `ref` are those of what it refers to, and an action that is marked `dry` does nothing.
#[test]
fn a_ref_pauses_and_what_is_dry_does_nothing() {
    let longest = |file: &Value| {
        let experiment = import("a.json", file, &given_to(file)).unwrap().experiment;
        experiment.map(|experiment| experiment.blast_radius.longest.secs())
    };
    let mut file = file("throttled.json");
    let paused = longest(&file).unwrap();
    file["method"][0]["pauses"] = json!({ "after": paused });
    let again = json!({ "ref": file["method"][0]["name"] });
    file["method"].as_array_mut().unwrap().push(again);
    assert_eq!(longest(&file), Some(2 * paused));
    for dry in ["actions", "activities"] {
        file["method"][0]["dry"] = json!(dry);
        assert_eq!(longest(&file), None, "{dry}");
    }
    file["method"][0]["dry"] = json!("probes");
    assert_eq!(longest(&file), Some(2 * paused));
}

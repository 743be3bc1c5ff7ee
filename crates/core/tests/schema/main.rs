//! `docs/experiment.schema.json` is what editors use and `docs/experiment.md` what people read; `docs/event.schema.json` and
//! `docs/events.md` are for who listens. All must say the same as the code.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test says what it found by panicking"
)]

mod events;
mod notices;
mod reference;

use std::fs;
use std::path::PathBuf;

use inoculate_core::experiment::Experiment;
use inoculate_core::notice::Notice;
use serde_json::Value;

/// Compares a file in `docs/` with what the code says, or writes it anew.
fn assert_current(name: &str, current: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(name);
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        fs::write(&path, current).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == current,
        "docs/{name} does not say what the types in crates/core/src say.\n\
         Write it anew and commit it:\n\n    UPDATE_SCHEMA=1 cargo test -p inoculate-core --test schema\n"
    );
}

#[test]
fn the_committed_schema_is_current() {
    let current = serde_json::to_string_pretty(&Experiment::json_schema()).unwrap() + "\n";
    assert_current("experiment.schema.json", &current);
}

#[test]
fn the_committed_reference_is_current() {
    assert_current("experiment.md", &reference::page(&Experiment::json_schema()));
}

#[test]
fn the_committed_schema_of_events_is_current() {
    let current = serde_json::to_string_pretty(&Notice::json_schema()).unwrap() + "\n";
    assert_current("event.schema.json", &current);
}

#[test]
fn the_committed_page_of_events_is_current() {
    assert_current("events.md", &events::page(&Notice::json_schema()));
}

/// Every object in the schema that has `properties`, with where it is.
fn groups(at: &str, value: &Value, found: &mut Vec<(String, Value)>) {
    match value {
        Value::Object(fields) => {
            if fields.get("properties").is_some_and(Value::is_object) {
                found.push((at.to_owned(), value.clone()));
            }
            for (name, field) in fields {
                groups(&format!("{at}/{name}"), field, found);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                groups(&format!("{at}/{index}"), item, found);
            }
        }
        _ => {}
    }
}

#[test]
fn every_group_and_field_is_described_and_closed() {
    let mut found = Vec::new();
    groups("", &Experiment::json_schema(), &mut found);
    assert!(found.len() >= 9, "the walk over the schema found only {}", found.len());
    for (at, group) in found {
        assert_eq!(group["additionalProperties"], false, "{at} accepts unknown fields");
        assert!(group["description"].is_string(), "{at} is not described");
        for (name, field) in group["properties"].as_object().unwrap() {
            assert!(field["description"].is_string(), "{at}: {name} is not described");
        }
    }
}

#[test]
fn nothing_may_be_null() {
    let schema = Experiment::json_schema().to_string();
    assert!(
        !schema.contains("null"),
        "a field that may be null could be an unnoticed absence of a limit"
    );
}

#[test]
fn editors_are_told_what_it_is() {
    let schema = Experiment::json_schema();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    assert_eq!(schema["title"], "Inoculate experiment");
}

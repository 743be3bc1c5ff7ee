//! Whether the walk says the same as a whole implementation of JSON Schema, for experiments that are right and for thousands
//! that are not; and that it knows the whole schema.

use std::collections::BTreeSet;

use jsonschema::error::ValidationErrorKind;
use jsonschema::{ValidationError, Validator};
use serde_json::{Value, json};

use super::*;
use crate::experiment::Experiment;

mod grow;

/// Where a value is wrong, and which keyword of the schema says so.
type Places = BTreeSet<(String, String)>;

fn forms() -> Forms {
    Forms::of(&Experiment::json_schema()).unwrap()
}

/// What the walk finds.
fn ours(forms: &Forms, value: &Value) -> Places {
    let place = |breach: Breach<'_>| {
        let keyword = match breach.rule {
            Rule::Type(_) => "type".to_owned(),
            Rule::Closed => "additionalProperties".to_owned(),
            Rule::Required(field) => format!("required {field}"),
            Rule::MinFields(_) => "minProperties".to_owned(),
            Rule::MaxFields(_) => "maxProperties".to_owned(),
            Rule::MinItems(_) => "minItems".to_owned(),
            Rule::MaxItems(_) => "maxItems".to_owned(),
            Rule::MinLength(_) => "minLength".to_owned(),
            Rule::MaxLength(_) => "maxLength".to_owned(),
            Rule::Pattern(_) => "pattern".to_owned(),
            Rule::Minimum(_) => "minimum".to_owned(),
            Rule::Maximum(_) => "maximum".to_owned(),
            Rule::Words(_) => "enum".to_owned(),
            Rule::Variants(_) => "oneOf".to_owned(),
            Rule::Named(_) | Rule::Fields(_) | Rule::OtherFields(_) | Rule::Items(_) => {
                panic!("{:?} is not broken by itself", breach.rule)
            }
        };
        (breach.pointer, keyword)
    };
    forms.breaches(value).into_iter().map(place).collect()
}

/// What the other implementation finds, said in the same way.
fn theirs(validator: &Validator, value: &Value) -> Places {
    let found: Places = validator
        .iter_errors(value)
        .flat_map(|error| places(&error, value))
        .collect();
    let wrong_type = |pointer: &String| found.contains(&(pointer.clone(), "type".to_owned()));
    // Of a value of another type we say that, and not also that it is no known word, or too high.
    let said_once = |(pointer, keyword): &&(String, String)| keyword == "type" || !wrong_type(pointer);
    found.iter().filter(said_once).cloned().collect()
}

fn places(error: &ValidationError<'_>, whole: &Value) -> Vec<(String, String)> {
    let pointer = error.instance_path().as_str().to_owned();
    match error.kind() {
        ValidationErrorKind::AdditionalProperties { unexpected } => {
            let unexpected = unexpected.iter();
            let keyword = || "additionalProperties".to_owned();
            unexpected.map(|field| (child(&pointer, field), keyword())).collect()
        }
        ValidationErrorKind::Required { property } => {
            vec![(pointer, format!("required {}", property.as_str().unwrap()))]
        }
        ValidationErrorKind::OneOfNotValid { context } => {
            // Each variant was tried. We are told which one was meant.
            let kind = child(&pointer, "kind");
            let has_kind = whole.pointer(&kind).is_some_and(Value::is_string);
            let is_meant = |errors: &&Vec<ValidationError<'static>>| {
                let other = |error: &ValidationError<'_>| matches!(error.kind(), ValidationErrorKind::Constant { .. });
                has_kind && !errors.iter().any(other)
            };
            match context.iter().find(is_meant) {
                Some(errors) => errors.iter().flat_map(|error| places(error, whole)).collect(),
                None => vec![(pointer, "oneOf".to_owned())],
            }
        }
        kind => vec![(pointer, kind.keyword().to_owned())],
    }
}

#[test]
fn the_walk_says_what_another_implementation_of_json_schema_says() {
    const CASES: u64 = 3_000;
    let schema = Experiment::json_schema();
    let (forms, validator) = (forms(), jsonschema::validator_for(&schema).unwrap());
    let (mut valid, mut broken) = (0, BTreeSet::new());
    for seed in 0..CASES {
        let value = grow::experiment(&schema, seed);
        let (ours, theirs) = (ours(&forms, &value), theirs(&validator, &value));
        assert_eq!(ours, theirs, "seed {seed}: {value:#}");
        assert_eq!(ours.is_empty(), validator.is_valid(&value), "seed {seed}: {value:#}");
        valid += u64::from(ours.is_empty());
        broken.extend(
            ours.into_iter()
                .map(|(_, keyword)| keyword.split(' ').next().unwrap().to_owned()),
        );
    }
    println!("{CASES} experiments, {valid} of them valid; the others break {broken:?}");
    assert!(valid > CASES / 10, "only {valid} of {CASES} are valid");
    // Of a rule that was never broken we would know nothing.
    let checked = keywords(&schema).into_iter().filter(|keyword| {
        ![
            "$defs",
            "$ref",
            "$schema",
            "const",
            "default",
            "description",
            "format",
            "items",
            "properties",
            "title",
        ]
        .contains(&keyword.as_str())
    });
    assert_eq!(broken, checked.collect());
}

/// Every schema inside a schema, as JSON pointers.
fn schemas(schema: &Value) -> Vec<String> {
    fn walk(schema: &Value, at: &str, found: &mut Vec<String>) {
        found.push(at.to_owned());
        for (keyword, value) in schema.as_object().unwrap() {
            let at = child(at, keyword);
            match keyword.as_str() {
                "properties" | "$defs" => {
                    for (name, inner) in value.as_object().unwrap() {
                        walk(inner, &child(&at, name), found);
                    }
                }
                "oneOf" => {
                    for (number, inner) in value.as_array().unwrap().iter().enumerate() {
                        walk(inner, &child(&at, number), found);
                    }
                }
                "items" | "additionalProperties" if value.is_object() => walk(value, &at, found),
                _ => {}
            }
        }
    }
    let mut found = Vec::new();
    walk(schema, "", &mut found);
    found
}

fn keywords(schema: &Value) -> BTreeSet<String> {
    let of = |at: String| schema.pointer(&at).unwrap().as_object().unwrap().keys().cloned();
    schemas(schema).into_iter().flat_map(of).collect()
}

/// The types of the format may say something new one day. Then this fails, and [`Form::keyword`] has to learn it.
#[test]
fn the_walk_knows_everything_that_the_schema_says() {
    Forms::of(&Experiment::json_schema()).unwrap();
}

#[test]
fn a_keyword_that_is_not_known_is_refused_wherever_it_is() {
    let schema = Experiment::json_schema();
    let places = schemas(&schema);
    assert!(places.len() > 100, "only {}", places.len());
    for at in places {
        let mut changed = schema.clone();
        changed.pointer_mut(&at).unwrap()["uniqueItems"] = json!(true);
        let error = Forms::of(&changed).unwrap_err();
        assert!(error.ends_with("/uniqueItems is not understood"), "{at}: {error}");
    }
}

#[test]
fn a_known_keyword_with_another_value_is_refused() {
    let tagged = |field: &str, word: &str| json!({ "properties": { field: { "const": word } }, "required": [field] });
    for schema in [
        json!(true),
        json!({ "type": "null" }),
        json!({ "type": ["string", "null"] }),
        json!({ "type": 5 }),
        json!({ "properties": [] }),
        json!({ "properties": { "a": true } }),
        json!({ "additionalProperties": true }),
        json!({ "required": "name" }),
        json!({ "items": [{ "type": "string" }] }),
        json!({ "minItems": -1 }),
        json!({ "maxItems": 1.5 }),
        json!({ "minLength": "1" }),
        json!({ "pattern": "(" }),
        json!({ "minimum": "0" }),
        json!({ "enum": ["a", 1] }),
        json!({ "const": 1 }),
        json!({ "$ref": "https://example.com/schema.json" }),
        json!({ "$ref": "#/$defs/Nobody" }),
        json!({ "properties": { "a": { "items": { "$ref": "#/$defs/Nobody" } } } }),
        json!({ "$defs": { "A": { "additionalProperties": { "$ref": "#/$defs/Nobody" } } } }),
        json!({ "oneOf": [] }),
        json!({ "oneOf": [{ "type": "string" }, { "type": "number" }] }),
        json!({ "oneOf": [tagged("kind", "a"), tagged("kind", "a")] }),
        json!({ "oneOf": [tagged("kind", "a"), tagged("type", "b")] }),
        json!({ "oneOf": [tagged("kind", "a"), { "properties": { "kind": { "const": "b" } } }] }),
    ] {
        assert!(Forms::of(&schema).is_err(), "{schema}");
    }
    Forms::of(&json!({ "oneOf": [tagged("kind", "a"), tagged("kind", "b")] })).unwrap();
}

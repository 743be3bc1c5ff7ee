//! What the JSON Schema says: fields, types, ranges and kinds.
//!
//! The validator finds the mistakes; this module says them in words, with what the schema says would be right.

use std::sync::LazyLock;

use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::{ValidationError, Validator};
use serde_json::Value;

use super::{Problem, child};
use crate::experiment::Experiment;

static SCHEMA: LazyLock<Value> = LazyLock::new(Experiment::json_schema);
static VALIDATOR: LazyLock<Result<Validator, String>> =
    LazyLock::new(|| jsonschema::validator_for(&SCHEMA).map_err(|error| error.to_string()));

pub(super) fn problems(value: &Value) -> Vec<Problem> {
    match &*VALIDATOR {
        Ok(validator) => validator
            .iter_errors(value)
            .flat_map(|error| say(&error, value))
            .collect(),
        Err(error) => vec![Problem::at("", format!("the schema of experiments is broken: {error}"))],
    }
}

fn say(error: &ValidationError<'_>, whole: &Value) -> Vec<Problem> {
    let pointer = error.instance_path().as_str().to_owned();
    let schema = SCHEMA
        .pointer(parent(error.schema_path().as_str()))
        .unwrap_or(&Value::Null);
    let one = |problem| vec![problem];
    match error.kind() {
        ValidationErrorKind::AdditionalProperties { unexpected } => unexpected
            .iter()
            .map(|field| unknown_field(&pointer, field, schema))
            .collect(),
        ValidationErrorKind::Required { property } => one(missing_field(&pointer, property, schema)),
        ValidationErrorKind::OneOfNotValid { context } => one_of(&pointer, context, whole),
        ValidationErrorKind::Minimum { limit } => {
            one(Problem::at(pointer, format!("{} is below {limit}", error.instance()))
                .help(right(schema, &format!("at least {limit}"))))
        }
        ValidationErrorKind::Maximum { limit } => {
            one(Problem::at(pointer, format!("{} is above {limit}", error.instance()))
                .help(right(schema, &format!("at most {limit}"))))
        }
        ValidationErrorKind::Pattern { .. } => {
            let text = error.instance().as_str().unwrap_or_default();
            one(Problem::at(pointer, format!("`{text}` is not accepted here")).help(right(schema, "see the reference")))
        }
        ValidationErrorKind::Type { kind } => {
            let expected = match kind {
                TypeKind::Single(kind) => kind.to_string(),
                TypeKind::Multiple(kinds) => kinds
                    .iter()
                    .map(|kind| kind.to_string())
                    .collect::<Vec<_>>()
                    .join(" or "),
            };
            let found = shown(error.instance());
            one(Problem::at(pointer, format!("{found} is not of type {expected}")).help(right(schema, &expected)))
        }
        ValidationErrorKind::MinItems { .. } => {
            one(Problem::at(pointer, "the list is empty").help(right(schema, "at least one entry")))
        }
        ValidationErrorKind::MinProperties { .. } => one(Problem::at(pointer, "nothing is written here")
            .help(format!("write at least one of {}", fields(schema).join(", ")))),
        ValidationErrorKind::MinLength { .. } => {
            one(Problem::at(pointer, "the text is empty").help(right(schema, "some text")))
        }
        _ => one(Problem::at(pointer, error.to_string())),
    }
}

/// The mistakes inside the variant that the `kind` field names, or that there is no such kind.
fn one_of(pointer: &str, variants: &[Vec<ValidationError<'static>>], whole: &Value) -> Vec<Problem> {
    let value = whole.pointer(pointer).unwrap_or(&Value::Null);
    let kind_pointer = child(pointer, "kind");
    let names_kind = |error: &&ValidationError<'static>| match error.kind() {
        ValidationErrorKind::Constant { .. } => error.instance_path().as_str() == kind_pointer,
        ValidationErrorKind::Required { property } => property == "kind" && error.instance_path().as_str() == pointer,
        ValidationErrorKind::Type { .. } => error.instance_path().as_str() == pointer,
        _ => false,
    };
    let chosen = variants
        .iter()
        .find(|errors| !errors.iter().any(|error| names_kind(&error)));
    if let Some(errors) = chosen {
        return errors.iter().flat_map(|error| say(error, whole)).collect();
    }
    let kinds: Vec<String> = variants
        .iter()
        .flatten()
        .filter_map(|error| match error.kind() {
            ValidationErrorKind::Constant { expected_value } => expected_value.as_str().map(str::to_owned),
            _ => None,
        })
        .collect();
    let kinds = if kinds.is_empty() { known_kinds() } else { kinds };
    let list = kinds.join(", ");
    vec![match value.get("kind") {
        Some(kind) => {
            let near = kind
                .as_str()
                .and_then(|kind| nearest(kind, kinds.iter().map(String::as_str)));
            let help = near.map_or(format!("one of {list}"), |near| {
                format!("did you mean `{near}`? Known kinds: {list}")
            });
            Problem::at(kind_pointer, format!("{} is not a kind of fault", shown(kind))).help(help)
        }
        None => Problem::at(pointer, "`kind` is missing").help(format!("one of {list}")),
    }]
}

fn known_kinds() -> Vec<String> {
    let variants = SCHEMA.pointer("/$defs/Fault/oneOf").and_then(Value::as_array);
    let kinds = variants
        .into_iter()
        .flatten()
        .filter_map(|variant| variant.pointer("/properties/kind/const")?.as_str());
    kinds.map(str::to_owned).collect()
}

fn unknown_field(pointer: &str, field: &str, schema: &Value) -> Problem {
    let known = fields(schema);
    let near = nearest(field, known.iter().copied());
    let list = known.join(", ");
    let help = near.map_or(format!("known fields: {list}"), |near| {
        format!("did you mean `{near}`? Known fields: {list}")
    });
    Problem::at(child(pointer, field), format!("unknown field `{field}`")).help(help)
}

fn missing_field(pointer: &str, property: &Value, schema: &Value) -> Problem {
    let name = property.as_str().unwrap_or_default();
    let description = schema
        .pointer(&format!("/properties/{name}/description"))
        .and_then(Value::as_str);
    let problem = Problem::at(pointer, format!("`{name}` is missing"));
    match description {
        Some(description) => problem.help(description.replace('\n', " ")),
        None => problem,
    }
}

fn fields(schema: &Value) -> Vec<&str> {
    let properties = schema.get("properties").and_then(Value::as_object);
    properties
        .into_iter()
        .flat_map(|fields| fields.keys())
        .map(String::as_str)
        .filter(|f| *f != "$schema")
        .collect()
}

fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= 1 + candidate.len() / 4)
        .min()
        .map(|(_, candidate)| candidate)
}

/// What would be right: the description in the schema, or else the rule itself.
fn right(schema: &Value, rule: &str) -> String {
    match schema.get("description").and_then(Value::as_str) {
        Some(description) => description.replace('\n', " "),
        None => rule.to_owned(),
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => format!("`{text}`"),
        Value::Null => "nothing".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "a group of fields".to_owned(),
        other => format!("`{other}`"),
    }
}

/// The schema that a keyword belongs to.
fn parent(schema_path: &str) -> &str {
    schema_path.rfind('/').map_or("", |end| &schema_path[..end])
}

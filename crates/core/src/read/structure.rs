//! What the JSON Schema says: fields, types, ranges and kinds.
//!
//! The validator finds the mistakes; this module says them in words, with what the schema says would be right.

use std::sync::LazyLock;

use jsonschema::JsonType;
use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::{ValidationError, Validator};
use serde_json::Value;

use super::{Problem, child};
/// The schema that is generated from the types, as it is committed (a test holds the two equal): without the generator, the
/// function that reads experiments is smaller.
const COMMITTED: &str = include_str!("../../../../docs/experiment.schema.json");

static SCHEMA: LazyLock<Value> = LazyLock::new(|| serde_json::from_str(COMMITTED).unwrap_or_default());
static VALIDATOR: LazyLock<Result<Validator, String>> = LazyLock::new(|| {
    if !SCHEMA.is_object() {
        return Err("it is not JSON".to_owned());
    }
    jsonschema::validator_for(&SCHEMA).map_err(|error| error.to_string())
});

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
    let pointer = error.instance_path().as_str();
    let value = error.instance();
    let schema = SCHEMA
        .pointer(parent(error.schema_path().as_str()))
        .unwrap_or(&Value::Null);
    let name = label(pointer);
    let (message, help) = match error.kind() {
        ValidationErrorKind::AdditionalProperties { unexpected } => {
            let unknown = unexpected.iter().map(|field| unknown_field(pointer, field, schema));
            return unknown.collect();
        }
        ValidationErrorKind::OneOfNotValid { context } => return one_of(pointer, context, whole),
        ValidationErrorKind::Required { property } => {
            let field = property.as_str().unwrap_or_default();
            let help = field_help(&schema["properties"][field]);
            (format!("`{field}` is missing"), help)
        }
        ValidationErrorKind::Minimum { limit } => (
            format!("{name} is {value}, but must be at least {}", plain(limit)),
            description(schema),
        ),
        ValidationErrorKind::Maximum { limit } => (
            format!("{name} is {value}, but must be at most {}", plain(limit)),
            description(schema),
        ),
        ValidationErrorKind::Enum { options } => {
            let words = options.as_array().into_iter().flatten().filter_map(Value::as_str);
            let words: Vec<&str> = words.collect();
            let near = value.as_str().and_then(|word| nearest(word, words.iter().copied()));
            let help = suggestion(near, &format!("one of {}", words.join(", ")));
            (format!("{} is not right for {name}", shown(value)), help)
        }
        ValidationErrorKind::Pattern { .. } => {
            (format!("{} is not right for {name}", shown(value)), description(schema))
        }
        ValidationErrorKind::Type { kind } => wrong_type(&name, value, kind, schema),
        ValidationErrorKind::MinItems { .. } => (format!("{name} is empty"), "write at least one entry".to_owned()),
        ValidationErrorKind::MaxItems { limit } => (format!("{name} has too many entries"), format!("at most {limit}")),
        ValidationErrorKind::MinProperties { .. } => (format!("{name} is empty"), at_least_one(schema)),
        ValidationErrorKind::MaxProperties { limit } => {
            (format!("{name} has too many fields"), format!("at most {limit}"))
        }
        ValidationErrorKind::MinLength { .. } => (format!("{name} is an empty text"), description(schema)),
        ValidationErrorKind::MaxLength { limit } => {
            (format!("{name} is too long"), format!("at most {limit} characters"))
        }
        _ => return vec![Problem::at(pointer, error.to_string())],
    };
    vec![Problem::at(pointer, message).help(help)]
}

fn wrong_type(name: &str, value: &Value, kind: &TypeKind, schema: &Value) -> (String, String) {
    let expected = match kind {
        TypeKind::Single(JsonType::String) => "text",
        TypeKind::Single(JsonType::Number) => "a number",
        TypeKind::Single(JsonType::Integer) => "a whole number",
        TypeKind::Single(JsonType::Boolean) => "true or false",
        TypeKind::Single(JsonType::Array) => "a list",
        TypeKind::Single(JsonType::Object) => "a group of fields",
        TypeKind::Single(JsonType::Null) => "nothing",
        TypeKind::Multiple(_) => "a single value",
    };
    let quoted = Value::String(value.to_string());
    let is_scalar = value.is_number() || value.is_boolean();
    if is_scalar && expected == "text" && jsonschema::is_valid(schema, &quoted) {
        return (
            format!("{name} must be text, but {} is not", shown(value)),
            format!("write it in quotes: {quoted}"),
        );
    }
    match (value, schema.get("pattern")) {
        (Value::Null, _) => (
            format!("{name} has no value"),
            format!(
                "{} (write it after the colon, or remove the field)",
                description(schema)
            ),
        ),
        (_, Some(_)) => (format!("{} is not right for {name}", shown(value)), description(schema)),
        (_, None) => (
            format!("{name} must be {expected}, but is {}", shown(value)),
            description(schema),
        ),
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
    vec![match value {
        Value::Object(fields) => match fields.get("kind") {
            Some(Value::Null) => Problem::at(kind_pointer, "`kind` has no value").help(format!("known kinds: {list}")),
            Some(kind) => {
                let near = kind
                    .as_str()
                    .and_then(|kind| nearest(kind, kinds.iter().map(String::as_str)));
                let message = format!("{} is not a kind of fault", shown(kind));
                Problem::at(kind_pointer, message).help(suggestion(near, &format!("known kinds: {list}")))
            }
            None => Problem::at(pointer, "`kind` is missing").help(format!("known kinds: {list}")),
        },
        other => Problem::at(
            pointer,
            format!("{} must be a fault, but is {}", label(pointer), shown(other)),
        )
        .help(format!(
            "a group of fields that starts with `kind:`; known kinds: {list}"
        )),
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
    let help = suggestion(near, &format!("known fields: {}", known.join(", ")));
    Problem::at_key(child(pointer, field), format!("unknown field `{field}`")).help(help)
}

fn suggestion(near: Option<&str>, known: &str) -> String {
    near.map_or_else(|| known.to_owned(), |near| format!("did you mean `{near}`? {known}"))
}

/// What a field of this schema means, with the form that its value must have.
fn field_help(schema: &Value) -> String {
    let target = schema.get("$ref").and_then(Value::as_str).unwrap_or_default();
    match SCHEMA.pointer(target.trim_start_matches('#')) {
        Some(form) if form.get("pattern").is_some() => format!("{} ({})", description(schema), description(form)),
        _ => description(schema),
    }
}

fn at_least_one(schema: &Value) -> String {
    match fields(schema).as_slice() {
        [] => "write at least one entry".to_owned(),
        known => format!("write at least one of {}", known.join(", ")),
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

/// What the schema says of its value: the first sentence, for the reader has a problem already.
fn description(schema: &Value) -> String {
    let whole = schema.get("description").and_then(Value::as_str).unwrap_or_default();
    let first = whole.split_once(". ").map_or(whole, |(first, _)| first);
    first.trim_end_matches('.').to_owned()
}

/// How a message calls what is at a pointer.
fn label(pointer: &str) -> String {
    let mut steps = pointer
        .rsplit('/')
        .map(|step| step.replace("~1", "/").replace("~0", "~"));
    let (last, parent) = (steps.next().unwrap_or_default(), steps.next().unwrap_or_default());
    match last.parse::<usize>() {
        Ok(index) if !parent.is_empty() => format!("entry {} of `{parent}`", index + 1),
        _ if pointer.is_empty() => "the experiment".to_owned(),
        _ => format!("`{last}`"),
    }
}

/// A limit without the fraction that it does not have.
fn plain(limit: &Value) -> String {
    let text = limit.to_string();
    text.strip_suffix(".0").map(str::to_owned).unwrap_or(text)
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

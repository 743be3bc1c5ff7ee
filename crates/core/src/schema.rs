//! The JSON Schemas of experiments and of notices, made stricter and friendlier than the types alone can say.

use schemars::Schema;
use schemars::transform::{Transform, transform_subschemas};
use serde_json::{Map, Value};

use crate::experiment::Experiment;
use crate::notice::Notice;

/// The JSON Schema of the format, generated from its types.
pub(crate) fn of_experiments() -> Value {
    let mut schema = schemars::schema_for!(Experiment);
    Tidy.transform(&mut schema);
    schema.to_value()
}

/// The JSON Schema of what is told, generated from its types. Words keep what they mean.
pub(crate) fn of_notices() -> Value {
    let mut schema = schemars::schema_for!(Notice);
    TidyNotices.transform(&mut schema);
    schema.to_value()
}

struct TidyNotices;

impl Transform for TidyNotices {
    fn transform(&mut self, schema: &mut Schema) {
        transform_subschemas(self, schema);
        if let Some(fields) = schema.as_object_mut() {
            refuse_null(fields);
            unwrap_lines(fields);
        }
    }
}

struct Tidy;

impl Transform for Tidy {
    fn transform(&mut self, schema: &mut Schema) {
        transform_subschemas(self, schema);
        if let Some(fields) = schema.as_object_mut() {
            refuse_null(fields);
            list_words(fields);
            unwrap_lines(fields);
            describe_kind(fields);
        }
    }
}

/// An optional field may be left out, but not written without a value: `at_most:` alone would be no limit at all.
fn refuse_null(schema: &mut Map<String, Value>) {
    if let Some(Value::Array(types)) = schema.get_mut("type") {
        types.retain(|kind| kind != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            schema.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(choices)) = schema.get("anyOf")
        && let Some(Value::Object(choice)) = choices.iter().find(|choice| choice.get("$ref").is_some()).cloned()
    {
        schema.remove("anyOf");
        schema.extend(choice);
    }
}

/// A choice between words is a list of words; what each means is said where it is used.
fn list_words(schema: &mut Map<String, Value>) {
    let Some(Value::Array(choices)) = schema.get("oneOf") else {
        return;
    };
    let words: Option<Vec<Value>> = choices.iter().map(|choice| choice.get("const").cloned()).collect();
    if let Some(words) = words {
        schema.remove("oneOf");
        schema.insert("type".to_owned(), "string".into());
        schema.insert("enum".to_owned(), words.into());
    }
}

/// Doc comments are wrapped for the source; an editor wraps them for itself.
fn unwrap_lines(schema: &mut Map<String, Value>) {
    if let Some(Value::String(description)) = schema.get_mut("description") {
        let paragraphs: Vec<String> = description.split("\n\n").map(|text| text.replace('\n', " ")).collect();
        *description = paragraphs.join("\n\n");
    }
}

/// Editors show what a kind does where it is written: at the field `kind`.
fn describe_kind(schema: &mut Map<String, Value>) {
    let Some(description) = schema.get("description").cloned() else {
        return;
    };
    if let Some(Value::Object(kind)) = schema.get_mut("properties").and_then(|fields| fields.get_mut("kind")) {
        kind.insert("description".to_owned(), description);
    }
}

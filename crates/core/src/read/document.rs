//! Text to values, remembering where each stood.

use std::collections::HashMap;

use marked_yaml::types::{MarkedScalarNode, Marker, Node};
use marked_yaml::{LoadError, LoaderOptions, parse_yaml_with_options};
use serde::Serialize;
use serde_json::{Map, Number, Value};

use super::{Problem, child};

/// A place in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Place {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
}

/// A parsed text: the values, and where each stood.
pub(super) struct Document {
    pub(super) value: Value,
    places: HashMap<String, Place>,
}

impl Document {
    pub(super) fn parse(text: &str) -> Result<Document, Problem> {
        let options = LoaderOptions::default().error_on_duplicate_keys(true);
        let node = parse_yaml_with_options(0, text, options).map_err(|error| load_problem(&error))?;
        let mut places = HashMap::new();
        let value = convert(&node, "", &mut places);
        Ok(Document { value, places })
    }

    /// Where a pointer stands; for something that is missing, where it should have been.
    pub(super) fn place_of(&self, pointer: &str) -> Option<Place> {
        let mut pointer = pointer;
        loop {
            if let Some(place) = self.places.get(pointer) {
                return Some(*place);
            }
            pointer = &pointer[..pointer.rfind('/')?];
        }
    }
}

fn place(marker: Option<&Marker>) -> Option<Place> {
    marker.map(|marker| Place {
        line: marker.line(),
        column: marker.column(),
    })
}

fn convert(node: &Node, pointer: &str, places: &mut HashMap<String, Place>) -> Value {
    if let Some(place) = place(node.span().start()) {
        places.entry(pointer.to_owned()).or_insert(place);
    }
    match node {
        Node::Scalar(scalar) => scalar_value(scalar),
        Node::Sequence(items) => {
            let convert_item = |(index, item)| convert(item, &child(pointer, index), places);
            Value::Array(items.iter().enumerate().map(convert_item).collect())
        }
        Node::Mapping(fields) => {
            let mut object = Map::new();
            for (key, field) in fields.iter() {
                let at = child(pointer, key.as_str());
                // A scalar is pointed at itself; anything longer, and a mistake in the key, at the key.
                let mark = if matches!(field, Node::Scalar(_)) {
                    field.span().start()
                } else {
                    key.span().start()
                };
                if let Some(place) = place(mark.or(key.span().start())) {
                    places.insert(at.clone(), place);
                }
                object.insert(key.as_str().to_owned(), convert(field, &at, places));
            }
            Value::Object(object)
        }
    }
}

/// A plain scalar by the core schema of YAML 1.2; a quoted one is always text.
fn scalar_value(scalar: &MarkedScalarNode) -> Value {
    let text = scalar.as_str();
    if !scalar.may_coerce() {
        return Value::String(text.to_owned());
    }
    match text {
        "" | "null" | "Null" | "NULL" | "~" => return Value::Null,
        "true" | "True" | "TRUE" => return Value::Bool(true),
        "false" | "False" | "FALSE" => return Value::Bool(false),
        _ => {}
    }
    let is_number = text
        .bytes()
        .all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
    if is_number {
        if let Ok(number) = text.parse::<i64>() {
            return Value::Number(number.into());
        }
        if let Some(number) = text.parse::<f64>().ok().and_then(Number::from_f64) {
            return Value::Number(number);
        }
    }
    Value::String(text.to_owned())
}

fn load_problem(error: &LoadError) -> Problem {
    let marker = match error {
        LoadError::TopLevelMustBeMapping(marker)
        | LoadError::TopLevelMustBeSequence(marker)
        | LoadError::UnexpectedAnchor(marker)
        | LoadError::MappingKeyMustBeScalar(marker)
        | LoadError::UnexpectedTag(marker)
        | LoadError::ScanError(marker, _) => Some(*marker),
        LoadError::DuplicateKey(inner) => inner.key.span().start().copied(),
    };
    let (message, help) = match error {
        LoadError::TopLevelMustBeMapping(_) => (
            "the file is not an experiment".to_owned(),
            Some("an experiment starts with fields like `name:`"),
        ),
        LoadError::UnexpectedAnchor(_) => (
            "anchors and aliases (`&x`, `*x`) are not allowed".to_owned(),
            Some("write the value out"),
        ),
        LoadError::UnexpectedTag(_) => ("tags (`!x`) are not allowed".to_owned(), Some("leave the tag out")),
        LoadError::DuplicateKey(inner) => (
            format!("`{}` is written twice", inner.key.as_str()),
            Some("keep one of the two"),
        ),
        other => (format!("the file is neither YAML nor JSON: {other}"), None),
    };
    let mut problem = Problem::at("", message);
    problem.place = place(marker.as_ref());
    problem.help = help.map(str::to_owned);
    problem
}

//! Each part of a file of Chaos Toolkit, and what became of it.

use serde::Serialize;
use serde_json::{Value, json};

/// One part of the file, and what became of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Part {
    /// Where it is in the file, as a JSON pointer.
    pub pointer: String,
    /// What it is, for people: a function and the name of the activity, or nothing but the field.
    pub what: String,
    /// What became of it.
    #[serde(flatten)]
    pub fate: Fate,
    /// In what the result differs from what the part means to Chaos Toolkit.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// What became of a part.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "fate", rename_all = "snake_case")]
pub enum Fate {
    /// It is a part of the experiment.
    Becomes {
        /// Which, as a JSON pointer into the experiment.
        into: String,
    },
    /// Nothing needs to be written for it: Inoculate does it for every run.
    Automatic {
        /// How.
        why: String,
    },
    /// The experiment does not have it.
    LeftOut {
        /// Why, and what to do.
        why: String,
    },
}

impl Part {
    /// A part that became a part of the experiment.
    pub(super) fn becomes(pointer: &str, what: &str, into: String, notes: Vec<String>) -> Part {
        Part {
            notes,
            ..Part::new(pointer, what, Fate::Becomes { into })
        }
    }

    /// A part for which nothing needs to be written.
    pub(super) fn automatic(pointer: &str, what: &str, why: impl Into<String>) -> Part {
        Part::new(pointer, what, Fate::Automatic { why: why.into() })
    }

    /// A part that the experiment does not have.
    pub(super) fn left_out(pointer: &str, what: &str, why: impl Into<String>) -> Part {
        Part::new(pointer, what, Fate::LeftOut { why: why.into() })
    }

    fn new(pointer: &str, what: &str, fate: Fate) -> Part {
        Part {
            pointer: pointer.to_owned(),
            what: what.to_owned(),
            fate,
            notes: Vec::new(),
        }
    }

    /// Why it was left out; `None` for every other part.
    pub fn why_left_out(&self) -> Option<&str> {
        match &self.fate {
            Fate::LeftOut { why } => Some(why),
            Fate::Becomes { .. } | Fate::Automatic { .. } => None,
        }
    }
}

/// One step down a JSON pointer, escaped (RFC 6901).
pub(super) fn child(pointer: &str, step: impl std::fmt::Display) -> String {
    format!("{pointer}/{}", step.to_string().replace('~', "~0").replace('/', "~1"))
}

/// The entries of a list with their pointers; none when there is no list.
pub(super) fn items<'v>(
    value: &'v Value,
    pointer: &str,
) -> impl DoubleEndedIterator<Item = (String, &'v Value)> + use<'v> {
    let list = value
        .pointer(pointer)
        .and_then(Value::as_array)
        .map_or(&[][..], Vec::as_slice);
    let pointer = pointer.to_owned();
    list.iter()
        .enumerate()
        .map(move |(index, item)| (child(&pointer, index), item))
}

/// A number as people write it: `100`, not `100.0`.
pub(super) fn whole(number: f64) -> Value {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if number.fract() == 0.0 && number.abs() < EXACT {
        json!(number as i64)
    } else {
        json!(number)
    }
}

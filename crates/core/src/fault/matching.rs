//! Which events meet a fault.

use std::fmt;

use regex_lite::{Regex, RegexBuilder};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The longest pattern, in bytes.
const MAX_PATTERN: usize = 256;

/// The largest compiled pattern, in bytes. With [`MAX_TEXT`] it bounds how long a match can take: some milliseconds.
const MAX_COMPILED: usize = 16 * 1024;

/// The longest text that a pattern is tried on, in bytes. A longer one does not match.
const MAX_TEXT: usize = 4 * 1024;

/// One condition on the event. A field is a JSON pointer: `/order/customer`.
///
/// <https://www.rfc-editor.org/rfc/rfc6901>
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "test", rename_all = "snake_case", deny_unknown_fields)]
pub enum Match {
    /// The field has this value. Numbers are compared as numbers.
    Equals {
        /// The field.
        field: String,
        /// The value.
        value: Value,
    },
    /// The field is a text that begins like this.
    Prefix {
        /// The field.
        field: String,
        /// The beginning.
        value: String,
    },
    /// The field is there, even if it is null.
    Exists {
        /// The field.
        field: String,
    },
    /// The field is a text in which this pattern is found, at most 4 KB long.
    Regex {
        /// The field.
        field: String,
        /// The pattern.
        pattern: Pattern,
    },
}

/// Why a match is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MatchError {
    /// Not a JSON pointer.
    #[error("{0:?} is not a JSON pointer: it should be empty or begin with /, and have at most 256 bytes")]
    Pointer(String),
    /// Not a pattern, or too large a one.
    #[error("the pattern {pattern:?} is refused: {reason}")]
    Pattern {
        /// The pattern.
        pattern: String,
        /// Why.
        reason: String,
    },
}

impl Match {
    /// Whether the event is as it should be.
    pub fn holds(&self, event: &Value) -> bool {
        let found = event.pointer(self.field());
        match self {
            Match::Equals { value, .. } => found.is_some_and(|found| is_same(found, value)),
            Match::Prefix { value, .. } => found
                .and_then(Value::as_str)
                .is_some_and(|text| text.starts_with(value)),
            Match::Exists { .. } => found.is_some(),
            Match::Regex { pattern, .. } => found.and_then(Value::as_str).is_some_and(|text| pattern.is_in(text)),
        }
    }

    /// Whether the field can be a field. The pattern is checked when it is read.
    ///
    /// # Errors
    /// When it is no JSON pointer.
    pub fn validate(&self) -> Result<(), MatchError> {
        check_pointer(self.field())
    }

    fn field(&self) -> &str {
        match self {
            Match::Equals { field, .. }
            | Match::Prefix { field, .. }
            | Match::Exists { field }
            | Match::Regex { field, .. } => field,
        }
    }
}

/// Whether a text can be a JSON pointer.
///
/// # Errors
/// When it cannot.
pub(crate) fn check_pointer(pointer: &str) -> Result<(), MatchError> {
    let is_pointer = (pointer.is_empty() || pointer.starts_with('/')) && pointer.len() <= 256;
    if is_pointer {
        Ok(())
    } else {
        Err(MatchError::Pointer(pointer.to_owned()))
    }
}

fn is_same(found: &Value, value: &Value) -> bool {
    match (found, value) {
        (Value::Number(found), Value::Number(value)) => found == value || found.as_f64() == value.as_f64(),
        _ => found == value,
    }
}

/// A regular expression that is small enough to be tried on every event.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Pattern(Regex);

impl Pattern {
    /// Compiles a pattern.
    ///
    /// # Errors
    /// When it is not a regular expression, or too large.
    pub fn new(pattern: &str) -> Result<Pattern, MatchError> {
        let refused = |reason: String| MatchError::Pattern {
            pattern: pattern.chars().take(MAX_PATTERN).collect(),
            reason,
        };
        if pattern.len() > MAX_PATTERN {
            return Err(refused(format!("it has more than {MAX_PATTERN} bytes")));
        }
        let compiled = RegexBuilder::new(pattern)
            .size_limit(MAX_COMPILED)
            .nest_limit(20)
            .build();
        compiled.map(Pattern).map_err(|error| refused(error.to_string()))
    }

    fn is_in(&self, text: &str) -> bool {
        text.len() <= MAX_TEXT && self.0.is_match(text)
    }
}

impl TryFrom<String> for Pattern {
    type Error = MatchError;

    fn try_from(pattern: String) -> Result<Pattern, MatchError> {
        Pattern::new(&pattern)
    }
}

impl From<Pattern> for String {
    fn from(pattern: Pattern) -> String {
        pattern.0.as_str().to_owned()
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Pattern) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0.as_str())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn holds(test: Value, event: &Value) -> bool {
        serde_json::from_value::<Match>(test).unwrap().holds(event)
    }

    #[test]
    fn a_match_looks_at_one_field() {
        let event = json!({ "order": { "customer": "eu-17", "total": 5, "note": null }, "a/b": [1, 2] });
        for (test, expected) in [
            (
                json!({ "test": "equals", "field": "/order/customer", "value": "eu-17" }),
                true,
            ),
            (
                json!({ "test": "equals", "field": "/order/customer", "value": "eu-18" }),
                false,
            ),
            (json!({ "test": "equals", "field": "/order/total", "value": 5.0 }), true),
            (
                json!({ "test": "equals", "field": "/order/total", "value": "5" }),
                false,
            ),
            (json!({ "test": "equals", "field": "/a~1b", "value": [1, 2] }), true),
            (json!({ "test": "equals", "field": "/a~1b/1", "value": 2 }), true),
            (
                json!({ "test": "prefix", "field": "/order/customer", "value": "eu-" }),
                true,
            ),
            (
                json!({ "test": "prefix", "field": "/order/total", "value": "5" }),
                false,
            ),
            (json!({ "test": "exists", "field": "/order/note" }), true),
            (json!({ "test": "exists", "field": "/order/none" }), false),
            (json!({ "test": "exists", "field": "" }), true),
            (
                json!({ "test": "regex", "field": "/order/customer", "pattern": "^(eu|us)-[0-9]+$" }),
                true,
            ),
            (
                json!({ "test": "regex", "field": "/order/customer", "pattern": "^us" }),
                false,
            ),
        ] {
            assert_eq!(holds(test.clone(), &event), expected, "{test}");
            let read: Match = serde_json::from_value(test.clone()).unwrap();
            assert_eq!(serde_json::to_value(&read).unwrap(), test);
        }
    }

    #[test]
    fn what_cannot_be_tested_is_refused() {
        for test in [
            json!({ "test": "regex", "field": "/a", "pattern": "(" }),
            json!({ "test": "regex", "field": "/a", "pattern": "a{1000}{1000}" }),
            json!({ "test": "regex", "field": "/a", "pattern": "a".repeat(257) }),
            json!({ "test": "regex", "field": "/a", "pattern": "(".repeat(50) + &")".repeat(50) }),
            json!({ "test": "exists", "field": "/a", "value": 1 }),
            json!({ "test": "near", "field": "/a" }),
        ] {
            assert!(serde_json::from_value::<Match>(test.clone()).is_err(), "{test}");
        }
        let wrong = Match::Exists { field: "a".into() };
        assert!(
            wrong
                .validate()
                .unwrap_err()
                .to_string()
                .starts_with("\"a\" is not a JSON pointer")
        );
    }

    #[test]
    fn a_long_text_is_not_searched() {
        let test = json!({ "test": "regex", "field": "", "pattern": "a" });
        assert!(holds(test.clone(), &json!("a".repeat(4096))));
        assert!(!holds(test, &json!("a".repeat(4097))));
    }

    proptest! {
        #[test]
        fn no_pattern_and_no_text_panics(pattern in ".{0,80}", text in ".{0,200}") {
            if let Ok(pattern) = Pattern::new(&pattern) {
                pattern.is_in(&text);
            }
        }
    }
}

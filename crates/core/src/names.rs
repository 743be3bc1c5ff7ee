//! Validated names. Each can go into a key, a log line or an AWS call without escaping.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// What is wrong with a text that should be a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {what}")]
pub struct NameError {
    text: String,
    what: &'static str,
}

fn is_word(text: &str, longest: usize, extra: &[u8]) -> bool {
    (1..=longest).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || extra.contains(&b))
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $longest:literal, $extra:literal, $pattern:literal, $what:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                if is_word(text, $longest, $extra) {
                    Ok($name(text.to_owned()))
                } else {
                    Err(NameError { text: text.to_owned(), what: $what })
                }
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;

            fn try_from(text: String) -> Result<Self, NameError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "pattern": $pattern, "description": $what })
            }
        }
    };
}

name!(
    /// The name of a run, which is the name of its Step Functions execution.
    RunId, 80, b"-_.", "^[A-Za-z0-9_.-]{1,80}$",
    "the name of a run: 1 to 80 letters, digits, `-`, `_` or `.`"
);
name!(
    /// The name of an experiment.
    ExperimentName, 64, b"-_", "^[A-Za-z0-9_-]{1,64}$",
    "the name of an experiment: 1 to 64 letters, digits, `-` or `_`"
);
name!(
    /// The name of a Lambda function in the account and region of Inoculate; no ARN, version or alias.
    FunctionName, 64, b"-_", "^[A-Za-z0-9_-]{1,64}$",
    "the name of a Lambda function: 1 to 64 letters, digits, `-` or `_`, without ARN, version or alias"
);
name!(
    /// The name of a measure of the steady state, unique in its experiment.
    MeasureName, 64, b"-_", "^[A-Za-z0-9_-]{1,64}$",
    "the name of a measure: 1 to 64 letters, digits, `-` or `_`"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_hold_no_separator_of_a_key_an_arn_or_a_log_line() {
        for text in [
            "",
            "a b",
            "a#b",
            "a\nb",
            "arn:aws:lambda",
            "a/b",
            "é",
            "a\"b",
            &"a".repeat(65),
        ] {
            assert!(text.parse::<FunctionName>().is_err(), "{text:?}");
            assert!(text.parse::<ExperimentName>().is_err(), "{text:?}");
        }
        assert!("shop-payments_2".parse::<FunctionName>().is_ok());
        assert!(&"a".repeat(81).parse::<RunId>().is_err());
    }
}

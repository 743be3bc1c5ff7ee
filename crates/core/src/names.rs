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
    /// The name of an environment, like `production`. Upper and lower case mean the same.
    EnvironmentName, 32, b"-_", "^[A-Za-z0-9_-]{1,32}$",
    "the name of an environment: 1 to 32 letters, digits, `-` or `_`, like production or staging"
);
name!(
    /// The name of a schedule that starts runs, unique in its stack.
    ScheduleName, 64, b"-_.", "^[A-Za-z0-9_.-]{1,64}$",
    "the name of a schedule: 1 to 64 letters, digits, `-`, `_` or `.`"
);
name!(
    /// The name of a measure of the steady state, unique in its experiment.
    MeasureName, 64, b"-_", "^[A-Za-z0-9_-]{1,64}$",
    "the name of a measure: 1 to 64 letters, digits, `-` or `_`"
);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::de::DeserializeOwned;

    use super::*;

    /// Whatever text comes, and on whichever way: what it is parsed to has nothing in it that means something in a key, an ARN,
    /// a log line, a shell or a terminal.
    fn assert_harmless<Name>(text: &str, extra: &str, longest: usize)
    where
        Name: FromStr + DeserializeOwned + ToString + JsonSchema,
    {
        let is_harmless = (1..=longest).contains(&text.chars().count())
            && text
                .chars()
                .all(|letter| letter.is_ascii_alphanumeric() || extra.contains(letter));
        assert_eq!(text.parse::<Name>().is_ok(), is_harmless, "{text:?}");
        let read = serde_json::from_value::<Name>(text.into());
        assert_eq!(read.is_ok(), is_harmless, "{text:?}");
        if let Ok(name) = read {
            assert_eq!(name.to_string(), text);
        }
        let schema = Name::json_schema(&mut SchemaGenerator::default());
        let pattern = schema.get("pattern").and_then(|pattern| pattern.as_str()).unwrap();
        let pattern = regex_lite::Regex::new(pattern).unwrap();
        assert_eq!(pattern.is_match(text), is_harmless, "{text:?}");
    }

    fn assert_all_harmless(text: &str) {
        assert_harmless::<RunId>(text, "-_.", 80);
        assert_harmless::<ExperimentName>(text, "-_", 64);
        assert_harmless::<FunctionName>(text, "-_", 64);
        assert_harmless::<MeasureName>(text, "-_", 64);
        assert_harmless::<ScheduleName>(text, "-_.", 64);
    }

    proptest! {
        #[test]
        fn any_text_is_a_harmless_name_or_none(text in r#"[^\x00]{0,6}|[a-zA-Z0-9_.-]{0,90}|[a-z#/:\n\r\x1b"'$`{}%\\ -]{1,6}"#) {
            assert_all_harmless(&text);
        }
    }

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

//! The configuration of a Chaos Toolkit experiment, and `${name}` in its texts.
//!
//! The environment is not read: a file of somebody else would decide which of its variables are written into the
//! experiment, and the log of a pipeline.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::parts::{Part, child};

/// The values of the configuration, or why there is none.
pub(super) struct Variables {
    values: BTreeMap<String, Result<Value, String>>,
}

/// What the extension for AWS reads from the configuration, and who says it to Inoculate.
const AWS: [(&str, &str); 5] = [
    ("aws_region", "the region is that of the stack; `--region` names it"),
    ("aws_profile_name", "`--profile` names the profile"),
    (
        "aws_assume_role_arn",
        "the roles of the stack change the functions; for the command, name a profile that assumes the role with `--profile`",
    ),
    (
        "aws_assume_role_session_name",
        "the roles of the stack change the functions",
    ),
    ("aws_endpoint_url", "`AWS_ENDPOINT_URL` names the endpoint"),
];

impl Variables {
    /// Reads `configuration` and `secrets`, and adds what became of each entry.
    ///
    /// # Errors
    /// The name of a given value that is not in the configuration.
    pub(super) fn of(
        experiment: &Map<String, Value>,
        given: &BTreeMap<String, String>,
        parts: &mut Vec<Part>,
    ) -> Result<Variables, String> {
        let none = Map::new();
        let group = |field: &str| experiment.get(field).and_then(Value::as_object).unwrap_or(&none);
        let mut values = BTreeMap::new();
        for (name, written) in group("secrets") {
            let why = "secrets are not read; AWS credentials come from the usual AWS configuration";
            parts.push(Part::left_out(&child("/secrets", name), "secret", why));
            let fields = written.as_object().into_iter().flat_map(Map::keys);
            for secret in fields {
                values.insert(secret.clone(), Err("it is a secret, and those are not read".to_owned()));
            }
        }
        for (name, written) in group("configuration") {
            let value = value_of(name, written, given.get(name));
            parts.push(became(name, &value));
            values.insert(name.clone(), value);
        }
        match given.keys().find(|name| !group("configuration").contains_key(*name)) {
            Some(name) => Err(name.clone()),
            None => Ok(Variables { values }),
        }
    }

    /// The value with every `${name}` and `$name` in its texts replaced, as Chaos Toolkit does it: a text that is
    /// nothing but one name becomes a value of the type that is configured.
    ///
    /// # Errors
    /// Which name has no value, and why.
    pub(super) fn substituted(&self, value: &Value) -> Result<Value, String> {
        match value {
            Value::String(text) => self.text(text),
            Value::Array(items) => items.iter().map(|item| self.substituted(item)).collect(),
            Value::Object(fields) => {
                let field = |(name, value): (&String, &Value)| Ok((name.clone(), self.substituted(value)?));
                fields.iter().map(field).collect()
            }
            other => Ok(other.clone()),
        }
    }

    fn text(&self, text: &str) -> Result<Value, String> {
        let mut result = String::new();
        let mut rest = text;
        while let Some(at) = rest.find('$') {
            result.push_str(&rest[..at]);
            rest = &rest[at..];
            if let Some(after) = rest.strip_prefix("$$") {
                result.push('$');
                rest = after;
                continue;
            }
            let Some((name, length)) = name_at(rest) else {
                result.push('$');
                rest = &rest[1..];
                continue;
            };
            let value = self.named(name)?;
            if length == text.len() {
                return Ok(value.clone());
            }
            match value {
                Value::String(text) => result.push_str(text),
                other => result.push_str(&other.to_string()),
            }
            rest = &rest[length..];
        }
        result.push_str(rest);
        Ok(Value::String(result))
    }

    fn named(&self, name: &str) -> Result<&Value, String> {
        match self.values.get(name) {
            Some(Ok(value)) => Ok(value),
            Some(Err(why)) => Err(format!("`${{{name}}}` has no value: {why}")),
            None => Err(format!("`${{{name}}}` has no value: it is not in the configuration")),
        }
    }
}

/// The name that a text beginning with `$` begins with, and how many bytes it takes with its signs.
fn name_at(text: &str) -> Option<(&str, usize)> {
    let after = &text[1..];
    let (name, signs) = match after.strip_prefix('{') {
        Some(inner) => (&inner[..inner.find('}')?], 3),
        None => {
            let end = after.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
            (&after[..end.unwrap_or(after.len())], 1)
        }
    };
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let is_name = plain && name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    is_name.then_some((name, name.len() + signs))
}

/// What is configured under a name: what was given for it, else what is written, else its default.
fn value_of(name: &str, written: &Value, given: Option<&String>) -> Result<Value, String> {
    let kind = written.get("type").and_then(Value::as_str);
    if let Some(given) = given {
        let wanted = written.get("env_var_type").and_then(Value::as_str);
        return typed(wanted, given).ok_or_else(|| format!("`{given}` is not of the type {}", wanted.unwrap_or("str")));
    }
    let give = format!("give it with `--var {name}=VALUE`");
    match kind {
        Some("env") => match written.get("default") {
            Some(default) => Ok(default.clone()),
            None => {
                let key = written.get("key").and_then(Value::as_str).unwrap_or("?");
                Err(format!("it is the environment variable {key}; {give}"))
            }
        },
        Some("probe") => Err(format!("a probe finds it while an experiment runs; {give}")),
        _ => Ok(written.clone()),
    }
}

/// A text as one of the types of `env_var_type`.
fn typed(wanted: Option<&str>, text: &str) -> Option<Value> {
    match wanted {
        Some("int") => text.parse::<i64>().ok().map(Value::from),
        Some("float") => text.parse::<f64>().ok().map(Value::from),
        Some("bool") => Some(matches!(text.to_ascii_lowercase().as_str(), "true" | "1" | "on" | "yes").into()),
        Some("json") => serde_json::from_str(text).ok(),
        _ => Some(text.into()),
    }
}

fn became(name: &str, value: &Result<Value, String>) -> Part {
    const WHAT: &str = "variable";
    let pointer = child("/configuration", name);
    if let Some((_, how)) = AWS.iter().find(|(known, _)| *known == name) {
        return Part::automatic(&pointer, WHAT, *how);
    }
    match value {
        Ok(_) => Part::automatic(&pointer, WHAT, "its value is written wherever it is used"),
        Err(why) => Part::left_out(&pointer, WHAT, why),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn variables(given: &[(&str, &str)]) -> Variables {
        let experiment = json!({
            "configuration": {
                "plain": "shop", "number": 7,
                "from_env": { "type": "env", "key": "FUNCTION" },
                "count": { "type": "env", "key": "COUNT", "env_var_type": "int", "default": 5 },
                "found": { "type": "probe", "name": "p", "provider": {} },
            },
            "secrets": { "aws": { "token": { "type": "env", "key": "TOKEN" } } },
        });
        let given = given
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        Variables::of(experiment.as_object().unwrap(), &given, &mut Vec::new()).unwrap()
    }

    #[test]
    fn names_are_replaced_as_chaos_toolkit_does_it() {
        let variables = variables(&[]);
        for (text, expected) in [
            ("${number}", json!(7)),
            ("$number", json!(7)),
            ("a ${number} b", json!("a 7 b")),
            ("${plain}-${count}", json!("shop-5")),
            ("$$plain", json!("$plain")),
            ("5$ and ${", json!("5$ and ${")),
            ("", json!("")),
        ] {
            assert_eq!(variables.substituted(&json!(text)).unwrap(), expected, "{text}");
        }
        let nested = json!({ "a": ["${plain}", 1, null] });
        assert_eq!(
            variables.substituted(&nested).unwrap(),
            json!({ "a": ["shop", 1, null] })
        );
    }

    #[test]
    fn a_name_without_a_value_says_why() {
        let variables = variables(&[]);
        let why = |text: &str| variables.substituted(&json!(text)).unwrap_err();
        assert!(why("${from_env}").contains("environment variable FUNCTION; give it with `--var from_env=VALUE`"));
        assert!(why("x ${found}").contains("a probe finds it"));
        assert!(why("${token}").contains("it is a secret"));
        assert!(why("${nowhere}").contains("not in the configuration"));
    }

    #[test]
    fn what_is_given_has_the_type_that_is_written() {
        let given = variables(&[("count", "9"), ("from_env", "payments")]);
        assert_eq!(
            given.substituted(&json!(["${count}", "${from_env}"])).unwrap(),
            json!([9, "payments"])
        );
        let wrong = variables(&[("count", "nine")]);
        assert!(
            wrong
                .substituted(&json!("${count}"))
                .unwrap_err()
                .contains("`nine` is not of the type int")
        );
    }
}

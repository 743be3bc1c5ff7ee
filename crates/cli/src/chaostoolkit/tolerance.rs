//! Tolerances of Chaos Toolkit: what they accept of a number, and of the state of an alarm.
//!
//! Source: <https://chaostoolkit.org/reference/api/experiment/#steady-state-probe-tolerance>

use inoculate_core::experiment::Tolerance;
use regex_lite::Regex;
use serde_json::Value;

/// The limits that a tolerance sets to a number.
///
/// # Errors
/// Why it sets none.
pub(super) fn limits(tolerance: &Value) -> Result<Tolerance, String> {
    let between = |least: &Value, most: &Value| match (least.as_f64(), most.as_f64()) {
        (Some(least), Some(most)) => Ok(Tolerance {
            at_least: Some(least),
            at_most: Some(most),
            ..Tolerance::default()
        }),
        _ => Err(format!("{least} and {most} are not the ends of a range of numbers")),
    };
    match tolerance {
        Value::Number(number) if number.is_f64() => Err(format!(
            "Chaos Toolkit takes whole numbers only: write the range [{number}, {number}]"
        )),
        Value::Number(_) => between(tolerance, tolerance),
        Value::Array(items) => match items.as_slice() {
            [least, most] => between(least, most),
            _ => Err("a list of values is tolerated; a measure has limits: at most, at least".to_owned()),
        },
        Value::Object(_) => match (kind(tolerance), tolerance.get("range"), tolerance.get("target")) {
            ("range", Some(_), Some(target)) => Err(format!("the probe gives a number, which has no {target}")),
            ("range", Some(range @ Value::Array(items)), None) if items.len() == 2 => limits(range),
            ("range", ..) => Err("a range is a list of two numbers".to_owned()),
            ("probe", ..) => {
                Err("another function judges the value; a measure has limits: at most, at least".to_owned())
            }
            (kind, ..) => Err(format!("a tolerance of the type {kind} is not about numbers")),
        },
        other => Err(format!("the probe gives a number, and {other} is none")),
    }
}

/// Whether a tolerance accepts a text.
///
/// # Errors
/// Why that cannot be told.
pub(super) fn accepts(tolerance: &Value, text: &str) -> Result<bool, String> {
    match tolerance {
        Value::String(only) => Ok(only == text),
        // Two of them are the ends of a range to Chaos Toolkit, also when they are texts.
        Value::Array(items) => match items.as_slice() {
            [Value::String(least), Value::String(most)] => Ok(least.as_str() <= text && text <= most.as_str()),
            [_, _] => Err("the probe gives a text, which is in no range of numbers".to_owned()),
            items => Ok(items.iter().any(|item| item == text)),
        },
        Value::Object(_) if kind(tolerance) == "regex" => {
            let pattern = tolerance.get("pattern").and_then(Value::as_str).unwrap_or_default();
            let regex = Regex::new(pattern).map_err(|error| format!("the pattern cannot be read: {error}"))?;
            Ok(regex.is_match(text))
        }
        Value::Object(_) => Err(format!(
            "a tolerance of the type {} is not about texts",
            kind(tolerance)
        )),
        other => Err(format!("the probe gives a text, and {other} is none")),
    }
}

fn kind(tolerance: &Value) -> &str {
    tolerance.get("type").and_then(Value::as_str).unwrap_or("?")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_tolerance_of_a_number_is_a_range_or_says_why_not() {
        let range = |least, most| Tolerance {
            at_least: Some(least),
            at_most: Some(most),
            ..Tolerance::default()
        };
        assert_eq!(limits(&json!(0)), Ok(range(0.0, 0.0)));
        assert_eq!(limits(&json!([1, 2.5])), Ok(range(1.0, 2.5)));
        assert_eq!(
            limits(&json!({ "type": "range", "range": [-1, 6] })),
            Ok(range(-1.0, 6.0))
        );
        for (tolerance, why) in [
            (json!(0.5), "whole numbers only"),
            (json!(true), "true is none"),
            (json!("OK"), "\"OK\" is none"),
            (json!([1, 2, 3]), "a list of values"),
            (json!(["a", "b"]), "not the ends of a range"),
            (json!({ "type": "range", "range": [1] }), "a list of two numbers"),
            (
                json!({ "type": "range", "range": [1, 2], "target": "body" }),
                "has no \"body\"",
            ),
            (json!({ "type": "jsonpath", "path": "$.a" }), "type jsonpath"),
            (json!({ "type": "regex", "pattern": "1" }), "type regex"),
            (json!({ "type": "probe", "name": "p" }), "another function judges"),
            (json!(null), "null is none"),
        ] {
            let said = limits(&tolerance).unwrap_err();
            assert!(said.contains(why), "{tolerance}: {said}");
        }
    }

    #[test]
    fn a_tolerance_of_a_text_accepts_what_chaos_toolkit_accepts() {
        for (tolerance, accepted) in [
            (json!("OK"), vec!["OK"]),
            (json!(["OK"]), vec!["OK"]),
            (json!(["OK", "INSUFFICIENT_DATA", "x"]), vec!["OK", "INSUFFICIENT_DATA"]),
            // A range, in which "INSUFFICIENT_DATA" and "OK" are, and "ALARM" is not.
            (json!(["INSUFFICIENT_DATA", "OK"]), vec!["OK", "INSUFFICIENT_DATA"]),
            (json!(["OK", "INSUFFICIENT_DATA"]), vec![]),
            (
                json!({ "type": "regex", "pattern": "^(OK|INSUFFICIENT_DATA)$" }),
                vec!["OK", "INSUFFICIENT_DATA"],
            ),
            (
                json!({ "type": "regex", "pattern": "A" }),
                vec!["INSUFFICIENT_DATA", "ALARM"],
            ),
        ] {
            let states = ["OK", "INSUFFICIENT_DATA", "ALARM"];
            let found: Vec<&str> = states
                .into_iter()
                .filter(|state| accepts(&tolerance, state).unwrap())
                .collect();
            assert_eq!(found, accepted, "{tolerance}");
        }
        for tolerance in [
            json!(1),
            json!([0, 5]),
            json!({ "type": "jsonpath" }),
            json!({ "type": "regex", "pattern": "(" }),
        ] {
            assert!(accepts(&tolerance, "OK").is_err(), "{tolerance}");
        }
    }
}

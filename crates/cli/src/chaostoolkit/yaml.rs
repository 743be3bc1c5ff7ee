//! A value as YAML with comments.

use std::collections::BTreeMap;

use serde_json::Value;

use super::parts::child;
use crate::render::text::{clean, harmless_json};

/// How wide a comment may be.
const WIDTH: usize = 100;

/// Comments by the JSON pointer of what they stand before.
pub(super) type Comments = BTreeMap<String, Vec<String>>;

/// The value as YAML, which [`inoculate_core::read`] reads as the same value.
pub(super) fn text(value: &Value, comments: &Comments) -> String {
    let mut lines = comment(comments.get(""), 0);
    lines.extend(block("", value, comments, 0));
    lines.join("\n") + "\n"
}

/// A list or a group of fields, one line an entry.
fn block(pointer: &str, value: &Value, comments: &Comments, indent: usize) -> Vec<String> {
    let mut lines = Vec::new();
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let at = child(pointer, name);
                lines.extend(comment(comments.get(&at), indent));
                lines.extend(entry(&at, &format!("{}:", scalar_text(name)), value, comments, indent));
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                let at = child(pointer, index);
                lines.extend(comment(comments.get(&at), indent));
                lines.extend(item_lines(&at, item, comments, indent));
            }
        }
        other => lines.push(format!("{}{}", " ".repeat(indent), scalar(other))),
    }
    lines
}

/// An entry of a list: its first line begins with a dash.
fn item_lines(at: &str, item: &Value, comments: &Comments, indent: usize) -> Vec<String> {
    if is_inline(item) {
        return vec![format!("{}- {}", " ".repeat(indent), scalar(item))];
    }
    let mut lines = block(at, item, comments, indent + 2);
    let first = lines.iter_mut().find(|line| !line.trim_start().starts_with('#'));
    if let Some(first) = first {
        first.replace_range(indent..indent + 1, "-");
    }
    lines
}

fn entry(at: &str, name: &str, value: &Value, comments: &Comments, indent: usize) -> Vec<String> {
    let start = format!("{}{name}", " ".repeat(indent));
    if is_inline(value) {
        return vec![format!("{start} {}", scalar(value))];
    }
    let mut lines = vec![start];
    lines.extend(block(at, value, comments, indent + 2));
    lines
}

fn is_inline(value: &Value) -> bool {
    match value {
        Value::Object(fields) => fields.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => true,
    }
}

fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) => scalar_text(text),
        other => other.to_string(),
    }
}

/// A text, in quotes unless it is a plain word that is nothing else to YAML.
fn scalar_text(text: &str) -> String {
    let is_word = |text: &str| {
        text.starts_with(|first: char| first.is_ascii_alphabetic())
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"_-/.".contains(&byte))
    };
    let is_length = text.parse::<inoculate_core::span::Span>().is_ok();
    let means_more = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    if (is_word(text) && !means_more.contains(&text.to_ascii_lowercase().as_str())) || is_length {
        text.to_owned()
    } else {
        // JSON is a part of YAML.
        harmless_json(&Value::from(text).to_string())
    }
}

/// Comments as lines, broken between words. Nothing of a text can end its line.
fn comment(texts: Option<&Vec<String>>, indent: usize) -> Vec<String> {
    let start = format!("{}#", " ".repeat(indent));
    let mut lines = Vec::new();
    for text in texts.into_iter().flatten() {
        let mut line = start.clone();
        for word in clean(text).split_whitespace() {
            let is_empty = line.len() == start.len();
            if !is_empty && line.chars().count() + 1 + word.chars().count() > WIDTH {
                lines.push(std::mem::replace(&mut line, start.clone()));
            }
            line.push(' ');
            line.push_str(word);
        }
        lines.push(line);
    }
    lines
}

#[cfg(test)]
mod tests {
    use inoculate_core::read::value_from_text;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn comments_stand_before_what_they_are_about() {
        let value = json!({
            "name": "a", "faults": [{ "kind": "timeout", "timeout": "3s" }, { "kind": "true", "source": "arn:aws:sqs" }],
            "none": [], "text": "it's: # not a comment", "number": 0.5
        });
        let comments = Comments::from([
            (
                String::new(),
                vec!["Imported.".to_owned(), String::new(), "word ".repeat(30)],
            ),
            ("/faults/0".to_owned(), vec!["one".to_owned()]),
            ("/faults/1/source".to_owned(), vec!["two\nkind: x".to_owned()]),
        ]);
        let text = text(&value, &comments);
        insta::assert_snapshot!(text);
        assert_eq!(value_from_text(&text).unwrap(), value);
    }

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
            "[a-z0-9:#'\" -]{0,8}".prop_map(Value::from),
        ];
        let inner = leaf.prop_recursive(4, 20, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("[a-z:# ]{1,6}", inner, 0..4)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        });
        prop::collection::btree_map("[a-z]{1,6}", inner, 1..4)
            .prop_map(|fields| Value::Object(fields.into_iter().collect()))
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(value in values(), comment in any::<String>()) {
            let first = value.as_object().unwrap().keys().next().unwrap().clone();
            let comments = Comments::from([(child("", first), vec![comment.clone()]), (String::new(), vec![comment])]);
            prop_assert_eq!(value_from_text(&text(&value, &comments)).unwrap(), value);
        }
    }
}

//! Experiments that nobody wrote: grown from the schema or taken from the examples, then damaged, or not.

use std::path::PathBuf;
use std::sync::LazyLock;

use fastrand::Rng;
use serde_json::{Map, Value, json};

use crate::read::document::Document;

/// The experiments that people may copy.
static EXAMPLES: LazyLock<Vec<Value>> = LazyLock::new(|| {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../examples/experiments");
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    files.sort();
    let read = |file: &PathBuf| Document::parse(&std::fs::read_to_string(file).unwrap()).unwrap().value;
    files.iter().map(read).collect()
});

/// Texts that some form wants, and near misses.
const TEXTS: [&str; 24] = [
    "30s",
    "5m",
    "250ms",
    "2h",
    "0s",
    "030s",
    "30 s",
    "30s\n",
    "1234567s",
    "payments",
    "shop-payments_2",
    "a b",
    "p99",
    "p49",
    "error_rate",
    "Sum",
    "PR(:300)",
    "tm90.5",
    "arn:aws:sqs:eu-west-1:123456789012:orders",
    "arn:x",
    "/order/id",
    "order",
    "é",
    "",
];

/// Names that some group knows.
const NAMES: [&str; 10] = [
    "name", "kind", "function", "timeout", "percent", "metric", "a~b/c", "at_most", "match", "$schema",
];

/// One experiment, always the same for the same seed.
pub(super) fn experiment(schema: &Value, seed: u64) -> Value {
    let mut rng = Rng::with_seed(seed);
    let mut value = if rng.bool() {
        rng.choice(EXAMPLES.iter()).unwrap().clone()
    } else {
        let right = if rng.bool() { 1.0 } else { 0.97 };
        Growth {
            schema,
            right,
            rng: &mut rng,
        }
        .grow(schema)
    };
    for _ in 0..rng.usize(0..4) {
        damage(&mut value, &mut rng);
    }
    value
}

struct Growth<'a> {
    schema: &'a Value,
    /// How often each choice is a right one.
    right: f64,
    rng: &'a mut Rng,
}

impl Growth<'_> {
    fn is_right(&mut self) -> bool {
        self.rng.f64() < self.right
    }

    fn grow(&mut self, form: &Value) -> Value {
        if let Some(reference) = form["$ref"].as_str() {
            let named = self.schema.pointer(reference.trim_start_matches('#')).unwrap();
            return self.grow(&named.clone());
        }
        if let Some(variants) = form["oneOf"].as_array() {
            let variant = self.rng.choice(variants.iter()).unwrap();
            return self.grow(variant);
        }
        if form["const"].is_string() && self.is_right() {
            return form["const"].clone();
        }
        if let Some(words) = form["enum"].as_array().filter(|_| self.is_right()) {
            return self.rng.choice(words.iter()).unwrap().clone();
        }
        match form["type"].as_str() {
            Some("object") => self.group(form),
            Some("array") => self.list(form),
            Some("string") => self.text(form),
            Some("number" | "integer") => self.number(form),
            Some("boolean") => json!(self.rng.bool()),
            _ => anything(self.rng),
        }
    }

    fn group(&mut self, form: &Value) -> Value {
        let mut group = Map::new();
        let required = form["required"].as_array().cloned().unwrap_or_default();
        for (name, form) in form["properties"].as_object().into_iter().flatten() {
            let written = if required.contains(&json!(name)) {
                self.is_right()
            } else {
                self.rng.bool()
            };
            if written {
                group.insert(name.clone(), self.grow(form));
            }
        }
        if form["additionalProperties"].is_object() {
            let most = if self.is_right() { 3 } else { 40 };
            for number in 0..self.rng.usize(0..=most) {
                group.insert(format!("field{number}"), self.grow(&form["additionalProperties"]));
            }
        }
        group.into()
    }

    fn list(&mut self, form: &Value) -> Value {
        let (least, most) = (limit(form, "minItems", 0), limit(form, "maxItems", 20));
        let length = if self.is_right() {
            self.rng.usize(least..=most.min(least + 2))
        } else {
            *self.rng.choice(&[0, most, most + 1]).unwrap()
        };
        (0..length).map(|_| self.grow(&form["items"])).collect()
    }

    fn text(&mut self, form: &Value) -> Value {
        if let Some(pattern) = form["pattern"].as_str().filter(|_| self.is_right()) {
            let pattern = regex_lite::Regex::new(pattern).unwrap();
            let fitting: Vec<&str> = TEXTS.into_iter().filter(|text| pattern.is_match(text)).collect();
            return json!(self.rng.choice(fitting).unwrap_or("payments"));
        }
        let (least, most) = (limit(form, "minLength", 0), limit(form, "maxLength", 300));
        let length = if self.is_right() {
            self.rng.usize(least..=most.min(least + 9))
        } else {
            *self.rng.choice(&[0, most, most + 1]).unwrap()
        };
        // Lengths are in characters, not in bytes.
        json!(
            (0..length)
                .map(|_| *self.rng.choice(&['a', 'é', '💉']).unwrap())
                .collect::<String>()
        )
    }

    fn number(&mut self, form: &Value) -> Value {
        let least = form["minimum"].as_f64().unwrap_or(-1e6);
        let most = form["maximum"].as_f64().unwrap_or(1e6);
        let number = if self.is_right() {
            *self.rng.choice(&[least, most, ((least + most) / 2.0).floor()]).unwrap()
        } else {
            *self
                .rng
                .choice(&[least - 1.0, most + 1.0, least + 0.5, most + 0.5, 1e300, -1e300])
                .unwrap()
        };
        // The same number, written as a float and as an integer.
        if self.rng.bool() && number.fract() == 0.0 && number.abs() < 1e15 {
            json!(number as i64)
        } else {
            json!(number)
        }
    }
}

fn limit(form: &Value, keyword: &str, otherwise: usize) -> usize {
    form[keyword]
        .as_u64()
        .map_or(otherwise, |limit| usize::try_from(limit).unwrap())
}

/// Any small value.
fn anything(rng: &mut Rng) -> Value {
    match rng.usize(0..9) {
        0 => Value::Null,
        1 => json!(rng.bool()),
        2 => json!(rng.i64(-3..200)),
        3 => json!(*rng.choice(&[0.5, -0.5, 1e300, 128.0, 9_007_199_254_740_993.0]).unwrap()),
        4 => json!(u64::MAX),
        5 => json!([]),
        6 => json!({}),
        7 => json!({ *rng.choice(&NAMES).unwrap(): "payments" }),
        _ => json!(*rng.choice(&TEXTS).unwrap()),
    }
}

/// Changes one thing somewhere in a value.
fn damage(value: &mut Value, rng: &mut Rng) {
    let mut pointers = vec![String::new()];
    inside("", value, &mut pointers);
    let at = rng.choice(pointers).unwrap();
    let target = value.pointer_mut(&at).unwrap();
    match (rng.usize(0..5), target) {
        (0, target) => *target = anything(rng),
        (1, Value::Object(fields)) => {
            let Some(name) = rng.choice(fields.keys().cloned().collect::<Vec<_>>()) else {
                return;
            };
            fields.shift_remove(&name);
        }
        (2, Value::Object(fields)) => {
            let Some(name) = rng.choice(fields.keys().cloned().collect::<Vec<_>>()) else {
                return;
            };
            let field = fields.shift_remove(&name).unwrap();
            let new = if rng.bool() {
                format!("{name}s")
            } else {
                (*rng.choice(&NAMES).unwrap()).to_owned()
            };
            fields.insert(new, field);
        }
        (3, Value::Object(fields)) => {
            let Some(field) = rng.choice(fields.values().cloned().collect::<Vec<_>>()) else {
                return;
            };
            fields.insert((*rng.choice(&NAMES).unwrap()).to_owned(), field);
        }
        (1, Value::Array(items)) if !items.is_empty() => drop(items.remove(rng.usize(0..items.len()))),
        (2 | 3, Value::Array(items)) if !items.is_empty() => {
            let item = items[rng.usize(0..items.len())].clone();
            let times = if rng.bool() { 1 } else { 25 };
            items.extend(std::iter::repeat_n(item, times));
        }
        (_, Value::Number(number)) => {
            let by = *rng.choice(&[-1e4, -1.0, 0.5, 1.0, 1e4]).unwrap();
            *number = serde_json::Number::from_f64(number.as_f64().unwrap() + by).unwrap();
        }
        (_, Value::String(text)) => match rng.usize(0..4) {
            0 => text.push('\n'),
            1 => *text = text.repeat(100),
            2 => *text = text.to_uppercase(),
            _ => *text = (*rng.choice(&TEXTS).unwrap()).to_owned(),
        },
        (_, target) => *target = anything(rng),
    }
}

/// Every pointer into a value.
fn inside(at: &str, value: &Value, found: &mut Vec<String>) {
    let steps: Vec<(String, &Value)> = match value {
        Value::Object(fields) => fields
            .iter()
            .map(|(name, field)| (super::child(at, name), field))
            .collect(),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .map(|(n, item)| (super::child(at, n), item))
            .collect(),
        _ => Vec::new(),
    };
    for (at, inner) in steps {
        inside(&at, inner, found);
        found.push(at);
    }
}

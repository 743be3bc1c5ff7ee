//! Reading an experiment strictly: every mistake, with its place, at once.
//!
//! Three passes share one list of problems, so that a person corrects a file in one go:
//! 1. [`document`]: text to values, remembering where each stood (YAML 1.2, of which JSON is a part; no anchors, no tags,
//!    one document, nothing written twice).
//! 2. [`structure`]: the JSON Schema generated from [`crate::experiment`]: fields, types, ranges, kinds.
//! 3. [`meaning`]: what a schema cannot say: references, sums, things that must fit together. It looks at every
//!    part that is sound by itself, even when another part is not.

mod alarms;
mod document;
mod example;
mod form;
mod guards;
mod meaning;
mod structure;

use std::collections::HashSet;

use serde::Serialize;
use serde_json::Value;

pub use document::Place;

use crate::error::{Code, Error};
use crate::experiment::{Experiment, MAX_EXPERIMENT_BYTES};
use crate::names::MeasureName;
use document::Document;

/// One mistake in an experiment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Where it is, as a JSON pointer: `/faults/0/executions`.
    pub pointer: String,
    /// Where it stands in the text, when there was a text.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// What is wrong.
    pub message: String,
    /// What would be right.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// Whether the name of the field is wrong, rather than its value.
    #[serde(skip)]
    about_key: bool,
}

/// How deep lists and groups may be in one another. An experiment needs six levels.
const MAX_DEPTH: usize = 32;

impl Problem {
    fn at(pointer: impl Into<String>, message: impl Into<String>) -> Self {
        Problem {
            pointer: pointer.into(),
            place: None,
            message: message.into(),
            help: None,
            about_key: false,
        }
    }

    /// A problem with the name of a field.
    fn at_key(pointer: impl Into<String>, message: impl Into<String>) -> Self {
        Problem {
            about_key: true,
            ..Problem::at(pointer, message)
        }
    }

    fn placed(mut self, place: Place) -> Self {
        self.place = Some(place);
        self
    }

    fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// Reads an experiment from YAML or JSON text.
///
/// # Errors
/// Every mistake in it, in the order of the text.
pub fn experiment_from_text(text: &str) -> Result<Experiment, Vec<Problem>> {
    if text.len() > MAX_EXPERIMENT_BYTES {
        return Err(vec![too_large(text.len())]);
    }
    let document = Document::parse(text)?;
    let checked = experiment_from_value(&document.value);
    let mut problems = document.problems.clone();
    match checked {
        Ok(experiment) if problems.is_empty() => return Ok(experiment),
        Ok(_) => {}
        Err(more) => add_new(&mut problems, more),
    }
    for problem in &mut problems {
        problem.place = problem.place.or_else(|| document.place_of(problem));
    }
    problems.sort_by_key(|problem| problem.place);
    Err(problems)
}

/// Reads YAML or JSON of another tool into a value: a group of fields, written as strictly as an experiment has to be.
///
/// # Errors
/// Every mistake in the writing, in the order of the text.
pub fn value_from_text(text: &str) -> Result<Value, Vec<Problem>> {
    let document = Document::parse(text)?;
    if document.problems.is_empty() {
        Ok(document.value)
    } else {
        Err(document.problems)
    }
}

/// Where the names of the measures of a valid experiment stand in its text, in their order; without those that cannot be found.
pub fn places_of_measures(text: &str) -> Vec<(MeasureName, Place)> {
    let Ok(document) = Document::parse(text) else {
        return vec![];
    };
    let measures = document.value["steady_state"].as_array().into_iter().flatten();
    let places = measures.enumerate().filter_map(|(index, measure)| {
        let name = measure["name"].as_str()?.parse().ok()?;
        let place = document.place_of(&Problem::at(format!("/steady_state/{index}/name"), ""))?;
        Some((name, place))
    });
    places.collect()
}

/// Reads an experiment from a value that was parsed already.
///
/// # Errors
/// Every mistake in it, with pointers but without places.
pub fn experiment_from_value(value: &Value) -> Result<Experiment, Vec<Problem>> {
    if is_too_deep(value) {
        return Err(vec![too_deep("")]);
    }
    let size = serde_json::to_vec(value).map_or(usize::MAX, |text| text.len());
    if size > MAX_EXPERIMENT_BYTES {
        return Err(vec![too_large(size)]);
    }
    let value = with_whole_numbers(value);
    let mut problems = structure::problems(&value);
    add_new(&mut problems, meaning::problems(&value));
    if !problems.is_empty() {
        return Err(problems);
    }
    serde_json::from_value(value)
        .map_err(|error| vec![Problem::at("", format!("the experiment cannot be read: {error}"))])
}

/// Adds what a later pass found, except where an earlier pass had something to say already.
fn add_new(problems: &mut Vec<Problem>, more: Vec<Problem>) {
    let known: HashSet<String> = problems.iter().map(|problem| problem.pointer.clone()).collect();
    problems.extend(more.into_iter().filter(|problem| !known.contains(&problem.pointer)));
}

/// Whether lists and groups are in one another more than [`MAX_DEPTH`] deep. Does not use the stack to find out.
fn is_too_deep(value: &Value) -> bool {
    let mut level = vec![value];
    for _ in 0..=MAX_DEPTH {
        level = level
            .into_iter()
            .flat_map(|value| match value {
                Value::Array(items) => items.iter().collect(),
                Value::Object(fields) => fields.values().collect(),
                _ => Vec::new(),
            })
            .collect();
    }
    !level.is_empty()
}

/// The same value with `512.0` written as `512`: one number in JSON, two for the types of Rust.
fn with_whole_numbers(value: &Value) -> Value {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match value {
        Value::Number(number) => match number.as_f64() {
            Some(float) if number.is_f64() && float.fract() == 0.0 && float.abs() < EXACT => (float as i64).into(),
            _ => value.clone(),
        },
        Value::Array(items) => items.iter().map(with_whole_numbers).collect(),
        Value::Object(fields) => {
            let field = |(name, value): (&String, &Value)| (name.clone(), with_whole_numbers(value));
            Value::Object(fields.iter().map(field).collect())
        }
        other => other.clone(),
    }
}

/// The problems in one error, for where there is no file to point into. Only the first ones, and not at any length: the
/// error travels through Step Functions, which takes 256 KiB.
pub fn as_error(problems: &[Problem]) -> Error {
    const MOST: usize = 20;
    const LONGEST: usize = 300;
    let mut lines: Vec<String> = problems
        .iter()
        .take(MOST)
        .map(|problem| {
            let place = if problem.pointer.is_empty() {
                "the experiment"
            } else {
                &problem.pointer
            };
            let help = problem
                .help
                .as_ref()
                .map(|help| format!(" ({help})"))
                .unwrap_or_default();
            format!("{place}: {}{help}", problem.message)
        })
        .map(|line| line.chars().take(LONGEST).collect())
        .collect();
    if problems.len() > MOST {
        lines.push(format!("and {} more", problems.len() - MOST));
    }
    Error::new(
        Code::InvalidExperiment,
        format!("the experiment is not valid: {}", lines.join("; ")),
    )
}

fn too_large(size: usize) -> Problem {
    Problem::at("", format!("the experiment has {size} bytes")).help(format!(
        "at most {MAX_EXPERIMENT_BYTES} bytes can be handed to Step Functions; split it into several experiments"
    ))
}

fn too_deep(pointer: impl Into<String>) -> Problem {
    let problem = Problem::at(
        pointer,
        format!("lists and groups are nested more than {MAX_DEPTH} deep"),
    );
    problem.help("an experiment needs six levels")
}

/// One step down a JSON pointer, escaped (RFC 6901).
fn child(pointer: &str, step: impl std::fmt::Display) -> String {
    format!("{pointer}/{}", step.to_string().replace('~', "~0").replace('/', "~1"))
}

//! Reading an experiment strictly: every mistake, with its place, at once.
//!
//! Three passes share one list of problems, so that a person corrects a file in one go:
//! 1. [`document`]: text to values, remembering where each stood (YAML 1.2, of which JSON is a part; no anchors).
//! 2. [`structure`]: the JSON Schema generated from [`crate::experiment`]: fields, types, ranges, kinds.
//! 3. [`meaning`]: what a schema cannot say: references, sums, things that must fit together. It looks at every
//!    part that is sound by itself, even when another part is not.

mod document;
mod meaning;
mod structure;

use serde::Serialize;
use serde_json::Value;

pub use document::Place;

use crate::error::{Code, Error};
use crate::experiment::{Experiment, MAX_EXPERIMENT_BYTES};
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
}

impl Problem {
    fn at(pointer: impl Into<String>, message: impl Into<String>) -> Self {
        Problem {
            pointer: pointer.into(),
            place: None,
            message: message.into(),
            help: None,
        }
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
    let document = Document::parse(text).map_err(|problem| vec![problem])?;
    experiment_from_value(&document.value).map_err(|mut problems| {
        for problem in &mut problems {
            problem.place = document.place_of(&problem.pointer);
        }
        problems.sort_by_key(|problem| problem.place.map(|place| (place.line, place.column)));
        problems
    })
}

/// Reads an experiment from a value that was parsed already.
///
/// # Errors
/// Every mistake in it, with pointers but without places.
pub fn experiment_from_value(value: &Value) -> Result<Experiment, Vec<Problem>> {
    let size = serde_json::to_vec(value).map_or(usize::MAX, |text| text.len());
    if size > MAX_EXPERIMENT_BYTES {
        return Err(vec![too_large(size)]);
    }
    let mut problems = structure::problems(value);
    problems.extend(meaning::problems(value));
    if !problems.is_empty() {
        return Err(problems);
    }
    serde_json::from_value(value.clone())
        .map_err(|error| vec![Problem::at("", format!("the experiment cannot be read: {error}"))])
}

/// All problems in one error, for where there is no file to point into.
pub fn as_error(problems: &[Problem]) -> Error {
    let lines: Vec<String> = problems
        .iter()
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
        .collect();
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

/// One step down a JSON pointer, escaped (RFC 6901).
fn child(pointer: &str, step: impl std::fmt::Display) -> String {
    format!("{pointer}/{}", step.to_string().replace('~', "~0").replace('/', "~1"))
}

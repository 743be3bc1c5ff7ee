//! What a schema cannot say of time windows and tags.

use std::collections::BTreeMap;

use super::{Problem, child};
use crate::experiment::TimeWindow;
use crate::hours::time_zone;

/// The longest key and value of a tag, in characters.
///
/// Source: <https://docs.aws.amazon.com/lambda/latest/dg/configuration-tags.html>
const LONGEST_KEY: usize = 128;
const LONGEST_VALUE: usize = 256;

/// What is wrong with the time windows, each with its pointer.
pub(super) fn windows(windows: &[(String, TimeWindow)], any_time: bool) -> Vec<Problem> {
    let mut problems: Vec<Problem> = windows
        .iter()
        .flat_map(|(pointer, window)| [backwards(pointer, window), no_zone(pointer, window)])
        .flatten()
        .collect();
    if any_time && !windows.is_empty() {
        let message = "there are windows, and any time is allowed";
        problems.push(Problem::at("/guards/any_time", message).help("keep one of `windows` and `any_time`"));
    }
    problems
}

/// A window that ends before it begins could be a night, or two times in the wrong order: nobody should have to guess.
fn backwards(pointer: &str, window: &TimeWindow) -> Option<Problem> {
    let TimeWindow { from, until, .. } = window;
    if until > from {
        return None;
    }
    let help =
        "`until` is later on the same day; a night is two windows: one until 24:00, and one from 00:00 of the next day";
    Some(Problem::at(child(pointer, "until"), format!("from {from} until {until} is no time")).help(help))
}

fn no_zone(pointer: &str, window: &TimeWindow) -> Option<Problem> {
    let error = time_zone(&window.time_zone).err()?;
    let (message, help) = error.split_once("; ").unwrap_or((&error, "write an IANA name"));
    Some(Problem::at(child(pointer, "time_zone"), message).help(help))
}

/// What is wrong with `blast_radius.tags`.
pub(super) fn tags(tags: &BTreeMap<String, String>) -> Vec<Problem> {
    let wrong = |(key, value): (&String, &String)| {
        let fits = (1..=LONGEST_KEY).contains(&key.chars().count()) && value.chars().count() <= LONGEST_VALUE;
        let help = format!("a key has 1 to {LONGEST_KEY} characters, a value at most {LONGEST_VALUE}");
        (!fits).then(|| Problem::at(child("/blast_radius/tags", key), "no function can have this tag").help(help))
    };
    tags.iter().filter_map(wrong).collect()
}

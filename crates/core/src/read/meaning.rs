//! What a schema cannot say: references, sums, and things that must fit together.

use std::collections::{BTreeSet, HashSet};

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Problem, child};
use crate::experiment::{BlastRadius, Fault, MAX_ROUNDS, MAX_RUN, Measure, Windows};
use crate::expression::{Piece, pieces};
use crate::span::Span;

/// The parts of an experiment that are sound by themselves.
struct Draft {
    blast_radius: Option<BlastRadius>,
    windows: Option<Windows>,
    faults: Vec<(String, Fault)>,
    all_faults_sound: bool,
    measures: Vec<(String, Measure)>,
}

fn part<T: DeserializeOwned>(value: &Value, pointer: &str) -> Option<T> {
    serde_json::from_value(value.pointer(pointer)?.clone()).ok()
}

fn parts<T: DeserializeOwned>(value: &Value, pointer: &str) -> Vec<(String, T)> {
    let items = value.pointer(pointer).and_then(Value::as_array).map_or(0, Vec::len);
    let pointers = (0..items).map(|index| child(pointer, index));
    pointers
        .filter_map(|pointer| Some((pointer.clone(), part(value, &pointer)?)))
        .collect()
}

pub(super) fn problems(value: &Value) -> Vec<Problem> {
    let written = value.get("faults").and_then(Value::as_array).map_or(0, Vec::len);
    let faults: Vec<(String, Fault)> = parts(value, "/faults");
    let draft = Draft {
        blast_radius: part(value, "/blast_radius"),
        windows: part(value, "/windows"),
        all_faults_sound: faults.len() == written,
        faults,
        measures: parts(value, "/steady_state"),
    };
    let mut problems = Vec::new();
    reach(&draft, &mut problems);
    faults_fit(&draft, &mut problems);
    windows_fit(&draft, &mut problems);
    measures_fit(&draft, &mut problems);
    problems
}

fn reach(draft: &Draft, problems: &mut Vec<Problem>) {
    let Some(radius) = &draft.blast_radius else { return };
    for (pointer, fault) in &draft.faults {
        if !radius.functions.is_empty() && !radius.functions.contains(fault.function()) {
            let message = format!("`{}` is outside the blast radius", fault.function());
            let help = "a fault may touch only the functions listed in blast_radius.functions";
            problems.push(Problem::at(child(pointer, "function"), message).help(help));
        }
    }
    let mut seen = HashSet::new();
    for (index, function) in radius.functions.iter().enumerate() {
        let pointer = child("/blast_radius/functions", index);
        if !seen.insert(function) {
            problems.push(Problem::at(pointer, format!("`{function}` is listed twice")).help("list it once"));
        } else if draft.all_faults_sound
            && !draft.faults.is_empty()
            && draft.faults.iter().all(|(_, fault)| fault.function() != function)
        {
            let help = "list only the functions that faults touch";
            problems.push(Problem::at(pointer, format!("no fault touches `{function}`")).help(help));
        }
    }
    if !draft.faults.is_empty() && radius.percent != 100.0 {
        let kind = draft.faults[0].1.kind();
        let message = format!("{kind} cannot be limited to {} percent of requests", radius.percent);
        let help = "a control-plane fault meets every request of the function: write `percent: 100`";
        problems.push(Problem::at("/blast_radius/percent", message).help(help));
    }
}

fn faults_fit(draft: &Draft, problems: &mut Vec<Problem>) {
    let mut seen = HashSet::new();
    for (pointer, fault) in &draft.faults {
        let source = match fault {
            Fault::EventSourceDisabled { source, .. } => source.as_str(),
            _ => "",
        };
        if !seen.insert((fault.kind(), fault.function(), source)) {
            let message = format!(
                "there is already a fault of kind {} for `{}`",
                fault.kind(),
                fault.function()
            );
            problems.push(Problem::at(pointer, message).help("keep one of the two"));
        }
        if let Fault::Timeout { timeout, .. } = fault
            && timeout.secs() > 900
        {
            let problem = Problem::at(
                child(pointer, "timeout"),
                format!("{timeout} is longer than Lambda allows"),
            );
            problems.push(problem.help("at most 15m"));
        }
    }
}

fn windows_fit(draft: &Draft, problems: &mut Vec<Problem>) {
    let (Some(windows), Some(radius)) = (&draft.windows, &draft.blast_radius) else {
        return;
    };
    if windows.round > radius.longest {
        let message = format!(
            "a round of {} is longer than the injection of {}",
            windows.round, radius.longest
        );
        problems.push(Problem::at("/windows/round", message).help("at most blast_radius.longest"));
    } else if radius.longest.secs().div_ceil(windows.round.secs()) > MAX_ROUNDS {
        let message = format!(
            "{} in rounds of {} are more than {MAX_ROUNDS} rounds",
            radius.longest, windows.round
        );
        problems.push(Problem::at("/windows/round", message).help("look less often, or inject for a shorter time"));
    }
    let spans = [windows.baseline.secs(), radius.longest.secs(), windows.recovery.secs()];
    let total: u64 = spans.into_iter().map(u64::from).sum::<u64>() + 2 * u64::from(windows.delay_secs());
    if total > u64::from(MAX_RUN.secs()) {
        let message = format!("the windows add up to {total} seconds");
        problems.push(Problem::at("/windows", message).help(format!("a run takes at most {MAX_RUN}")));
    }
}

fn measures_fit(draft: &Draft, problems: &mut Vec<Problem>) {
    let mut seen = HashSet::new();
    for (pointer, measure) in &draft.measures {
        if !seen.insert(&measure.name) {
            let message = format!("there is already a measure named `{}`", measure.name);
            problems.push(Problem::at(child(pointer, "name"), message).help("give each measure its own name"));
        }
        if !valid_period(measure.period) {
            let message = format!("CloudWatch has no period of {}", measure.period);
            let help = "1s, 5s, 10s, 20s, 30s or whole minutes";
            problems.push(Problem::at(child(pointer, "period"), message).help(help));
        } else {
            points_fit(measure, draft, problems);
        }
        source_fits(pointer, measure, problems);
        tolerance_fits(pointer, measure, problems);
    }
}

fn valid_period(period: Span) -> bool {
    matches!(period.secs(), 1 | 5 | 10 | 20 | 30) || period.secs().is_multiple_of(60)
}

fn source_fits(pointer: &str, measure: &Measure, problems: &mut Vec<Problem>) {
    let help = "either `metric`, or `metrics` with an `expression` over their ids";
    match (&measure.metric, &measure.expression, measure.metrics.is_empty()) {
        (Some(_), None, true) => {}
        (None, Some(expression), false) => expression_fits(pointer, expression, measure, problems),
        (None, None, true) => problems.push(Problem::at(pointer, "the measure has no metric").help(help)),
        (Some(_), _, _) => problems.push(Problem::at(pointer, "the measure has two sources").help(help)),
        (None, Some(_), true) => problems.push(Problem::at(pointer, "`metrics` is missing").help(help)),
        (None, None, false) => problems.push(Problem::at(pointer, "`expression` is missing").help(help)),
    }
}

/// Identifiers of metric maths: ids start with a lower-case letter, functions are upper-case.
///
/// Source: <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html>
fn expression_fits(pointer: &str, expression: &str, measure: &Measure, problems: &mut Vec<Problem>) {
    let used = ids_in(expression);
    for id in measure.metrics.keys() {
        let plain = id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') && id.len() <= 64;
        if !plain || !id.starts_with(|c: char| c.is_ascii_lowercase()) || id == RESULT_ID {
            let message = format!("`{id}` cannot be the id of a metric");
            let help = format!("a lower-case letter, then letters, digits or `_`; not `{RESULT_ID}`");
            problems.push(Problem::at(child(&child(pointer, "metrics"), id), message).help(help));
        } else if !used.contains(id.as_str()) {
            let message = format!("the expression does not use `{id}`");
            problems.push(Problem::at(child(&child(pointer, "metrics"), id), message).help("leave it out, or use it"));
        }
    }
    for word in used {
        if !measure.metrics.contains_key(word) {
            let ids: Vec<&str> = measure.metrics.keys().map(String::as_str).collect();
            let message = format!("the expression uses `{word}`, which is not among the metrics");
            let help = format!("ids of this measure: {}", ids.join(", "));
            problems.push(Problem::at(child(pointer, "expression"), message).help(help));
        }
    }
}

/// The ids in an expression: words that start with a lower-case letter, outside of quotes.
fn ids_in(expression: &str) -> BTreeSet<&str> {
    let words = pieces(expression).into_iter().filter_map(|piece| match piece {
        Piece::Word(word) => Some(word),
        Piece::Other(_) => None,
    });
    words
        .filter(|word| word.starts_with(|c: char| c.is_ascii_lowercase()))
        .collect()
}

/// The id under which the result of a measure is asked for; no metric may take it.
pub(crate) const RESULT_ID: &str = "result";

fn tolerance_fits(pointer: &str, measure: &Measure, problems: &mut Vec<Problem>) {
    let tolerance = &measure.tolerance;
    if let (Some(least), Some(most)) = (tolerance.at_least, tolerance.at_most)
        && least > most
    {
        let message = format!("nothing is at least {least} and at most {most}");
        problems.push(Problem::at(child(pointer, "tolerance"), message).help("`at_least` must not be above `at_most`"));
    }
}

fn points_fit(measure: &Measure, draft: &Draft, problems: &mut Vec<Problem>) {
    let (Some(windows), Some(radius)) = (&draft.windows, &draft.blast_radius) else {
        return;
    };
    // One period more: a window rarely starts where a period does, and only whole periods count.
    let needed = u64::from(measure.period.secs()) * (u64::from(measure.min_points) + 1);
    for (at, what, window) in [
        ("/windows/baseline", "the baseline", windows.baseline),
        ("/blast_radius/longest", "the injection", radius.longest),
        ("/windows/recovery", "the recovery", windows.recovery),
    ] {
        if u64::from(window.secs()) < needed {
            let message = format!(
                "{what} of {window} is too short for `{}`: {} whole periods of {} need {needed}s",
                measure.name, measure.min_points, measure.period
            );
            let field = at[1..].replace('/', ".");
            let help = format!(
                "make {field} at least {needed}s, or the period of `{}` shorter",
                measure.name
            );
            problems.push(Problem::at(at, message).help(help));
        }
    }
}

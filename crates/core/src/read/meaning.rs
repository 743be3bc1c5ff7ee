//! What a schema cannot say: references, sums, and things that must fit together.

use std::collections::{BTreeSet, HashSet};

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::structure::{nearest, suggestion};
use super::{Problem, alarms, child, guards};
use crate::experiment::{
    AbortAlarm, BlastRadius, DependencyEffect, Fault, MAX_ROUNDS, MAX_RUN, Measure, Statistic, Windows,
};
use crate::expression::{Piece, pieces};
use crate::fault::{FaultPlan, MAX_SECS};
use crate::names::FunctionName;
use crate::span::Span;

/// The parts of an experiment that are sound by themselves.
struct Draft {
    blast_radius: Option<BlastRadius>,
    windows: Option<Windows>,
    faults: Vec<(String, Fault)>,
    all_faults_sound: bool,
    measures: Vec<(String, Measure)>,
    alarms: Vec<(String, AbortAlarm)>,
}

/// The shortest baseline of a run with the layer.
///
/// While there is no run, the layer reads the lease every 10 seconds.
const LAYER_BASELINE: Span = Span::from_secs(15);

/// The shortest recovery of a run with the layer: what it saw last during the injection has to arrive, too.
const LAYER_RECOVERY: Span = Span::from_secs(10);

impl Draft {
    fn uses_layer(&self) -> bool {
        let measured = self.measures.iter().any(|(_, measure)| measure.layer.is_some());
        measured || self.faults.iter().any(|(_, fault)| fault.is_of_invocations())
    }
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
        alarms: parts(value, "/guards/abort_when"),
    };
    let mut problems = Vec::new();
    reach(&draft, &mut problems);
    faults_fit(&draft, &mut problems);
    windows_fit(&draft, &mut problems);
    measures_fit(&draft, &mut problems);
    let longest = draft.blast_radius.as_ref().map(|radius| radius.longest);
    problems.extend(alarms::problems(&draft.alarms, longest));
    let any_time = part(value, "/guards/any_time").unwrap_or_default();
    problems.extend(guards::windows(&parts(value, "/guards/windows"), any_time));
    let tags = draft.blast_radius.as_ref().map(|radius| guards::tags(&radius.tags));
    problems.extend(tags.into_iter().flatten());
    problems
}

fn reach(draft: &Draft, problems: &mut Vec<Problem>) {
    let Some(radius) = &draft.blast_radius else { return };
    for (pointer, fault) in &draft.faults {
        if !radius.functions.is_empty() && !radius.functions.contains(fault.function()) {
            let message = format!("`{}` is outside the blast radius", fault.function());
            let known = radius.functions.iter().map(FunctionName::as_str);
            let near = nearest(fault.function().as_str(), known);
            let help = suggestion(
                near,
                "a fault may touch only the functions listed in blast_radius.functions",
            );
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
    let setting = draft.faults.iter().find(|(_, fault)| !fault.is_of_invocations());
    if let Some((_, fault)) = setting
        && radius.percent != 100.0
    {
        let message = format!(
            "{} cannot be limited to {} percent of requests",
            fault.kind(),
            radius.percent
        );
        let help = "a fault that changes a setting meets every request of the function: write `percent: 100`";
        problems.push(Problem::at("/blast_radius/percent", message).help(help));
    }
}

fn faults_fit(draft: &Draft, problems: &mut Vec<Problem>) {
    for (place, (pointer, fault)) in draft.faults.iter().enumerate() {
        if draft.faults[..place].iter().any(|(_, other)| is_double(fault, other)) {
            let message = format!(
                "there is already a fault of kind {} for `{}`",
                fault.kind(),
                fault.function()
            );
            problems.push(Problem::at(pointer, message).help("keep one of the two"));
        }
        let before = problems.len();
        limits_fit(pointer, fault, problems);
        if let Some(reason) = alone(fault).filter(|_| problems.len() == before) {
            problems.push(Problem::at(pointer, reason).help("see docs/experiment.md"));
        }
        for (index, condition) in fault.conditions().iter().enumerate() {
            if let Err(reason) = condition.as_match() {
                problems
                    .push(Problem::at(child(&child(pointer, "match"), index), reason).help("see docs/experiment.md"));
            }
        }
    }
    together_fit(draft, problems);
}

/// Whether one of two faults says nothing new.
fn is_double(fault: &Fault, other: &Fault) -> bool {
    match (fault.setting(), other.setting()) {
        (Some((setting, _)), Some((other_setting, _))) => {
            setting == other_setting && fault.function() == other.function()
        }
        _ => fault == other,
    }
}

/// Limits on lengths of time, which are texts to the schema.
fn limits_fit(pointer: &str, fault: &Fault, problems: &mut Vec<Problem>) {
    const MOST_MS: u64 = MAX_SECS as u64 * 1000;
    let too_long = |field: &str, written: String| {
        Problem::at(child(pointer, field), format!("{written} is longer than Lambda allows")).help("at most 15m")
    };
    match fault {
        Fault::Timeout { timeout, .. } if timeout.secs() > MAX_SECS => {
            problems.push(too_long("timeout", timeout.to_string()));
        }
        Fault::MemoryPressure { longest, .. } | Fault::CpuPressure { longest, .. } if longest.secs() > MAX_SECS => {
            problems.push(too_long("longest", longest.to_string()));
        }
        Fault::Latency { delay, .. } if delay.millis() > MOST_MS => {
            problems.push(too_long("delay", delay.to_string()));
        }
        Fault::Latency {
            delay,
            jitter: Some(jitter),
            ..
        } if jitter > delay => {
            let message = format!("a jitter of {jitter} is more than the delay of {delay}");
            problems.push(Problem::at(child(pointer, "jitter"), message).help("at most as much as `delay`"));
        }
        Fault::Dependency {
            effect:
                DependencyEffect::Latency {
                    delay,
                    jitter: Some(jitter),
                    ..
                },
            ..
        } if jitter > delay => {
            let message = format!("a jitter of {jitter} is more than the delay of {delay}");
            let at = child(&child(pointer, "effect"), "jitter");
            problems.push(Problem::at(at, message).help("at most as much as `delay`"));
        }
        _ => {}
    }
}

/// What is wrong with a fault of invocations by itself.
fn alone(fault: &Fault) -> Option<String> {
    let said = fault.for_lease().ok()??;
    FaultPlan::new(vec![said.fault]).err().map(|error| error.to_string())
}

/// The faults that one invocation would meet must go together.
fn together_fit(draft: &Draft, problems: &mut Vec<Problem>) {
    let mut seen = HashSet::new();
    for (pointer, fault) in draft.faults.iter().filter(|(_, fault)| fault.is_of_invocations()) {
        if !seen.insert(fault.function()) {
            continue;
        }
        let same = draft
            .faults
            .iter()
            .filter(|(_, other)| other.function() == fault.function());
        let same = same.filter(|(_, fault)| alone(fault).is_none());
        let plan = same.filter_map(|(_, fault)| fault.for_lease().ok().flatten());
        if let Err(error) = FaultPlan::new(plan.map(|fault| fault.fault).collect()) {
            let message = format!("`{}`: {error}", fault.function());
            problems.push(Problem::at(pointer, message).help("these faults would meet the same invocation"));
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
    if draft.uses_layer() && windows.baseline < LAYER_BASELINE {
        let message = format!("a baseline of {} is too short for the layer", windows.baseline);
        let help = format!("at least {LAYER_BASELINE}: the layer may take 10s to learn of a run");
        problems.push(Problem::at("/windows/baseline", message).help(help));
    }
    if draft.uses_layer() && windows.recovery < LAYER_RECOVERY {
        let message = format!("a recovery of {} is too short for the layer", windows.recovery);
        let help = format!("at least {LAYER_RECOVERY}: the layer writes what it saw every 3s");
        problems.push(Problem::at("/windows/recovery", message).help(help));
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
        source_fits(pointer, measure, problems);
        tolerance_fits(pointer, measure, draft, problems);
        if measure.layer.is_some() {
            continue;
        }
        if !valid_period(measure.period) {
            let message = format!("CloudWatch has no period of {}", measure.period);
            let help = "1s, 5s, 10s, 20s, 30s or whole minutes";
            problems.push(Problem::at(child(pointer, "period"), message).help(help));
        } else {
            points_fit(measure, draft, problems);
        }
    }
}

fn valid_period(period: Span) -> bool {
    matches!(period.secs(), 1 | 5 | 10 | 20 | 30) || period.secs().is_multiple_of(60)
}

fn source_fits(pointer: &str, measure: &Measure, problems: &mut Vec<Problem>) {
    let help = "one of `layer`, `metric`, or `metrics` with an `expression` over their ids";
    if measure.layer.is_some() {
        if measure.metric.is_some() || measure.expression.is_some() || !measure.metrics.is_empty() {
            problems.push(Problem::at(pointer, "the measure has two sources").help(help));
        }
        return;
    }
    match (&measure.metric, &measure.expression, measure.metrics.is_empty()) {
        (Some(_), None, true) => {}
        (None, Some(expression), false) => expression_fits(pointer, expression, measure, problems),
        (None, None, true) => problems.push(Problem::at(pointer, "the measure has no source").help(help)),
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
    if calls_a_function(expression) {
        let message = "the expression calls a Lambda function";
        let help =
            "`LAMBDA` would have CloudWatch invoke a function in every round; use metrics and the functions on them";
        problems.push(Problem::at(child(pointer, "expression"), message).help(help));
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

/// Whether an expression has CloudWatch invoke a function, whichever: measuring touches nothing.
///
/// Source: <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_MultiDataSources-Custom-Use.html>
fn calls_a_function(expression: &str) -> bool {
    let pieces = pieces(expression);
    let is_call = |pair: &[Piece<'_>]| match pair {
        [Piece::Word(word), Piece::Other(after)] => {
            word.eq_ignore_ascii_case("lambda") && after.trim_start().starts_with('(')
        }
        _ => false,
    };
    pieces.windows(2).any(is_call)
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

fn tolerance_fits(pointer: &str, measure: &Measure, draft: &Draft, problems: &mut Vec<Problem>) {
    let tolerance = &measure.tolerance;
    if tolerance.needs_control() {
        control_fits(pointer, measure, draft, problems);
    }
    if let (Some(least), Some(most)) = (tolerance.at_least, tolerance.at_most)
        && least > most
    {
        let message = format!("nothing is at least {least} and at most {most}");
        problems.push(Problem::at(child(pointer, "tolerance"), message).help("`at_least` must not be above `at_most`"));
    }
}

/// Comparing with the control group needs one, and something that groups can differ in.
fn control_fits(pointer: &str, measure: &Measure, draft: &Draft, problems: &mut Vec<Problem>) {
    let percent = draft.blast_radius.as_ref().map_or(0.0, |radius| radius.percent);
    let (message, help) = match &measure.layer {
        None => (
            "a metric has no control group".to_owned(),
            "use `layer`, or compare with the baseline: `rise_at_most_percent`",
        ),
        Some(layer) if layer.statistic == Statistic::RequestsPerSecond => (
            "requests_per_second is of both groups together".to_owned(),
            "compare with the baseline: `fall_at_most_percent`",
        ),
        Some(_) if percent >= 100.0 => (
            "with 100 percent there is no control group".to_owned(),
            "a smaller blast_radius.percent, or compare with the baseline: `rise_at_most_percent`",
        ),
        Some(_) => return,
    };
    problems.push(Problem::at(child(pointer, "tolerance"), message).help(help));
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

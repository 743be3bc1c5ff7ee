//! The measures of an experiment in a window, judged.

use inoculate_core::error::Result;
use inoculate_core::experiment::{Experiment, LayerMeasure, Measure};
use inoculate_core::judge::{Finding, GroupWindow, Point, Verdict, Window, judge, judge_groups};
use inoculate_core::layer::Stage;
use inoculate_core::names::FunctionName;
use inoculate_core::ports::Measured;
use inoculate_core::run::Run;
use inoculate_core::seen::{SeenSummary, Written};
use jiff::Timestamp;

use crate::Step;

/// A window of a run to look at.
#[derive(Debug, Clone, Copy)]
pub struct Look<'a> {
    /// Which part of the run it is.
    pub stage: Stage,
    /// From when until when.
    pub window: Window,
    /// What relative tolerances relate to; `None` in the baseline itself, which is not steady if it moves more than its
    /// tolerance.
    pub baseline: Option<&'a Measured>,
}

impl Step {
    /// Fetches and judges the measures of an experiment in a window.
    ///
    /// # Errors
    /// What CloudWatch or the table answer. Missing data is a finding, not an error.
    pub async fn measure(&self, experiment: &Experiment, run: &Run, look: Look<'_>) -> Result<Measured> {
        let written = if experiment.uses_layer() {
            self.ports.sketches.written(&run.id, look.stage).await?
        } else {
            Written::default()
        };
        let from_metrics: Vec<Measure> = experiment
            .steady_state
            .iter()
            .filter(|m| m.layer.is_none())
            .cloned()
            .collect();
        let series = if from_metrics.is_empty() {
            vec![]
        } else {
            self.ports.metrics.series(&from_metrics, look.window).await?
        };
        let mut series = series.iter();
        let measures = experiment.layer_measures().count();
        let findings = experiment.steady_state.iter().map(|measure| match &measure.layer {
            Some(layer) => judge_seen(measure, layer, run, &written, &look, measures),
            None => judge_series(measure, series.next().map_or(&[], Vec::as_slice), &look),
        });
        let findings = findings.collect();
        let functions = run.functions.iter().filter(|_| experiment.uses_layer());
        let seen = functions.map(|f| SeenSummary::of(&f.name, look.stage, &written.of(&f.arn)));
        Ok(Measured {
            at: self.ports.clock.now(),
            window: look.window,
            findings,
            seen: seen.collect(),
        })
    }

    /// Now, less the time that metrics need to arrive.
    pub fn measurable_until(&self, experiment: &Experiment) -> Timestamp {
        let delay = jiff::SignedDuration::from_secs(i64::from(experiment.windows.delay_secs()));
        self.ports.clock.now().saturating_sub(delay).unwrap_or(Timestamp::MIN)
    }
}

fn judge_series(measure: &Measure, points: &[Point], look: &Look<'_>) -> Finding {
    let (points, expected) = match look.stage {
        Stage::Baseline | Stage::Injection => {
            let periods = look.window.whole_periods(measure.period).periods(measure.period);
            (points, periods)
        }
        // Whether the steady state is met at the end of the window.
        Stage::Recovery => (last(points, measure.min_points), measure.min_points),
    };
    let baseline = match look.baseline {
        None => judge(measure, None, points, expected).median,
        Some(baseline) => in_baseline(baseline, measure).and_then(|finding| finding.median),
    };
    judge(measure, baseline, points, expected)
}

fn judge_seen(
    measure: &Measure,
    layer: &LayerMeasure,
    run: &Run,
    written: &Written,
    look: &Look<'_>,
    measures: usize,
) -> Finding {
    let function = run.functions.iter().find(|function| function.name == layer.function);
    let seen = function.map(|function| written.of(&function.arn)).unwrap_or_default();
    // An environment may have learnt of the run only some seconds after it began.
    let since = seen
        .since_ms
        .and_then(|ms| Timestamp::from_millisecond(i64::try_from(ms).ok()?).ok());
    let from = since.map_or(look.window.from, |since| since.max(look.window.from));
    let window = GroupWindow {
        stage: look.stage,
        seen: &seen.seen,
        lasted: look.window.until.duration_since(from),
        measures,
        baseline: look
            .baseline
            .and_then(|baseline| in_baseline(baseline, measure)?.groups.as_ref()),
    };
    judge_groups(measure, layer, &window)
}

fn in_baseline<'a>(baseline: &'a Measured, measure: &Measure) -> Option<&'a Finding> {
    baseline.findings.iter().find(|finding| finding.measure == measure.name)
}

/// The functions of which the layer saw nothing in a window, in words; `None` when there are none, or the run does
/// without the layer.
pub fn unseen(measured: &Measured) -> Option<String> {
    let unseen = measured.seen.iter().filter(|seen| seen.requests() == 0);
    let words = unseen.map(|seen| {
        let problems = match seen.problems.as_slice() {
            [] => format!("is it attached, and called? `inoculate doctor {}`", seen.function),
            problems => problems.join("; "),
        };
        format!("the layer of {} saw no request: {problems}", seen.function)
    });
    let words = words.collect::<Vec<_>>().join("; ");
    (!words.is_empty()).then_some(words)
}

/// The functions whose faults no request met, in words; `None` when each had one.
pub fn not_fired(experiment: &Experiment, measured: &Measured) -> Option<String> {
    let of_invocations = experiment.faults.iter().filter(|fault| fault.is_of_invocations());
    let mut functions: Vec<_> = of_invocations.map(|fault| fault.function()).collect();
    functions.dedup();
    let injected = |name: &FunctionName| {
        let seen = measured.seen.iter().find(|seen| &seen.function == name);
        seen.map_or(0, |seen| seen.experimental.injected)
    };
    let idle = functions.into_iter().filter(|name| injected(name) == 0);
    let words = idle.map(|name| {
        let seen = measured.seen.iter().find(|seen| &seen.function == name);
        let problems = seen
            .map(|seen| seen.problems.join("; "))
            .filter(|problems| !problems.is_empty());
        let problems = problems.map(|problems| format!(" ({problems})")).unwrap_or_default();
        format!("no request of {name} met a fault{problems}")
    });
    let words = words.collect::<Vec<_>>().join("; ");
    (!words.is_empty()).then_some(words)
}

fn last(points: &[Point], count: u32) -> &[Point] {
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    &points[points.len().saturating_sub(count)..]
}

/// What was seen, in one line for the journal and the console.
pub fn in_words(findings: &[Finding]) -> String {
    let words = findings
        .iter()
        .map(|finding| format!("{} {}: {}", finding.measure, finding.verdict, finding.sentence));
    words.collect::<Vec<_>>().join("; ")
}

/// The findings that do not uphold the steady state, in one line.
pub fn not_upheld(findings: &[Finding]) -> String {
    let bad: Vec<Finding> = findings
        .iter()
        .filter(|finding| finding.verdict != Verdict::Upheld)
        .cloned()
        .collect();
    in_words(&bad)
}

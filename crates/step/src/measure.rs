//! The measures of an experiment in a window, judged.

use inoculate_core::error::Result;
use inoculate_core::experiment::{Experiment, Fault, LayerMeasure, Measure};
use inoculate_core::judge::{Finding, GroupWindow, Point, SeriesWindow, Verdict, Window, judge, judge_groups};
use inoculate_core::layer::Stage;
use inoculate_core::names::FunctionName;
use inoculate_core::ports::{Grounds, Measured};
use inoculate_core::run::Run;
use inoculate_core::seen::{FunctionSeen, SeenSummary, Written};
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
        let now = self.ports.clock.now();
        // Added up once: thousands of environments may have written.
        let functions = run.functions.iter().filter(|_| experiment.uses_layer());
        let seen: Vec<_> = functions.map(|f| (&f.name, written.of(&f.arn))).collect();
        let findings = experiment.steady_state.iter().map(|measure| match &measure.layer {
            Some(layer) => {
                let seen = seen.iter().find(|(name, _)| **name == layer.function);
                let seen = seen.map(|(_, seen)| seen.clone()).unwrap_or_default();
                judge_seen(experiment, (measure, layer), run, (&seen, now), &look)
            }
            None => {
                let points = series.next().map(Vec::as_slice).unwrap_or_default();
                judge_series(experiment, measure, run, points, &look)
            }
        });
        let findings = findings.collect();
        let seen = seen.iter().map(|(name, seen)| SeenSummary::of(name, look.stage, seen));
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

fn judge_series(experiment: &Experiment, measure: &Measure, run: &Run, points: &[Point], look: &Look<'_>) -> Finding {
    let (points, expected_points) = match look.stage {
        Stage::Baseline | Stage::Injection => {
            let periods = look.window.whole_periods(measure.period).periods(measure.period);
            (points, periods)
        }
        // Whether the steady state is met at the end of the window.
        Stage::Recovery => (last(points, measure.min_points), measure.min_points),
    };
    let window = SeriesWindow {
        stage: look.stage,
        expected_points,
        baseline: look.baseline.and_then(|baseline| in_baseline(baseline, measure)),
        measures: experiment.steady_state.len(),
        looks: experiment.blast_radius.longest.secs() / measure.period.secs().max(1),
        // Once the rollback began there are no more points to come, and the verdict is what is asked for.
        last: run.rollback_at.is_some(),
    };
    judge(measure, points, &window)
}

fn judge_seen(
    experiment: &Experiment,
    (measure, layer): (&Measure, &LayerMeasure),
    run: &Run,
    (seen, now): (&FunctionSeen, Timestamp),
    look: &Look<'_>,
) -> Finding {
    // The layer counts from when it learnt of the stage until now, whatever the delay of the metrics; and while the faults
    // are there, until the rollback.
    let until = run
        .rollback_at
        .filter(|_| look.stage == Stage::Injection)
        .unwrap_or(now);
    let since = seen
        .since_ms
        .and_then(|ms| Timestamp::from_millisecond(i64::try_from(ms).ok()?).ok());
    let window = GroupWindow {
        stage: look.stage,
        seen: &seen.seen,
        lasted: until.duration_since(since.unwrap_or(look.window.from)),
        lag: experiment.lag(seen.seen.experimental.durations.quantile(1.0).unwrap_or(0.0)),
        measures: experiment.steady_state.len(),
        percent: experiment.blast_radius.percent,
        baseline: look
            .baseline
            .and_then(|baseline| in_baseline(baseline, measure)?.groups.as_ref()),
    };
    judge_groups(measure, layer, &window)
}

fn in_baseline<'a>(baseline: &'a Measured, measure: &Measure) -> Option<&'a Finding> {
    baseline.findings.iter().find(|finding| finding.measure == measure.name)
}

/// What speaks against a run whatever was measured in a window: a stable name, and words. `None` when nothing does.
pub fn doubt(experiment: &Experiment, measured: &Measured) -> Option<(Grounds, String)> {
    let never_fired = not_fired(experiment, measured).map(|why| (Grounds::NeverFired, why));
    never_fired.or_else(|| Some((Grounds::GroupsUnrelated, unrelated(experiment, measured)?)))
}

/// The functions that need the layer and of which it saw nothing in a window, in words; `None` when there are none.
pub fn unseen(experiment: &Experiment, measured: &Measured) -> Option<String> {
    let needed = |name: &FunctionName| {
        let of_invocations = experiment.faults.iter().filter(|fault| fault.is_of_invocations());
        let measured = experiment.layer_measures().map(|measure| &measure.function);
        of_invocations
            .map(Fault::function)
            .chain(measured)
            .any(|other| other == name)
    };
    let unseen = measured
        .seen
        .iter()
        .filter(|seen| seen.requests() == 0 && needed(&seen.function));
    in_one_line(unseen.map(|seen| {
        let problems = match seen.problems.as_slice() {
            [] => format!("is it attached, and called? `inoculate doctor {}`", seen.function),
            problems => problems.join("; "),
        };
        format!("the layer of {} saw no request: {problems}", seen.function)
    }))
}

/// Why the groups of one function are not those of another, in words; `None` when nothing speaks against it.
///
/// A fault in one function that is judged in another needs requests to be told apart by the same thing in both. A request id is
/// another one in every function.
pub fn unrelated(experiment: &Experiment, measured: &Measured) -> Option<String> {
    let percent = experiment.blast_radius.percent;
    if percent <= 0.0 || percent >= 100.0 {
        return None;
    }
    let seen = |name: &FunctionName| measured.seen.iter().find(|seen| &seen.function == name);
    let share = |seen: &SeenSummary, kind: &str| {
        let count = seen.keys.get(kind).copied().unwrap_or(0) as f64;
        count / (seen.requests().max(1) as f64)
    };
    let faults = experiment.faults.iter().filter(|fault| fault.is_of_invocations());
    let pairs = faults.flat_map(|fault| {
        experiment
            .layer_measures()
            .map(move |measure| (fault.function(), &measure.function))
    });
    let differing = pairs.filter(|(one, other)| one != other).find(|(one, other)| {
        let (Some(one), Some(other)) = (seen(one), seen(other)) else {
            return false;
        };
        let by_id = share(one, "request_id").max(share(other, "request_id"));
        let apart = (share(one, "field") - share(other, "field")).abs();
        by_id > STRAYS || apart > STRAYS
    });
    differing.map(|(one, other)| {
        format!(
            "requests of {one} and {other} are not told apart by the same thing, so the groups of one are not those of the \
             other; set `blast_radius.key` to a field that the events of both have"
        )
    })
}

/// How many of the requests may be told apart otherwise.
const STRAYS: f64 = 0.05;

/// The functions whose faults too few requests met for a verdict, in words; `None` when each had enough: [`FEWEST`], and half
/// of the experimental group where every event should meet one.
pub fn not_fired(experiment: &Experiment, measured: &Measured) -> Option<String> {
    let of_invocations = experiment.faults.iter().filter(|fault| fault.is_of_invocations());
    let mut functions: Vec<_> = of_invocations.map(Fault::function).collect();
    functions.dedup();
    in_one_line(functions.into_iter().filter_map(|name| {
        let seen = measured.seen.iter().find(|seen| &seen.function == name);
        let (requests, injected) = seen.map_or((0, 0), |seen| (seen.experimental.requests, seen.experimental.injected));
        let mut faults = experiment.faults.iter().filter(|fault| fault.function() == name);
        let all_should = faults.any(|fault| fault.is_of_invocations() && fault.conditions().is_empty());
        let enough = injected >= FEWEST && (!all_should || 2 * injected >= requests);
        let problems = seen
            .map(|seen| seen.problems.join("; "))
            .filter(|problems| !problems.is_empty());
        let problems = problems.map(|problems| format!(" ({problems})")).unwrap_or_default();
        match injected {
            _ if enough => None,
            0 => Some(format!("no request of {name} met a fault{problems}")),
            _ => Some(format!(
                "only {injected} of {requests} requests in the experimental group of {name} met a fault{problems}"
            )),
        }
    }))
}

/// The fewest requests of a function that must have met a fault for a verdict.
const FEWEST: u64 = 10;

fn in_one_line(lines: impl Iterator<Item = String>) -> Option<String> {
    let words = lines.collect::<Vec<_>>().join("; ");
    (!words.is_empty()).then_some(words)
}

fn last(points: &[Point], count: u32) -> &[Point] {
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    &points[points.len().saturating_sub(count)..]
}

/// What was seen, in one line for the journal and the console.
pub fn in_words<'a>(findings: impl IntoIterator<Item = &'a Finding>) -> String {
    let words = findings
        .into_iter()
        .map(|finding| format!("{} {}: {}", finding.measure, finding.verdict, finding.sentence));
    words.collect::<Vec<_>>().join("; ")
}

/// The findings that do not uphold the steady state, in one line.
pub fn not_upheld(findings: &[Finding]) -> String {
    in_words(findings.iter().filter(|finding| finding.verdict != Verdict::Upheld))
}

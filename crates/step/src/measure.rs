//! The measures of an experiment in a window, judged.

use inoculate_core::error::Result;
use inoculate_core::experiment::Experiment;
use inoculate_core::judge::{Finding, Point, Verdict, Window, judge};
use inoculate_core::names::MeasureName;
use inoculate_core::ports::Measured;
use jiff::Timestamp;

use crate::Step;

/// Which points of a window count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// All of them.
    All,
    /// The last ones, as few as the measure allows: whether the steady state is met at the end of the window.
    Last,
}

/// What relative tolerances relate to.
#[derive(Debug, Clone, Copy)]
pub enum Reference<'a> {
    /// The window itself: a baseline that moves more than its tolerance is not steady.
    Itself,
    /// The baseline of the run.
    Baseline(&'a Measured),
}

impl Step {
    /// Fetches and judges the measures of an experiment in a window.
    ///
    /// # Errors
    /// What CloudWatch answers. Missing data is a finding, not an error.
    pub async fn measure(
        &self,
        experiment: &Experiment,
        window: Window,
        scope: Scope,
        reference: Reference<'_>,
    ) -> Result<Measured> {
        let series = self.ports.metrics.series(&experiment.steady_state, window).await?;
        let findings = experiment.steady_state.iter().zip(&series).map(|(measure, points)| {
            let (points, expected) = match scope {
                Scope::All => (
                    points.as_slice(),
                    window.whole_periods(measure.period).periods(measure.period),
                ),
                Scope::Last => (last(points, measure.min_points), measure.min_points),
            };
            let baseline = match reference {
                Reference::Itself => judge(measure, None, points, expected).median,
                Reference::Baseline(baseline) => baseline_median(baseline, &measure.name),
            };
            judge(measure, baseline, points, expected)
        });
        Ok(Measured {
            at: self.ports.clock.now(),
            window,
            findings: findings.collect(),
        })
    }

    /// Now, less the time that metrics need to arrive.
    pub fn measurable_until(&self, experiment: &Experiment) -> Timestamp {
        let delay = jiff::SignedDuration::from_secs(i64::from(experiment.windows.delay_secs()));
        self.ports.clock.now().saturating_sub(delay).unwrap_or(Timestamp::MIN)
    }
}

fn baseline_median(baseline: &Measured, measure: &MeasureName) -> Option<f64> {
    baseline
        .findings
        .iter()
        .find(|finding| &finding.measure == measure)?
        .median
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

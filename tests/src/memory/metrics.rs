//! Metric series: from what the functions were like, or from samples, as CloudWatch makes them.

use async_trait::async_trait;
use inoculate_core::error::{Code, Error, Result};
use inoculate_core::experiment::{Measure, Metric};
use inoculate_core::judge::{Point, Window};
use inoculate_core::ports::Metrics;
use inoculate_core::span::Span;
use jiff::{SignedDuration, Timestamp};

use super::{State, World, maths};

#[async_trait]
impl Metrics for World {
    async fn series(&self, measures: &[Measure], window: Window) -> Result<Vec<Vec<Point>>> {
        measures.iter().map(|measure| self.points(measure, window)).collect()
    }
}

impl World {
    fn points(&self, measure: &Measure, window: Window) -> Result<Vec<Point>> {
        let whole = window.whole_periods(measure.period);
        let mut points = Vec::new();
        let mut at = whole.from;
        while at < whole.until {
            if let Some(value) = self.value(measure, at)? {
                points.push(Point { at, value });
            }
            at += measure.period.signed();
        }
        Ok(points)
    }

    fn value(&self, measure: &Measure, at: Timestamp) -> Result<Option<f64>> {
        match (&measure.metric, &measure.expression) {
            (Some(metric), None) => Ok(self.statistic(metric, at, measure.period)),
            (None, Some(expression)) => maths::value(expression, &|id| {
                let metric = measure.metrics.get(id)?;
                Some(self.statistic(metric, at, measure.period))
            }),
            _ => {
                let message = format!("measure {} has no single source", measure.name);
                Err(Error::new(Code::InvalidExperiment, message))
            }
        }
    }

    /// One metric over one period: what [`World::measure`] says, else what the samples of the period come to.
    fn statistic(&self, metric: &Metric, from: Timestamp, period: Span) -> Option<f64> {
        let middle = from + SignedDuration::from_millis(i64::from(period.secs()) * 500);
        let source = self.source();
        self.look(|state| {
            let said = source.and_then(|source| source(metric, &state.at(middle)));
            said.or_else(|| statistic(&metric.statistic, samples(state, metric, from, period)))
        })
    }
}

fn samples(state: &State, metric: &Metric, from: Timestamp, period: Span) -> Vec<f64> {
    let until = from + period.signed();
    let same = |other: &Metric| {
        (&other.namespace, &other.name, &other.dimensions) == (&metric.namespace, &metric.name, &metric.dimensions)
    };
    let samples = state.samples.iter().filter(|sample| same(&sample.metric));
    let mut values: Vec<f64> = samples
        .filter(|sample| from <= sample.at && sample.at < until)
        .map(|sample| sample.value)
        .collect();
    values.sort_by(f64::total_cmp);
    values
}

/// A statistic of sorted values; `None` when there are none.
fn statistic(name: &str, values: Vec<f64>) -> Option<f64> {
    let (lowest, highest) = (*values.first()?, *values.last()?);
    let count = values.len() as f64;
    let sum: f64 = values.iter().sum();
    match name {
        "Sum" => Some(sum),
        "SampleCount" => Some(count),
        "Average" => Some(sum / count),
        "Minimum" => Some(lowest),
        "Maximum" => Some(highest),
        percentile => {
            let percent: f64 = percentile.strip_prefix('p')?.parse().ok()?;
            let rank = (percent / 100.0 * count).ceil().max(1.0) as usize;
            values.get(rank - 1).copied()
        }
    }
}

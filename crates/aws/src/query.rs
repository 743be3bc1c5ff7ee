//! Measures as queries of GetMetricData. Pure: nothing is fetched here.
//!
//! Several measures share a call, so the ids of each get a prefix of their own: `failed` of the first is `m0_failed`,
//! and its result is `m0_result` (core keeps `result` from being an id).
//!
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html>

use aws_sdk_cloudwatch::types::{Dimension, Metric as CloudWatchMetric, MetricDataQuery, MetricStat};
use inoculate_core::error::{Code, Error, Result};
use inoculate_core::experiment::{Measure, Metric};
use inoculate_core::expression::{Piece, pieces};
use inoculate_core::span::Span;

/// The most queries in one call.
pub(crate) const MOST_QUERIES: usize = 500;

/// One call: measures of one period, with their queries.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Batch {
    /// The length of a data point of all of them.
    pub(crate) period: Span,
    /// Which measures, by their place in the list.
    pub(crate) measures: Vec<usize>,
    /// Their queries.
    pub(crate) queries: Vec<MetricDataQuery>,
    /// Whether no other measure may join.
    alone: bool,
}

/// Shares measures out over as few calls as possible.
///
/// A call has one window, which must be aligned to the period, so measures of different periods do not share one. An
/// expression with `METRICS()` means every metric of its call, so its measure stays alone.
///
/// # Errors
/// [`Code::InvalidExperiment`] when one measure needs more than [`MOST_QUERIES`] queries, or has no source.
pub(crate) fn batches(measures: &[Measure]) -> Result<Vec<Batch>> {
    let mut batches: Vec<Batch> = Vec::new();
    for (place, measure) in measures.iter().enumerate() {
        let queries = queries(place, measure)?;
        let alone = measure
            .expression
            .as_deref()
            .is_some_and(|text| text.contains("METRICS"));
        let fitting = batches.iter_mut().find(|batch| {
            let full = batch.queries.len() + queries.len() > MOST_QUERIES;
            batch.period == measure.period && !batch.alone && !alone && !full
        });
        match fitting {
            Some(batch) => {
                batch.measures.push(place);
                batch.queries.extend(queries);
            }
            None => batches.push(Batch {
                period: measure.period,
                measures: vec![place],
                queries,
                alone,
            }),
        }
    }
    Ok(batches)
}

/// The id under which the points of a measure come back.
pub(crate) fn result_id(place: usize) -> String {
    id(place, "result")
}

fn id(place: usize, name: &str) -> String {
    format!("m{place}_{name}")
}

/// The queries of one measure; only its result is returned.
fn queries(place: usize, measure: &Measure) -> Result<Vec<MetricDataQuery>> {
    let result = MetricDataQuery::builder().id(result_id(place)).return_data(true);
    let queries = match (&measure.metric, &measure.expression) {
        (Some(metric), None) => vec![result.metric_stat(metric_stat(metric, measure.period)).build()],
        (None, Some(expression)) => {
            let inputs = measure.metrics.iter().map(|(name, metric)| {
                let input = MetricDataQuery::builder().id(id(place, name)).return_data(false);
                input.metric_stat(metric_stat(metric, measure.period)).build()
            });
            let expression = rewrite(expression, |word| {
                measure.metrics.contains_key(word).then(|| id(place, word))
            });
            inputs.chain([result.expression(expression).build()]).collect()
        }
        _ => {
            let message = format!("measure {} has no single source", measure.name);
            return Err(Error::new(Code::InvalidExperiment, message));
        }
    };
    if queries.len() > MOST_QUERIES {
        let message = format!("measure {} uses {} metrics", measure.name, measure.metrics.len());
        let help = format!("CloudWatch takes {MOST_QUERIES} queries in one call, the expression included");
        return Err(Error::new(Code::InvalidExperiment, message).help(help));
    }
    Ok(queries)
}

fn metric_stat(metric: &Metric, period: Span) -> MetricStat {
    let dimensions = metric
        .dimensions
        .iter()
        .map(|(name, value)| Dimension::builder().name(name).value(value).build());
    let identity = CloudWatchMetric::builder()
        .namespace(&metric.namespace)
        .metric_name(&metric.name)
        .set_dimensions(Some(dimensions.collect()))
        .build();
    MetricStat::builder()
        .metric(identity)
        .period(i32::try_from(period.secs()).unwrap_or(i32::MAX))
        .stat(&metric.statistic)
        .build()
}

/// Replaces whole words of an expression; what is in quotes stays as it is.
fn rewrite(expression: &str, replacement: impl Fn(&str) -> Option<String>) -> String {
    let pieces = pieces(expression).into_iter();
    let rewritten = pieces.map(|piece| match piece {
        Piece::Word(word) => replacement(word).unwrap_or_else(|| word.to_owned()),
        Piece::Other(text) => text.to_owned(),
    });
    rewritten.collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn measure(json: serde_json::Value) -> Measure {
        let mut all = json!({ "name": "m", "tolerance": { "at_most": 1 } });
        all.as_object_mut().unwrap().extend(json.as_object().unwrap().clone());
        serde_json::from_value(all).unwrap()
    }

    fn metric(name: &str) -> serde_json::Value {
        json!({ "namespace": "Shop", "name": name, "statistic": "Sum", "dimensions": { "b": "2", "a": "1" } })
    }

    fn single(period: &str) -> Measure {
        measure(json!({ "metric": metric("Orders"), "period": period }))
    }

    fn rate() -> Measure {
        let metrics = json!({ "failed": metric("Failed"), "fail": metric("Placed") });
        measure(json!({ "metrics": metrics, "expression": "100 * failed / (failed+fail)", "period": "1m" }))
    }

    #[test]
    fn a_metric_is_one_query() {
        let [batch] = batches(&[single("10s")]).unwrap().try_into().unwrap();
        let [query] = batch.queries.try_into().unwrap();
        assert_eq!((query.id(), query.return_data()), (Some("m0_result"), Some(true)));
        let stat = query.metric_stat().unwrap();
        assert_eq!((stat.period(), stat.stat()), (Some(10), Some("Sum")));
        let names: Vec<_> = stat
            .metric()
            .unwrap()
            .dimensions()
            .iter()
            .filter_map(Dimension::name)
            .collect();
        assert_eq!(names, ["a", "b"]);
    }

    #[test]
    fn an_expression_returns_only_its_result_and_its_ids_get_the_prefix() {
        let [batch] = batches(&[single("1m"), rate()]).unwrap().try_into().unwrap();
        assert_eq!(batch.measures, [0, 1]);
        let seen: Vec<_> = batch
            .queries
            .iter()
            .map(|query| (query.id().unwrap(), query.return_data().unwrap()))
            .collect();
        assert_eq!(
            seen,
            [
                ("m0_result", true),
                ("m1_fail", false),
                ("m1_failed", false),
                ("m1_result", true)
            ]
        );
        let expression = batch.queries[3].expression().unwrap();
        assert_eq!(expression, "100 * m1_failed / (m1_failed+m1_fail)");
    }

    #[test]
    fn only_whole_words_are_replaced() {
        let replace = |text: &str| rewrite(text, |word| (word == "e").then(|| "m0_e".to_owned()));
        assert_eq!(
            replace("e/ee+e1*_e - IF(e>1e3,e,-e)"),
            "m0_e/ee+e1*_e - IF(m0_e>1e3,m0_e,-m0_e)"
        );
        assert_eq!(replace("é e é"), "é m0_e é");
        assert_eq!(replace(""), "");
    }

    #[test]
    fn what_is_in_quotes_is_not_replaced() {
        let replace = |text: &str| rewrite(text, |word| (word == "e").then(|| "m0_e".to_owned()));
        assert_eq!(
            replace(r#"e + SUM(SEARCH('{Shop} name="e" OR e', "e")) - e"#),
            r#"m0_e + SUM(SEARCH('{Shop} name="e" OR e', "e")) - m0_e"#
        );
    }

    #[test]
    fn periods_and_metrics_functions_keep_calls_apart() {
        let all =
            measure(json!({ "metrics": { "a": metric("A") }, "expression": "SUM(METRICS()) + a", "period": "1m" }));
        let batches = batches(&[single("1m"), single("5m"), all, single("1m")]).unwrap();
        let places: Vec<_> = batches.iter().map(|batch| batch.measures.clone()).collect();
        assert_eq!(places, [vec![0, 3], vec![1], vec![2]]);
    }

    #[test]
    fn a_call_has_at_most_500_queries() {
        let many = |count: usize| {
            let metrics: serde_json::Map<_, _> = (0..count).map(|n| (format!("a{n}"), metric("A"))).collect();
            measure(json!({ "metrics": metrics, "expression": "a0", "period": "1m" }))
        };
        let split = batches(&[many(300), many(300), many(100)]).unwrap();
        let sizes: Vec<_> = split.iter().map(|batch| batch.queries.len()).collect();
        assert_eq!(sizes, [402, 301]);
        assert_eq!(batches(&[many(500)]).unwrap_err().code, Code::InvalidExperiment);
    }
}

//! Metric series from CloudWatch.

use std::collections::HashMap;

use async_trait::async_trait;
use aws_sdk_cloudwatch::Client;
use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{MetricDataResult, ScanBy, StatusCode};
use inoculate_core::error::{Code, Error, Result};
use inoculate_core::experiment::Measure;
use inoculate_core::judge::{Point, Window};
use inoculate_core::ports::Metrics;
use jiff::Timestamp;

use crate::error::Service;
use crate::query::{Batch, batches, result_id};

/// Metric series from CloudWatch.
#[derive(Debug, Clone)]
pub(crate) struct CloudWatchMetrics {
    client: Client,
    service: Service,
}

/// The points by the id of their query.
type Series = HashMap<String, Vec<Point>>;

impl CloudWatchMetrics {
    pub(crate) fn new(client: Client, service: Service) -> Self {
        CloudWatchMetrics { client, service }
    }

    /// Every page of one call.
    async fn fetch(&self, batch: &Batch, measures: &[Measure], window: Window) -> Result<Series> {
        let request = self
            .client
            .get_metric_data()
            .set_metric_data_queries(Some(batch.queries.clone()))
            .start_time(DateTime::from_secs(window.from.as_second()))
            .end_time(DateTime::from_secs(window.until.as_second()))
            .scan_by(ScanBy::TimestampAscending);
        let mut pages = request.into_paginator().send();
        let mut series = Series::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| self.service.error("reading metrics", error))?;
            for result in page.metric_data_results() {
                add(&mut series, result, window).map_err(|error| error.context(doing(measures, result)))?;
            }
        }
        Ok(series)
    }
}

#[async_trait]
impl Metrics for CloudWatchMetrics {
    async fn series(&self, measures: &[Measure], window: Window) -> Result<Vec<Vec<Point>>> {
        let mut all = vec![Vec::new(); measures.len()];
        for batch in batches(measures)? {
            let window = window.whole_periods(batch.period);
            if window.is_empty() {
                continue;
            }
            let mut series = self.fetch(&batch, measures, window).await?;
            for place in batch.measures {
                let mut points = series.remove(&result_id(place)).unwrap_or_default();
                points.sort_by_key(|point| point.at);
                if let Some(slot) = all.get_mut(place) {
                    *slot = points;
                }
            }
        }
        Ok(all)
    }
}

/// Adds the points of one result that are inside the window.
///
/// `PartialData` needs nothing: the pages that follow bring the rest, and what never comes is missing data, which the
/// judge counts.
fn add(series: &mut Series, result: &MetricDataResult, window: Window) -> Result<()> {
    let said = || {
        let texts = result.messages().iter().filter_map(|message| message.value());
        texts.collect::<Vec<_>>().join("; ")
    };
    match result.status_code() {
        Some(StatusCode::InternalError) => {
            return Err(Error::new(Code::Unavailable, format!("CloudWatch failed: {}", said())));
        }
        Some(StatusCode::Forbidden) => {
            return Err(Error::new(
                Code::AccessDenied,
                format!("CloudWatch may not read a metric: {}", said()),
            ));
        }
        _ => {}
    }
    let id = result.id().unwrap_or_default();
    let points = series.entry(id.to_owned()).or_default();
    for (at, value) in result.timestamps().iter().zip(result.values()) {
        let at = timestamp(at)?;
        if window.from <= at && at < window.until {
            points.push(Point { at, value: *value });
        }
    }
    Ok(())
}

/// Says for an error which measure was being read.
fn doing(measures: &[Measure], result: &MetricDataResult) -> String {
    let place = (0..measures.len()).find(|place| result.id() == Some(&result_id(*place)));
    match place.and_then(|place| measures.get(place)) {
        Some(measure) => format!("reading the measure {}", measure.name),
        None => "reading metrics".to_owned(),
    }
}

pub(crate) fn timestamp(at: &DateTime) -> Result<Timestamp> {
    let nanos = i32::try_from(at.subsec_nanos()).unwrap_or(0);
    Timestamp::new(at.secs(), nanos)
        .map_err(|error| Error::internal(format!("CloudWatch says a point is at {}: {error}", at.secs())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window() -> Window {
        let at = |second| Timestamp::from_second(second).unwrap();
        Window {
            from: at(60),
            until: at(180),
        }
    }

    fn result(status: StatusCode, points: &[(i64, f64)]) -> MetricDataResult {
        let times = points.iter().map(|(second, _)| DateTime::from_secs(*second)).collect();
        let values = points.iter().map(|(_, value)| *value).collect();
        let builder = MetricDataResult::builder().id("m0_result").status_code(status);
        builder.set_timestamps(Some(times)).set_values(Some(values)).build()
    }

    #[test]
    fn points_outside_of_the_window_are_dropped_and_pages_add_up() {
        let mut series = Series::new();
        add(
            &mut series,
            &result(StatusCode::PartialData, &[(0, 1.0), (60, 2.0)]),
            window(),
        )
        .unwrap();
        add(
            &mut series,
            &result(StatusCode::Complete, &[(120, 3.0), (180, 4.0)]),
            window(),
        )
        .unwrap();
        let values: Vec<_> = series["m0_result"]
            .iter()
            .map(|point| (point.at.as_second(), point.value))
            .collect();
        assert_eq!(values, [(60, 2.0), (120, 3.0)]);
    }

    #[test]
    fn a_query_that_failed_is_an_error_not_missing_data() {
        for (status, code) in [
            (StatusCode::InternalError, Code::Unavailable),
            (StatusCode::Forbidden, Code::AccessDenied),
        ] {
            let error = add(&mut Series::new(), &result(status, &[]), window()).unwrap_err();
            assert_eq!(error.code, code);
        }
    }

    #[tokio::test]
    async fn a_window_without_a_whole_period_asks_nothing() {
        let measure = serde_json::json!({
            "name": "m", "period": "5m", "tolerance": { "at_most": 1 },
            "metric": { "namespace": "Shop", "name": "Orders", "statistic": "Sum" },
        });
        let measures = [serde_json::from_value(measure).unwrap()];
        let http = crate::testing::Script::new([]);
        let series = http.ports().metrics.series(&measures, window()).await.unwrap();
        assert_eq!(series, [vec![]]);
    }
}

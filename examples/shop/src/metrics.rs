//! The business metrics of checkout, for steady-state hypotheses: namespace `Shop`, dimension `Service`.
//!
//! | metric | unit | each order attempt |
//! |---|---|---|
//! | `OrdersPlaced` | Count | 1 |
//! | `OrdersFailed` | Count | 1 if it failed, else 0 |
//! | `CheckoutLatency` | Milliseconds | how long the attempt took |
//!
//! The failure rate in percent is the metric maths `100 * failed / placed` over their sums. All three are of high
//! resolution (1 s), so that they can be read with periods of 5 or 10 seconds.
//!
//! In production this would be the embedded metric format: a log line that CloudWatch turns into metrics, which costs
//! the request nothing. The local emulator does not have it, so the metrics are published with one `PutMetricData`
//! call for each order, after the work and bounded in time.

use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_cloudwatch::config::retry::RetryConfig;
use aws_sdk_cloudwatch::types::{Dimension, MetricDatum, StandardUnit};

use crate::aws::describe;

/// The CloudWatch namespace. The role in the template may publish to this one only.
pub const NAMESPACE: &str = "Shop";

/// The longest that publishing may keep an order waiting. After that the metrics of this order are lost.
pub const PUBLISH_TIMEOUT: Duration = Duration::from_millis(200);

/// What is published about one attempt to place an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempt {
    /// Whether the order failed.
    pub failed: bool,
    /// How long it took, publishing excluded.
    pub latency: Duration,
}

/// Publishes the metrics of one function.
#[derive(Debug, Clone)]
pub struct Metrics {
    client: aws_sdk_cloudwatch::Client,
    service: String,
}

impl Metrics {
    /// Publishes with `service` (the function's name) as dimension.
    pub fn new(config: &SdkConfig, service: String) -> Self {
        let builder = aws_sdk_cloudwatch::config::Builder::from(config).retry_config(RetryConfig::disabled());
        Self {
            client: aws_sdk_cloudwatch::Client::from_conf(builder.build()),
            service,
        }
    }

    /// Publishes one attempt in one call. Never fails an order: a failure is logged and the metrics are lost.
    pub async fn publish(&self, attempt: Attempt) {
        let call = self
            .client
            .put_metric_data()
            .namespace(NAMESPACE)
            .set_metric_data(Some(data(attempt, &self.service)));
        match tokio::time::timeout(PUBLISH_TIMEOUT, call.send()).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::warn!(error = describe(&error), "metrics lost"),
            Err(_elapsed) => tracing::warn!(error = "CloudWatch did not answer in time", "metrics lost"),
        }
    }
}

fn data(attempt: Attempt, service: &str) -> Vec<MetricDatum> {
    let dimension = Dimension::builder().name("Service").value(service).build();
    let datum = |name: &str, unit: StandardUnit, value: f64| {
        MetricDatum::builder()
            .metric_name(name)
            .dimensions(dimension.clone())
            .unit(unit)
            .value(value)
            .storage_resolution(1)
            .build()
    };
    vec![
        datum("OrdersPlaced", StandardUnit::Count, 1.0),
        datum("OrdersFailed", StandardUnit::Count, f64::from(u8::from(attempt.failed))),
        datum(
            "CheckoutLatency",
            StandardUnit::Milliseconds,
            attempt.latency.as_secs_f64() * 1000.0,
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_attempt_is_three_high_resolution_points() {
        let points = data(
            Attempt {
                failed: true,
                latency: Duration::from_micros(1500),
            },
            "shop-checkout-naive",
        );
        let seen: Vec<_> = points
            .iter()
            .map(|p| (p.metric_name().unwrap(), p.value().unwrap()))
            .collect();
        assert_eq!(
            seen,
            [("OrdersPlaced", 1.0), ("OrdersFailed", 1.0), ("CheckoutLatency", 1.5)]
        );
        for point in &points {
            assert_eq!(point.storage_resolution(), Some(1));
            assert_eq!(point.dimensions().len(), 1);
            assert_eq!(point.dimensions()[0].value(), Some("shop-checkout-naive"));
        }
    }
}

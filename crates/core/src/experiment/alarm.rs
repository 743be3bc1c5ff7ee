//! Alarms that a run makes for itself.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::measure::Metric;
use crate::judge::rounded;
use crate::span::Span;

/// The most alarms that a run makes for itself: CloudWatch takes three a second.
///
/// Source: <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch_limits.html>
pub const MAX_ABORT_ALARMS: usize = 10;

/// One alarm that a run makes for itself: it is there while the faults are, and ends the run when it goes to ALARM.
///
/// Exactly one of `above` and `below`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AbortAlarm {
    /// What the alarm looks at, written as in `steady_state`.
    pub metric: Metric,
    /// The length of one data point: 10s, 20s, 30s or whole minutes. Below a minute only for high-resolution metrics of your
    /// own.
    #[serde(default = "AbortAlarm::default_period")]
    pub period: Span,
    /// A point over this is bad.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub above: Option<f64>,
    /// A point under this is bad.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub below: Option<f64>,
    /// How many bad points among how many in a row are an ALARM: `2 of 3`.
    #[serde(default, skip_serializing_if = "BadPoints::is_default")]
    #[schemars(extend("default" = BadPoints::default()))]
    pub points: BadPoints,
    /// What a period without data is. `good`, since a metric of failures has none while nothing fails, and CloudWatch gets
    /// many metrics late. `bad` is for a metric that always has data, like orders placed.
    #[serde(default, skip_serializing_if = "MissingData::is_default")]
    #[schemars(extend("default" = MissingData::default()))]
    pub missing_data: MissingData,
}

impl AbortAlarm {
    fn default_period() -> Span {
        Span::from_secs(60)
    }

    /// Where a point becomes bad; `None` unless exactly one limit is written, which validation sees to.
    pub fn limit(&self) -> Option<Limit> {
        match (self.above, self.below) {
            (Some(most), None) => Some(Limit::Above(most)),
            (None, Some(least)) => Some(Limit::Below(least)),
            _ => None,
        }
    }

    /// Whether CloudWatch looks every ten seconds, and not every minute. Costs three times as much.
    pub fn is_high_resolution(&self) -> bool {
        self.period.secs() < 60
    }
}

/// In words: what goes how far, how often.
impl fmt::Display for AbortAlarm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Metric {
            namespace,
            name,
            dimensions,
            statistic,
        } = &self.metric;
        write!(f, "{statistic} of {name} ({namespace}")?;
        for (dimension, value) in dimensions {
            write!(f, ", {dimension} {value}")?;
        }
        match self.limit() {
            Some(Limit::Above(most)) => write!(f, ") above {}", rounded(most))?,
            Some(Limit::Below(least)) => write!(f, ") below {}", rounded(least))?,
            None => write!(f, ") without a limit")?,
        }
        match self.points {
            BadPoints { bad: 1, of: 1 } => write!(f, " in a period of {}", self.period)?,
            points => write!(f, " in {points} periods of {}", self.period)?,
        }
        match self.missing_data {
            MissingData::Good => Ok(()),
            MissingData::Bad => f.write_str(", or without data"),
        }
    }
}

/// Where a point becomes bad.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Limit {
    /// Over this value.
    Above(f64),
    /// Under this value.
    Below(f64),
}

/// How many bad points among how many in a row, written as `2 of 3`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BadPoints {
    /// So many are bad, at least 1.
    pub bad: u32,
    /// Of so many, at least 1.
    pub of: u32,
}

/// The written form of [`BadPoints`].
const BAD_POINTS_PATTERN: &str = "^[1-9][0-9]{0,3} of [1-9][0-9]{0,3}$";

/// What is wrong with a text that should be [`BadPoints`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a number of points like `2 of 3`")]
pub struct BadPointsError(String);

impl BadPoints {
    fn is_default(&self) -> bool {
        *self == BadPoints::default()
    }
}

impl Default for BadPoints {
    fn default() -> Self {
        BadPoints { bad: 1, of: 1 }
    }
}

impl TryFrom<String> for BadPoints {
    type Error = BadPointsError;

    fn try_from(text: String) -> Result<Self, BadPointsError> {
        let number = |digits: &str| -> Option<u32> {
            let plain = (1..=4).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
            digits.parse().ok().filter(|_| plain && !digits.starts_with('0'))
        };
        let numbers = text.split_once(" of ");
        match numbers.and_then(|(bad, of)| Some((number(bad)?, number(of)?))) {
            Some((bad, of)) => Ok(BadPoints { bad, of }),
            None => Err(BadPointsError(text)),
        }
    }
}

impl fmt::Display for BadPoints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.bad, self.of)
    }
}

impl From<BadPoints> for String {
    fn from(points: BadPoints) -> String {
        points.to_string()
    }
}

impl JsonSchema for BadPoints {
    fn schema_name() -> Cow<'static, str> {
        "BadPoints".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": BAD_POINTS_PATTERN,
            "description": "a number of points: two whole numbers from 1 to 9999, like `2 of 3`",
        })
    }
}

/// What a period without data is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MissingData {
    /// A good point.
    #[default]
    Good,
    /// A bad point.
    Bad,
}

impl MissingData {
    fn is_default(&self) -> bool {
        *self == MissingData::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(text: &str) -> Result<BadPoints, BadPointsError> {
        text.to_owned().try_into()
    }

    #[test]
    fn points_are_read_as_they_are_written() {
        for (text, bad, of) in [("1 of 1", 1, 1), ("2 of 3", 2, 3), ("10 of 8640", 10, 8640)] {
            let points = read(text).unwrap();
            assert_eq!(points, BadPoints { bad, of });
            assert_eq!(points.to_string(), text);
        }
        for text in [
            "",
            "2",
            "2of3",
            "2 of",
            "of 3",
            "0 of 1",
            "1 of 0",
            "01 of 1",
            "+1 of 1",
            "-1 of 1",
            "1  of 1",
            "1 of 3 of 5",
            "2 OF 3",
            "1 of 10000",
            "1.0 of 2",
            " 1 of 1",
        ] {
            assert!(read(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn what_is_left_out_is_not_written() {
        let written = json!({
            "metric": { "namespace": "Shop", "name": "OrdersFailed", "statistic": "Sum" },
            "period": "1m", "above": 5.0
        });
        let alarm: AbortAlarm = serde_json::from_value(written.clone()).unwrap();
        assert_eq!(serde_json::to_value(&alarm).unwrap(), written);
        assert_eq!(
            alarm.to_string(),
            "Sum of OrdersFailed (Shop) above 5 in a period of 1m"
        );
    }

    #[test]
    fn everything_that_is_written_is_in_the_words() {
        let alarm: AbortAlarm = serde_json::from_value(json!({
            "metric": {
                "namespace": "Shop", "name": "OrdersPlaced", "statistic": "p99",
                "dimensions": { "Service": "checkout", "Country": "de" }
            },
            "period": "10s", "below": 0.5, "points": "2 of 3", "missing_data": "bad"
        }))
        .unwrap();
        assert_eq!(
            alarm.to_string(),
            "p99 of OrdersPlaced (Shop, Country de, Service checkout) below 0.5 in 2 of 3 periods of 10s, or without data"
        );
    }

    /// Only a record that was written by hand could have it; nothing is then made of it.
    #[test]
    fn without_exactly_one_limit_there_is_none() {
        let alarm = |limits: serde_json::Value| -> AbortAlarm {
            let mut value = json!({ "metric": { "namespace": "Shop", "name": "OrdersFailed", "statistic": "Sum" } });
            value
                .as_object_mut()
                .unwrap()
                .extend(limits.as_object().unwrap().clone());
            serde_json::from_value(value).unwrap()
        };
        assert_eq!(alarm(json!({ "above": 1 })).limit(), Some(Limit::Above(1.0)));
        assert_eq!(alarm(json!({ "below": 1 })).limit(), Some(Limit::Below(1.0)));
        assert_eq!(alarm(json!({})).limit(), None);
        assert_eq!(alarm(json!({ "above": 1, "below": 0 })).limit(), None);
    }
}

//! Alarms of CloudWatch.

use std::collections::HashMap;

use async_trait::async_trait;
use aws_sdk_cloudwatch::Client;
use aws_sdk_cloudwatch::operation::put_metric_alarm::builders::PutMetricAlarmFluentBuilder;
use aws_sdk_cloudwatch::types::{AlarmType, ComparisonOperator, Dimension, MetricAlarm, StateValue, Statistic};
use inoculate_core::error::{Code, Error, Result};
use inoculate_core::experiment::{AbortAlarm, Limit, Metric, MissingData};
use inoculate_core::ports::{AlarmState, Alarms};
use inoculate_core::run_alarms::{MadeAlarm, NewAlarm};

use crate::error::Service;
use crate::metrics::timestamp;

/// The most names in one call.
///
/// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_DescribeAlarms.html> and
/// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_DeleteAlarms.html>
const MOST_NAMES: usize = 100;

/// The longest description that CloudWatch keeps, in characters.
///
/// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html>
const LONGEST_DESCRIPTION: usize = 1024;

/// Alarms of CloudWatch, metric alarms and composite ones.
#[derive(Debug, Clone)]
pub(crate) struct CloudWatchAlarms {
    client: Client,
    /// What the alarms of runs publish to.
    abort_topic: Option<String>,
    service: Service,
}

impl CloudWatchAlarms {
    pub(crate) fn new(client: Client, abort_topic: Option<String>, service: Service) -> Self {
        CloudWatchAlarms {
            client,
            abort_topic,
            service,
        }
    }

    /// The alarms of at most [`MOST_NAMES`] names.
    async fn describe(&self, names: &[String]) -> Result<Vec<AlarmState>> {
        let request = self.client.describe_alarms().set_alarm_names(Some(names.to_vec()));
        let request = request
            .alarm_types(AlarmType::MetricAlarm)
            .alarm_types(AlarmType::CompositeAlarm);
        let mut pages = request.into_paginator().send();
        let mut found = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| self.service.error("reading alarms", error))?;
            let metric = page.metric_alarms().iter();
            found.extend(metric.map(|alarm| state(alarm.alarm_name(), alarm.state_value(), alarm.state_reason())));
            let composite = page.composite_alarms().iter();
            found.extend(composite.map(|alarm| state(alarm.alarm_name(), alarm.state_value(), alarm.state_reason())));
        }
        Ok(found)
    }

    /// Deletes at most [`MOST_NAMES`] alarms. False when one of them is not there: then, by one page of the documentation or
    /// another, the others may be deleted or not.
    async fn delete_together(&self, names: &[String]) -> Result<bool> {
        let answer = self.client.delete_alarms().set_alarm_names(Some(names.to_vec())).send();
        match answer.await {
            Ok(_) => Ok(true),
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(|error| error.is_resource_not_found()) =>
            {
                Ok(false)
            }
            Err(error) => Err(self
                .service
                .error(format!("deleting the alarms {}", names.join(", ")), error)),
        }
    }

    fn abort_topic(&self) -> Result<&str> {
        let missing = || Error::internal("it is not known which topic alarms are to publish to");
        self.abort_topic.as_deref().ok_or_else(missing)
    }
}

fn state(name: Option<&str>, value: Option<&StateValue>, reason: Option<&str>) -> AlarmState {
    AlarmState {
        name: name.unwrap_or_default().to_owned(),
        in_alarm: value == Some(&StateValue::Alarm),
        reason: reason.unwrap_or_default().to_owned(),
    }
}

#[async_trait]
impl Alarms for CloudWatchAlarms {
    async fn states(&self, names: &[String]) -> Result<Vec<AlarmState>> {
        let mut found = HashMap::new();
        for names in names.chunks(MOST_NAMES) {
            let states = self.describe(names).await?;
            found.extend(states.into_iter().map(|state| (state.name.clone(), state)));
        }
        // In the order that was asked for, each once.
        Ok(names.iter().filter_map(|name| found.remove(name)).collect())
    }

    async fn make(&self, alarm: &NewAlarm) -> Result<()> {
        let description: String = alarm.description.chars().take(LONGEST_DESCRIPTION).collect();
        let request = self.client.put_metric_alarm();
        let request = request.alarm_name(&alarm.name).alarm_description(description);
        let request = when(request, &alarm.when)?.alarm_actions(self.abort_topic()?);
        let doing = || format!("making the alarm {}", alarm.name);
        let answer = request.send().await;
        answer.map(drop).map_err(|error| self.service.error(doing(), error))
    }

    async fn delete(&self, names: &[String]) -> Result<()> {
        for names in names.chunks(MOST_NAMES) {
            if !self.delete_together(names).await? {
                for name in names {
                    self.delete_together(std::slice::from_ref(name)).await?;
                }
            }
        }
        Ok(())
    }

    async fn made(&self, prefix: &str) -> Result<Vec<MadeAlarm>> {
        let topic = self.abort_topic()?;
        let request = self.client.describe_alarms().alarm_name_prefix(prefix);
        let mut pages = request.alarm_types(AlarmType::MetricAlarm).into_paginator().send();
        let mut found = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| self.service.error("listing the alarms of runs", error))?;
            let ours = page
                .metric_alarms()
                .iter()
                .filter(|alarm| alarm.alarm_actions() == [topic]);
            for alarm in ours {
                found.push(made(alarm)?);
            }
        }
        Ok(found)
    }
}

fn made(alarm: &MetricAlarm) -> Result<MadeAlarm> {
    let (Some(name), Some(changed)) = (alarm.alarm_name(), alarm.alarm_configuration_updated_timestamp()) else {
        return Err(Error::internal(
            "CloudWatch lists an alarm without its name or its time",
        ));
    };
    Ok(MadeAlarm {
        name: name.to_owned(),
        changed_at: timestamp(changed)?,
    })
}

/// The request with what an alarm looks at, and when it goes to ALARM.
fn when(request: PutMetricAlarmFluentBuilder, alarm: &AbortAlarm) -> Result<PutMetricAlarmFluentBuilder> {
    let (operator, threshold) = match alarm.limit() {
        Some(Limit::Above(most)) => (ComparisonOperator::GreaterThanThreshold, most),
        Some(Limit::Below(least)) => (ComparisonOperator::LessThanThreshold, least),
        None => {
            let message = format!("an alarm needs one limit: {alarm}");
            return Err(Error::new(Code::InvalidExperiment, message));
        }
    };
    let whole = |number: u32| i32::try_from(number).map_err(|_| Error::internal(format!("{number} is too much")));
    let missing = match alarm.missing_data {
        MissingData::Good => "notBreaching",
        MissingData::Bad => "breaching",
    };
    let request = with_metric(request, &alarm.metric)
        .comparison_operator(operator)
        .threshold(threshold)
        .period(whole(alarm.period.secs())?)
        .datapoints_to_alarm(whole(alarm.points.bad)?)
        .evaluation_periods(whole(alarm.points.of)?)
        .treat_missing_data(missing);
    Ok(request)
}

fn with_metric(request: PutMetricAlarmFluentBuilder, metric: &Metric) -> PutMetricAlarmFluentBuilder {
    let dimensions = metric.dimensions.iter();
    let dimensions = dimensions.map(|(name, value)| Dimension::builder().name(name).value(value).build());
    let request = request
        .namespace(&metric.namespace)
        .metric_name(&metric.name)
        .set_dimensions(Some(dimensions.collect()));
    // Percentiles and what else was added later has a field of its own.
    match metric.statistic.parse::<Statistic>() {
        Ok(statistic) if Statistic::values().contains(&statistic.as_str()) => request.statistic(statistic),
        _ => request.extended_statistic(&metric.statistic),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Script;
    use serde_json::json;

    fn alarm(change: impl FnOnce(&mut serde_json::Value)) -> AbortAlarm {
        let mut value = json!({
            "metric": { "namespace": "Shop", "name": "Time", "statistic": "p99", "dimensions": { "Service": "checkout" } },
            "period": "10s", "above": 0.5, "points": "2 of 3"
        });
        change(&mut value);
        serde_json::from_value(value).unwrap()
    }

    fn request(alarm: &AbortAlarm) -> PutMetricAlarmFluentBuilder {
        let client = Client::new(&Script::new([]).config());
        when(client.put_metric_alarm(), alarm).unwrap()
    }

    #[test]
    fn an_alarm_is_asked_for_as_it_was_written() {
        let request = request(&alarm(|_| {}));
        assert_eq!(request.get_namespace().as_deref(), Some("Shop"));
        assert_eq!(request.get_metric_name().as_deref(), Some("Time"));
        let dimensions = request.get_dimensions().clone().unwrap();
        let dimension = Dimension::builder().name("Service").value("checkout").build();
        assert_eq!(dimensions, [dimension]);
        assert_eq!(request.get_extended_statistic().as_deref(), Some("p99"));
        assert_eq!(request.get_statistic(), &None);
        assert_eq!(
            request.get_comparison_operator(),
            &Some(ComparisonOperator::GreaterThanThreshold)
        );
        assert_eq!(request.get_threshold(), &Some(0.5));
        assert_eq!(request.get_period(), &Some(10));
        assert_eq!(request.get_datapoints_to_alarm(), &Some(2));
        assert_eq!(request.get_evaluation_periods(), &Some(3));
        assert_eq!(request.get_treat_missing_data().as_deref(), Some("notBreaching"));
    }

    #[test]
    fn every_other_word_of_an_alarm_is_asked_for() {
        for statistic in ["Sum", "Average", "Minimum", "Maximum", "SampleCount"] {
            let request = request(&alarm(|value| value["metric"]["statistic"] = json!(statistic)));
            assert_eq!(request.get_statistic().as_ref().map(Statistic::as_str), Some(statistic));
            assert_eq!(request.get_extended_statistic(), &None);
        }
        let request = request(&alarm(|value| {
            let fields = value.as_object_mut().unwrap();
            fields.remove("above");
            fields.remove("points");
            fields.insert("below".into(), json!(3));
            fields.insert("missing_data".into(), json!("bad"));
            fields.insert("period".into(), json!("5m"));
        }));
        assert_eq!(
            request.get_comparison_operator(),
            &Some(ComparisonOperator::LessThanThreshold)
        );
        assert_eq!(request.get_threshold(), &Some(3.0));
        assert_eq!(request.get_period(), &Some(300));
        assert_eq!(request.get_datapoints_to_alarm(), &Some(1));
        assert_eq!(request.get_evaluation_periods(), &Some(1));
        assert_eq!(request.get_treat_missing_data().as_deref(), Some("breaching"));
    }

    /// An error as CloudWatch answers it, in CBOR: a group of one field, whose name and value are texts.
    fn refusal(code: &str) -> (u16, Vec<u8>) {
        let text = |text: &str| [&[0x78, u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
        (400, [vec![0xa1], text("__type"), text(code)].concat())
    }

    const DONE: (u16, Vec<u8>) = (200, Vec::new());

    async fn delete(http: &Script, names: &[&str]) -> Result<()> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        http.ports().alarms.delete(&names).await
    }

    #[tokio::test]
    async fn alarms_are_deleted_together() {
        let http = Script::of_bytes([DONE]);
        delete(&http, &["one", "two"]).await.unwrap();
        let body = &http.requests()[0].body;
        assert!(body.contains("one") && body.contains("two"), "{body}");
        delete(&http, &[]).await.unwrap();
    }

    /// Whether CloudWatch has deleted the others then is not documented in one way.
    #[tokio::test]
    async fn where_one_alarm_is_not_there_each_is_deleted_by_itself() {
        let gone = || refusal("ResourceNotFound");
        let http = Script::of_bytes([gone(), DONE, gone(), DONE]);
        delete(&http, &["one", "two", "three"]).await.unwrap();
        let bodies: Vec<String> = http.requests().into_iter().map(|sent| sent.body).collect();
        for (body, name) in bodies[1..].iter().zip(["one", "two", "three"]) {
            assert!(body.contains(name), "{body}");
        }
        assert_eq!(bodies.len(), 4);
    }

    #[tokio::test]
    async fn an_alarm_that_may_not_be_deleted_is_an_error() {
        let http = Script::of_bytes([refusal("AccessDenied")]);
        assert_eq!(delete(&http, &["one"]).await.unwrap_err().code, Code::AccessDenied);
    }

    /// Before anything is sent: an alarm that nobody hears would be a false promise.
    #[tokio::test]
    async fn without_a_topic_no_alarm_is_made() {
        let http = Script::new([]);
        let names = crate::connect::Names {
            abort_topic_arn: None,
            ..http.names()
        };
        let ports = crate::connect::Aws::with(http.config()).unwrap().ports(&names);
        let new = NewAlarm {
            name: "inoculate-run-r-1".into(),
            description: String::new(),
            when: alarm(|_| {}),
        };
        assert_eq!(ports.alarms.make(&new).await.unwrap_err().code, Code::Internal);
        assert_eq!(
            ports.alarms.made("inoculate-run-").await.unwrap_err().code,
            Code::Internal
        );
    }
}

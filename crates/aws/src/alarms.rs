//! Alarms of CloudWatch.

use std::collections::HashMap;

use async_trait::async_trait;
use aws_sdk_cloudwatch::Client;
use aws_sdk_cloudwatch::types::{AlarmType, StateValue};
use inoculate_core::error::Result;
use inoculate_core::ports::{AlarmState, Alarms};

use crate::error::Service;

/// The most names in one call.
///
/// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_DescribeAlarms.html>
const MOST_NAMES: usize = 100;

/// Alarms of CloudWatch, metric alarms and composite ones.
#[derive(Debug, Clone)]
pub(crate) struct CloudWatchAlarms {
    client: Client,
    service: Service,
}

impl CloudWatchAlarms {
    pub(crate) fn new(client: Client, service: Service) -> Self {
        CloudWatchAlarms { client, service }
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
}

//! Schedules of EventBridge Scheduler, in a group of the stack.

use async_trait::async_trait;
use aws_sdk_scheduler::Client;
use aws_sdk_scheduler::error::ProvideErrorMetadata;
use aws_sdk_scheduler::operation::get_schedule::GetScheduleOutput;
use aws_sdk_scheduler::types::{
    ActionAfterCompletion, FlexibleTimeWindow, FlexibleTimeWindowMode, RetryPolicy, ScheduleState, Target,
};
use aws_smithy_types::DateTime;
use inoculate_core::error::{Code, Error, Result};
use inoculate_core::names::ScheduleName;
use inoculate_core::schedule::{DELIVERY_RETRIES, LONGEST_DELIVERY_SECS, Schedule, Schedules};
use jiff::Timestamp;
use serde_json::Value;

use crate::error::Service;

/// What the scheduler answers when a schedule, or its group, is not there.
const MISSING: &str = "ResourceNotFoundException";

/// The schedules that start one state machine.
#[derive(Debug, Clone)]
pub(crate) struct SchedulerSchedules {
    pub(crate) client: Client,
    /// The group, which is called like the stack.
    pub(crate) group: String,
    pub(crate) state_machine_arn: String,
    /// The role that the scheduler takes to start it.
    pub(crate) role_arn: String,
    pub(crate) service: Service,
}

#[async_trait]
impl Schedules for SchedulerSchedules {
    async fn add(&self, schedule: &Schedule) -> Result<()> {
        let request = self.client.create_schedule().group_name(&self.group);
        let request = request
            .name(schedule.name.as_str())
            .description(format!(
                "Inoculate: runs the experiment {}",
                schedule.experiment().unwrap_or("-")
            ))
            .schedule_expression(&schedule.expression)
            .schedule_expression_timezone(&schedule.time_zone)
            .flexible_time_window(flexible(schedule)?)
            .state(state(schedule))
            .set_start_date(schedule.from.map(date))
            .set_end_date(schedule.until.map(date))
            // One that is over would be in the list for ever.
            .action_after_completion(ActionAfterCompletion::Delete)
            .target(self.target(schedule)?);
        let answer = request.send().await;
        answer.map_err(|error| {
            let doing = format_args!("making the schedule {}", schedule.name);
            let error = self.service.error(doing, error);
            match error.code {
                Code::Conflict => error.help("remove the one there is first, or give this one another --name"),
                _ => error,
            }
        })?;
        Ok(())
    }

    async fn list(&self) -> Result<Vec<Schedule>> {
        let request = self.client.list_schedules().group_name(&self.group);
        let mut pages = request.into_paginator().items().send();
        let mut found = Vec::new();
        while let Some(summary) = pages.next().await {
            let summary = summary.map_err(|error| self.service.error("listing the schedules", error))?;
            let name = summary.name.unwrap_or_default();
            found.extend(self.get(&name).await?);
        }
        found.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(found)
    }

    async fn remove(&self, name: &ScheduleName) -> Result<bool> {
        let request = self.client.delete_schedule().group_name(&self.group);
        match request.name(name.as_str()).send().await {
            Ok(_) => Ok(true),
            Err(error) if error.code() == Some(MISSING) => Ok(false),
            Err(error) => {
                let doing = format_args!("removing the schedule {name}");
                Err(self.service.error(doing, error))
            }
        }
    }
}

impl SchedulerSchedules {
    /// A schedule; `None` when it was removed since it was listed.
    async fn get(&self, name: &str) -> Result<Option<Schedule>> {
        let request = self.client.get_schedule().group_name(&self.group).name(name);
        match request.send().await {
            Ok(found) => read(name, found).map(Some),
            Err(error) if error.code() == Some(MISSING) => Ok(None),
            Err(error) => Err(self.service.error(format_args!("reading the schedule {name}"), error)),
        }
    }

    fn target(&self, schedule: &Schedule) -> Result<Target> {
        let retries = RetryPolicy::builder()
            .maximum_retry_attempts(DELIVERY_RETRIES)
            .maximum_event_age_in_seconds(LONGEST_DELIVERY_SECS);
        let target = Target::builder()
            .arn(&self.state_machine_arn)
            .role_arn(&self.role_arn)
            .input(schedule.input.to_string())
            .retry_policy(retries.build());
        target.build().map_err(incomplete)
    }
}

/// A schedule as the scheduler has it. An input that is no JSON is kept as text, as somebody else wrote it.
fn read(name: &str, found: GetScheduleOutput) -> Result<Schedule> {
    let input = found.target.and_then(|target| target.input).unwrap_or_default();
    let window = found.flexible_time_window;
    Ok(Schedule {
        name: name
            .parse()
            .map_err(|error| Error::internal(format!("the scheduler has a schedule of another kind: {error}")))?,
        input: serde_json::from_str(&input).unwrap_or(Value::String(input)),
        expression: found.schedule_expression.unwrap_or_default(),
        time_zone: found.schedule_expression_timezone.unwrap_or_else(|| "UTC".to_owned()),
        flexible_minutes: window.and_then(|window| u32::try_from(window.maximum_window_in_minutes?).ok()),
        from: found.start_date.and_then(time),
        until: found.end_date.and_then(time),
        enabled: found.state != Some(ScheduleState::Disabled),
        made_at: found.creation_date.and_then(time),
    })
}

fn flexible(schedule: &Schedule) -> Result<FlexibleTimeWindow> {
    let window = match schedule.flexible_minutes {
        None => FlexibleTimeWindow::builder().mode(FlexibleTimeWindowMode::Off),
        Some(minutes) => FlexibleTimeWindow::builder()
            .mode(FlexibleTimeWindowMode::Flexible)
            .set_maximum_window_in_minutes(i32::try_from(minutes).ok()),
    };
    window.build().map_err(incomplete)
}

fn state(schedule: &Schedule) -> ScheduleState {
    if schedule.enabled {
        ScheduleState::Enabled
    } else {
        ScheduleState::Disabled
    }
}

fn incomplete(error: impl std::fmt::Display) -> Error {
    Error::internal(format!("the schedule is not complete: {error}"))
}

fn date(at: Timestamp) -> DateTime {
    DateTime::from_secs(at.as_second())
}

fn time(date: DateTime) -> Option<Timestamp> {
    Timestamp::from_second(date.secs()).ok()
}

#[cfg(test)]
mod tests {
    use inoculate_core::schedule::input;

    use super::*;
    use crate::connect::Aws;
    use crate::testing::Script;

    const CALLER: &str = r#"<GetCallerIdentityResponse><GetCallerIdentityResult>
        <Arn>arn:aws:iam::123456789012:user/a</Arn><Account>123456789012</Account>
        </GetCallerIdentityResult></GetCallerIdentityResponse>"#;

    fn schedule() -> Schedule {
        Schedule {
            name: "weekly".parse().unwrap(),
            input: input(&"throttle".parse().unwrap(), Some(15)),
            expression: "cron(0 10 ? * TUE *)".to_owned(),
            time_zone: "Europe/Berlin".to_owned(),
            flexible_minutes: Some(15),
            from: None,
            until: Some(Timestamp::from_second(1_800_000_000).unwrap()),
            enabled: true,
            made_at: None,
        }
    }

    /// A late start is dropped by the scheduler, and a lost answer does not start a second run.
    #[tokio::test]
    async fn a_schedule_starts_only_its_own_state_machine_and_nothing_late() {
        let http = Script::new([(200, CALLER), (200, r#"{"ScheduleArn":"a"}"#)]);
        let stack = Aws::with(http.config()).unwrap().stack("chaos").await.unwrap();
        stack.schedules.add(&schedule()).await.unwrap();
        let sent = &http.requests()[1];
        assert!(sent.operation.ends_with("/schedules/weekly"), "{}", sent.operation);
        let body: Value = serde_json::from_str(&sent.body).unwrap();
        let target = &body["Target"];
        assert_eq!(
            target["Arn"],
            "arn:aws:states:eu-west-1:123456789012:stateMachine:chaos-experiment"
        );
        assert_eq!(target["RoleArn"], "arn:aws:iam::123456789012:role/chaos-schedule");
        assert_eq!(target["RetryPolicy"]["MaximumRetryAttempts"], 0);
        assert_eq!(target["RetryPolicy"]["MaximumEventAgeInSeconds"], 60);
        let input: Value = serde_json::from_str(target["Input"].as_str().unwrap()).unwrap();
        assert_eq!(input, schedule().input);
        assert_eq!(body["GroupName"], "chaos");
        assert_eq!(body["EndDate"], 1_800_000_000);
        assert_eq!(body["FlexibleTimeWindow"]["MaximumWindowInMinutes"], 15);
    }

    #[tokio::test]
    async fn what_keeps_a_schedule_from_being_made_is_said() {
        let conflict = r#"{"__type":"ConflictException","Message":"there"}"#;
        let missing = r#"{"__type":"ResourceNotFoundException","Message":"no group"}"#;
        let invalid = r#"{"__type":"ValidationException","Message":"no"}"#;
        let http = Script::new([(200, CALLER), (409, conflict), (404, missing), (400, invalid)]);
        let stack = Aws::with(http.config()).unwrap().stack("chaos").await.unwrap();
        for code in [Code::Conflict, Code::StackMissing, Code::InvalidExperiment] {
            let error = stack.schedules.add(&schedule()).await.unwrap_err();
            assert_eq!(error.code, code, "{error}");
        }
    }

    /// In the group of the stack somebody may have made one with the console.
    #[tokio::test]
    async fn a_schedule_of_somebody_else_is_listed_as_it_is() {
        let summaries = r#"{"Schedules":[{"Name":"by-hand"},{"Name":"gone"}]}"#;
        let by_hand = r#"{"Name":"by-hand","ScheduleExpression":"rate(7 days)","State":"DISABLED",
            "Target":{"Arn":"a","RoleArn":"r","Input":"not JSON"},"CreationDate":1700000000.5}"#;
        let gone = r#"{"__type":"ResourceNotFoundException","Message":"gone"}"#;
        let http = Script::new([(200, CALLER), (200, summaries), (200, by_hand), (404, gone)]);
        let stack = Aws::with(http.config()).unwrap().stack("chaos").await.unwrap();
        let [found] = &stack.schedules.list().await.unwrap()[..] else {
            panic!("not one")
        };
        assert_eq!((found.experiment(), found.enabled), (None, false));
        assert_eq!((found.time_zone.as_str(), found.flexible_minutes), ("UTC", None));
        assert_eq!(found.made_at, Timestamp::from_second(1_700_000_000).ok());
    }
}

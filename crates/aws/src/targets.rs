//! Lambda functions under test and their settings. Nothing here waits: what takes time is reported as `updating`.

use async_trait::async_trait;
use aws_sdk_lambda::Client;
use aws_sdk_lambda::error::ProvideErrorMetadata;
use aws_sdk_lambda::operation::get_function_configuration::GetFunctionConfigurationOutput;
use aws_sdk_lambda::types::{EventSourceMappingConfiguration, FunctionConfiguration, LastUpdateStatus, State};
use inoculate_core::error::{Code, Error, Result};
use inoculate_core::names::FunctionName;
use inoculate_core::ports::{Function, Targets};
use inoculate_core::setting::{Reading, Setting, SettingValue};

use crate::error::Service;

/// The tag with which the owner of a function allows experiments.
const CONSENT_TAG: &str = "inoculate";
/// The value of [`CONSENT_TAG`] that allows them.
const CONSENT: &str = "allow";

/// Lambda functions in the account and region of Inoculate.
#[derive(Debug, Clone)]
pub(crate) struct LambdaTargets {
    client: Client,
    service: Service,
}

/// Which field of a function's configuration, with its new value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Timeout(i32),
    Memory(i32),
}

impl LambdaTargets {
    pub(crate) fn new(client: Client, service: Service) -> Self {
        LambdaTargets { client, service }
    }

    async fn configuration(&self, function: &FunctionName) -> Result<GetFunctionConfigurationOutput> {
        let request = self
            .client
            .get_function_configuration()
            .function_name(function.as_str());
        let answer = request.send().await;
        answer.map_err(|error| {
            self.service
                .error(format_args!("reading the settings of {function}"), error)
        })
    }

    /// Read from `GetFunction`, which the other reads need anyway, so that a reader needs no permission more.
    async fn concurrency(&self, function: &FunctionName) -> Result<SettingValue> {
        let request = self.client.get_function().function_name(function.as_str());
        let answer = request.send().await;
        let answer = answer.map_err(|error| {
            self.service
                .error(format_args!("reading the concurrency of {function}"), error)
        })?;
        match answer
            .concurrency()
            .and_then(|concurrency| concurrency.reserved_concurrent_executions())
        {
            None => Ok(SettingValue::Unreserved),
            Some(executions) => Ok(SettingValue::Executions(unsigned(executions, "concurrency", function)?)),
        }
    }

    /// Reserved concurrency applies at once and to all versions.
    ///
    /// <https://docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html>
    async fn set_concurrency(&self, function: &FunctionName, executions: Option<i32>) -> Result<()> {
        let doing = format!("setting the concurrency of {function}");
        if let Some(executions) = executions {
            let request = self.client.put_function_concurrency().function_name(function.as_str());
            let answer = request.reserved_concurrent_executions(executions).send().await;
            answer.map_err(|error| self.service.error(doing, error))?;
        } else {
            let request = self
                .client
                .delete_function_concurrency()
                .function_name(function.as_str());
            let answer = request.send().await;
            answer.map_err(|error| self.service.error(doing, error))?;
        }
        Ok(())
    }

    /// Sets one field of the configuration. The revision that was read goes with the update, so that a deploy in
    /// between is not overwritten: Lambda refuses the update, and the caller may try again.
    ///
    /// <https://docs.aws.amazon.com/lambda/latest/api/API_UpdateFunctionConfiguration.html>
    async fn set_field(&self, function: &FunctionName, field: Field) -> Result<()> {
        let now = self.configuration(function).await?;
        let (set, wanted) = match field {
            Field::Timeout(secs) => (now.timeout(), secs),
            Field::Memory(megabytes) => (now.memory_size(), megabytes),
        };
        if set == Some(wanted) {
            return Ok(());
        }
        if is_updating(now.state(), now.last_update_status()) {
            return Err(self.busy(format!("{function} is being updated")));
        }
        let request = self
            .client
            .update_function_configuration()
            .function_name(function.as_str());
        let request = match field {
            Field::Timeout(secs) => request.timeout(secs),
            Field::Memory(megabytes) => request.memory_size(megabytes),
        };
        let answer = request.set_revision_id(now.revision_id).send().await;
        answer.map_err(|error| {
            self.service
                .error(format_args!("changing the settings of {function}"), error)
        })?;
        Ok(())
    }

    /// The one mapping from an event source to a function.
    async fn mapping(&self, function: &FunctionName, source: &str) -> Result<EventSourceMappingConfiguration> {
        let request = self
            .client
            .list_event_source_mappings()
            .function_name(function.as_str());
        let mut pages = request.event_source_arn(source).into_paginator().items().send();
        let mut found = Vec::new();
        while let Some(mapping) = pages.next().await {
            let doing = format_args!("reading the event sources of {function}");
            let mapping = mapping.map_err(|error| self.service.error(doing, error))?;
            if mapping.state() != Some("Deleting") {
                found.push(mapping);
            }
        }
        let count = found.len();
        match found.pop() {
            Some(mapping) if count == 1 => Ok(mapping),
            Some(_) => {
                let message = format!("{function} has {count} mappings from {source}");
                let help = "Inoculate switches only what is unmistakable: one mapping of a function from a source";
                Err(Error::new(Code::InvalidExperiment, message).help(help))
            }
            None => {
                let message = format!("{function} gets no events from {source}");
                Err(self.service.advised(Code::TargetNotFound, message))
            }
        }
    }

    async fn set_mapping(&self, function: &FunctionName, source: &str, enabled: bool) -> Result<()> {
        let mapping = self.mapping(function, source).await?;
        let now = mapping_reading(&mapping)?;
        if now.value == SettingValue::Enabled(enabled) {
            return Ok(());
        }
        if now.updating {
            return Err(self.busy(format!("the mapping of {function} from {source} is being updated")));
        }
        let request = self.client.update_event_source_mapping().set_uuid(mapping.uuid);
        let answer = request.enabled(enabled).send().await;
        let doing = format_args!("switching the mapping of {function} from {source}");
        answer.map_err(|error| self.service.error(doing, error))?;
        Ok(())
    }

    fn busy(&self, message: String) -> Error {
        self.service.advised(Code::TargetBusy, message)
    }
}

#[async_trait]
impl Targets for LambdaTargets {
    async fn describe(&self, function: &FunctionName) -> Result<Option<Function>> {
        let request = self.client.get_function().function_name(function.as_str());
        let found = match request.send().await {
            Ok(found) => found,
            Err(error) if error.code() == Some("ResourceNotFoundException") => return Ok(None),
            Err(error) => {
                return Err(self
                    .service
                    .error(format_args!("reading the function {function}"), error));
            }
        };
        let consent = found.tags().and_then(|tags| tags.get(CONSENT_TAG));
        let configuration = found.configuration();
        let Some(arn) = configuration.and_then(FunctionConfiguration::function_arn) else {
            return Err(Error::internal(format!("Lambda describes {function} without its ARN")));
        };
        Ok(Some(Function {
            name: function.clone(),
            arn: arn.to_owned(),
            ready: configuration.is_some_and(is_ready),
            allowed: consent.is_some_and(|value| value == CONSENT),
        }))
    }

    async fn read(&self, function: &FunctionName, setting: &Setting) -> Result<Reading> {
        match setting {
            Setting::ReservedConcurrency => {
                let value = self.concurrency(function).await?;
                Ok(Reading { value, updating: false })
            }
            Setting::Timeout | Setting::Memory => {
                let found = self.configuration(function).await?;
                let value = if *setting == Setting::Timeout {
                    SettingValue::Seconds(required(found.timeout(), "timeout", function)?)
                } else {
                    SettingValue::Megabytes(required(found.memory_size(), "memory size", function)?)
                };
                let updating = is_updating(found.state(), found.last_update_status());
                Ok(Reading { value, updating })
            }
            Setting::EventSource { source } => mapping_reading(&self.mapping(function, source).await?),
        }
    }

    async fn write(&self, function: &FunctionName, setting: &Setting, value: SettingValue) -> Result<()> {
        match (setting, value) {
            (Setting::ReservedConcurrency, SettingValue::Unreserved) => self.set_concurrency(function, None).await,
            (Setting::ReservedConcurrency, SettingValue::Executions(executions)) => {
                self.set_concurrency(function, Some(signed(executions, setting)?)).await
            }
            (Setting::Timeout, SettingValue::Seconds(secs)) => {
                self.set_field(function, Field::Timeout(signed(secs, setting)?)).await
            }
            (Setting::Memory, SettingValue::Megabytes(megabytes)) => {
                self.set_field(function, Field::Memory(signed(megabytes, setting)?))
                    .await
            }
            (Setting::EventSource { source }, SettingValue::Enabled(enabled)) => {
                self.set_mapping(function, source, enabled).await
            }
            (setting, value) => Err(Error::internal(format!("{value} is no value of {setting}"))),
        }
    }
}

/// Whether an update of the configuration is under way.
///
/// <https://docs.aws.amazon.com/lambda/latest/dg/functions-states.html>
fn is_updating(state: Option<&State>, last_update: Option<&LastUpdateStatus>) -> bool {
    matches!(state, Some(State::Pending)) || matches!(last_update, Some(LastUpdateStatus::InProgress))
}

/// Whether a function can be invoked and updated. No state at all is how old answers said `Active`.
fn is_ready(configuration: &FunctionConfiguration) -> bool {
    let (state, last_update) = (configuration.state(), configuration.last_update_status());
    matches!(state, None | Some(State::Active)) && !is_updating(state, last_update)
}

/// What a mapping says of itself. On its way to a state it counts as having arrived, and as updating.
///
/// <https://docs.aws.amazon.com/lambda/latest/api/API_EventSourceMappingConfiguration.html>
fn mapping_reading(mapping: &EventSourceMappingConfiguration) -> Result<Reading> {
    let (enabled, updating) = match mapping.state() {
        Some("Enabled") => (true, false),
        Some("Disabled") => (false, false),
        Some("Enabling" | "Creating" | "Updating") => (true, true),
        Some("Disabling") => (false, true),
        state => {
            let id = mapping.uuid().unwrap_or("?");
            let state = state.unwrap_or("no state");
            return Err(Error::internal(format!(
                "Lambda says `{state}` of the event source mapping {id}"
            )));
        }
    };
    let value = SettingValue::Enabled(enabled);
    Ok(Reading { value, updating })
}

fn required(value: Option<i32>, what: &str, function: &FunctionName) -> Result<u32> {
    let value = value.ok_or_else(|| Error::internal(format!("Lambda describes {function} without its {what}")))?;
    unsigned(value, what, function)
}

fn unsigned(value: i32, what: &str, function: &FunctionName) -> Result<u32> {
    u32::try_from(value).map_err(|_| Error::internal(format!("Lambda says the {what} of {function} is {value}")))
}

fn signed(value: u32, setting: &Setting) -> Result<i32> {
    i32::try_from(value).map_err(|_| Error::new(Code::InvalidExperiment, format!("{value} is too much for {setting}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Script;

    fn payments() -> FunctionName {
        "payments".parse().unwrap()
    }

    fn mapping(state: &str) -> EventSourceMappingConfiguration {
        EventSourceMappingConfiguration::builder()
            .state(state)
            .uuid("u")
            .build()
    }

    #[test]
    fn a_mapping_on_its_way_counts_as_arrived_and_updating() {
        for (state, enabled, updating) in [
            ("Enabled", true, false),
            ("Enabling", true, true),
            ("Creating", true, true),
            ("Updating", true, true),
            ("Disabling", false, true),
            ("Disabled", false, false),
        ] {
            let value = SettingValue::Enabled(enabled);
            assert_eq!(
                mapping_reading(&mapping(state)).unwrap(),
                Reading { value, updating },
                "{state}"
            );
        }
        assert_eq!(mapping_reading(&mapping("Melting")).unwrap_err().code, Code::Internal);
    }

    #[test]
    fn only_an_active_function_without_update_is_ready() {
        let function = |state, last_update| {
            let builder = FunctionConfiguration::builder().set_state(state);
            is_ready(&builder.set_last_update_status(last_update).build())
        };
        assert!(function(None, None));
        assert!(function(Some(State::Active), Some(LastUpdateStatus::Successful)));
        assert!(function(Some(State::Active), Some(LastUpdateStatus::Failed)));
        assert!(!function(Some(State::Active), Some(LastUpdateStatus::InProgress)));
        assert!(!function(Some(State::Pending), None));
        assert!(!function(Some(State::Inactive), None));
    }

    #[tokio::test]
    async fn an_update_carries_the_revision_that_was_read() {
        let http = Script::new([(200, r#"{"Timeout":30,"RevisionId":"rev-1"}"#), (200, "{}")]);
        let targets = http.ports().targets;
        targets
            .write(&payments(), &Setting::Timeout, SettingValue::Seconds(1))
            .await
            .unwrap();
        let body: serde_json::Value = serde_json::from_str(&http.requests()[1].body).unwrap();
        assert_eq!(body, serde_json::json!({ "Timeout": 1, "RevisionId": "rev-1" }));
    }

    #[tokio::test]
    async fn what_is_set_already_is_not_set_again() {
        let http = Script::new([(200, r#"{"Timeout":1,"LastUpdateStatus":"InProgress"}"#)]);
        let targets = http.ports().targets;
        targets
            .write(&payments(), &Setting::Timeout, SettingValue::Seconds(1))
            .await
            .unwrap();
        assert_eq!(http.requests().len(), 1);
    }

    #[tokio::test]
    async fn a_function_being_updated_is_busy_and_not_touched() {
        let http = Script::new([(200, r#"{"MemorySize":256,"LastUpdateStatus":"InProgress"}"#)]);
        let targets = http.ports().targets;
        let error = targets
            .write(&payments(), &Setting::Memory, SettingValue::Megabytes(128))
            .await
            .unwrap_err();
        assert_eq!(error.code, Code::TargetBusy);
        assert_eq!(http.requests().len(), 1);
    }

    #[tokio::test]
    async fn a_value_of_another_setting_is_a_defect() {
        let http = Script::new([]);
        let targets = http.ports().targets;
        let error = targets
            .write(&payments(), &Setting::Memory, SettingValue::Seconds(1))
            .await
            .unwrap_err();
        assert_eq!(error.code, Code::Internal);
    }
}

//! Lambda functions under test and their settings. Nothing here waits: what takes time is reported as `updating`.

use std::collections::HashMap;

use async_trait::async_trait;
use aws_sdk_lambda::Client;
use aws_sdk_lambda::error::ProvideErrorMetadata;
use aws_sdk_lambda::operation::update_function_configuration::builders::UpdateFunctionConfigurationFluentBuilder;
use aws_sdk_lambda::types::{
    EnvironmentResponse, EventSourceMappingConfiguration, FunctionConfiguration, LastUpdateStatus, PackageType,
    Runtime, State, TagsError,
};
use inoculate_core::error::{Code, Error, Result};
use inoculate_core::names::FunctionName;
use inoculate_core::passing::{DEPENDENCIES, Passing};
use inoculate_core::ports::{Function, Mapping, Targets};
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

/// A setting as it was read, with what an update needs to name it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Found {
    reading: Reading,
    /// The revision of the function, or the id of the mapping. Reserved concurrency needs neither.
    handle: Option<String>,
}

impl LambdaTargets {
    pub(crate) fn new(client: Client, service: Service) -> Self {
        LambdaTargets { client, service }
    }

    async fn find(&self, function: &FunctionName, setting: &Setting) -> Result<Found> {
        match setting {
            Setting::ReservedConcurrency => self.find_concurrency(function).await,
            Setting::Timeout | Setting::Memory => self.find_field(function, setting).await,
            Setting::EventSource { source } => {
                let mapping = self.find_mapping(function, source).await?;
                let reading = mapping_reading(&mapping)?;
                Ok(Found {
                    reading,
                    handle: mapping.uuid,
                })
            }
        }
    }

    /// Read from `GetFunction`, which the other reads need anyway, so that a reader needs no permission more.
    async fn find_concurrency(&self, function: &FunctionName) -> Result<Found> {
        let request = self.client.get_function().function_name(function.as_str());
        let answer = request.send().await;
        let answer = answer.map_err(|error| {
            self.service
                .error(format_args!("reading the concurrency of {function}"), error)
        })?;
        let reserved = answer
            .concurrency()
            .and_then(|concurrency| concurrency.reserved_concurrent_executions());
        let value = match reserved {
            None => SettingValue::Unreserved,
            Some(executions) => SettingValue::Executions(unsigned(executions, "concurrency", function)?),
        };
        let reading = Reading { value, updating: false };
        Ok(Found { reading, handle: None })
    }

    async fn find_field(&self, function: &FunctionName, setting: &Setting) -> Result<Found> {
        let request = self
            .client
            .get_function_configuration()
            .function_name(function.as_str());
        let answer = request.send().await;
        let now = answer.map_err(|error| {
            self.service
                .error(format_args!("reading the settings of {function}"), error)
        })?;
        let value = if *setting == Setting::Timeout {
            SettingValue::Seconds(required(now.timeout(), "timeout", function)?)
        } else {
            SettingValue::Megabytes(required(now.memory_size(), "memory size", function)?)
        };
        let updating = is_updating(now.state(), now.last_update_status());
        let reading = Reading { value, updating };
        Ok(Found {
            reading,
            handle: now.revision_id,
        })
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

    /// An update of the configuration of exactly this revision: Lambda refuses it when a deploy came in between.
    ///
    /// <https://docs.aws.amazon.com/lambda/latest/api/API_UpdateFunctionConfiguration.html>
    fn update(&self, function: &FunctionName, revision: Option<String>) -> UpdateFunctionConfigurationFluentBuilder {
        let request = self.client.update_function_configuration();
        request.function_name(function.as_str()).set_revision_id(revision)
    }

    async fn send_update(
        &self,
        function: &FunctionName,
        update: UpdateFunctionConfigurationFluentBuilder,
    ) -> Result<()> {
        let answer = update.send().await;
        answer.map_err(|error| {
            self.service
                .error(format_args!("changing the settings of {function}"), error)
        })?;
        Ok(())
    }

    /// The one mapping from an event source to a function.
    async fn find_mapping(&self, function: &FunctionName, source: &str) -> Result<EventSourceMappingConfiguration> {
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

    async fn switch_mapping(&self, function: &FunctionName, id: Option<String>, enabled: bool) -> Result<()> {
        let request = self.client.update_event_source_mapping().set_uuid(id);
        let answer = request.enabled(enabled).send().await;
        let doing = format_args!("switching an event source of {function}");
        answer.map_err(|error| self.service.error(doing, error))?;
        Ok(())
    }

    /// Whether a mapping carries the tag of consent. Its function's tags are not its own.
    ///
    /// <https://docs.aws.amazon.com/lambda/latest/dg/tags-esm.html>
    async fn has_consent(&self, mapping_arn: &str) -> Result<bool> {
        let answer = self.client.list_tags().resource(mapping_arn).send().await;
        let answer = answer.map_err(|error| {
            self.service
                .error(format_args!("reading the tags of {mapping_arn}"), error)
        })?;
        Ok(is_consent(answer.tags()))
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
        let configuration = found.configuration();
        let Some(arn) = configuration.and_then(FunctionConfiguration::function_arn) else {
            return Err(Error::internal(format!("Lambda describes {function} without its ARN")));
        };
        if let Some(error) = found.tags_error() {
            return Err(tags_withheld(function, error));
        }
        Ok(Some(Function {
            name: function.clone(),
            arn: arn.to_owned(),
            ready: configuration.is_some_and(is_ready),
            allowed: is_consent(found.tags()),
            calls: configuration.and_then(passing),
            tags: found.tags.into_iter().flatten().collect(),
        }))
    }

    async fn read(&self, function: &FunctionName, setting: &Setting) -> Result<Reading> {
        Ok(self.find(function, setting).await?.reading)
    }

    async fn mapping(&self, function: &FunctionName, source: &str) -> Result<Mapping> {
        let found = self.find_mapping(function, source).await?;
        let Some(arn) = found.event_source_mapping_arn else {
            let message = format!("Lambda describes the mapping of {function} from {source} without its ARN");
            return Err(Error::internal(message));
        };
        let allowed = self.has_consent(&arn).await?;
        Ok(Mapping { arn, allowed })
    }

    /// Timeout and memory change atomically: the revision that was compared goes with the update. For reserved
    /// concurrency and event source mappings Lambda has no condition, so they are read right before they are set; a
    /// change by somebody else in the milliseconds between would be overwritten.
    async fn replace(
        &self,
        function: &FunctionName,
        setting: &Setting,
        from: SettingValue,
        to: SettingValue,
    ) -> Result<()> {
        let Found { reading, handle } = self.find(function, setting).await?;
        if reading.value == to {
            return Ok(());
        }
        if reading.value != from {
            let message = format!("the {setting} of {function} is {}, not {from}", reading.value);
            return Err(Error::new(Code::Conflict, message).help("somebody else changed it; look again"));
        }
        if reading.updating {
            let message = format!("the {setting} of {function} cannot be changed while an update is under way");
            return Err(self.service.advised(Code::TargetBusy, message));
        }
        match (setting, to) {
            (Setting::ReservedConcurrency, SettingValue::Unreserved) => self.set_concurrency(function, None).await,
            (Setting::ReservedConcurrency, SettingValue::Executions(executions)) => {
                self.set_concurrency(function, Some(signed(executions, setting)?)).await
            }
            (Setting::Timeout, SettingValue::Seconds(secs)) => {
                let update = self.update(function, handle).timeout(signed(secs, setting)?);
                self.send_update(function, update).await
            }
            (Setting::Memory, SettingValue::Megabytes(megabytes)) => {
                let update = self.update(function, handle).memory_size(signed(megabytes, setting)?);
                self.send_update(function, update).await
            }
            (Setting::EventSource { .. }, SettingValue::Enabled(enabled)) => {
                self.switch_mapping(function, handle, enabled).await
            }
            (setting, to) => Err(Error::internal(format!("{to} is no value of {setting}"))),
        }
    }
}

/// `GetFunction` leaves the tags out when they may not be read, which is not the same as having none.
///
/// <https://docs.aws.amazon.com/lambda/latest/api/API_GetFunction.html>
fn tags_withheld(function: &FunctionName, error: &TagsError) -> Error {
    let (code, text) = (error.error_code(), error.message());
    let message = format!("reading the tags of {function}: {code}: {text}");
    Error::new(Code::AccessDenied, message).help("give the role or user the permission lambda:ListTags on the function")
}

/// Whether these tags allow experiments.
fn is_consent(tags: Option<&HashMap<String, String>>) -> bool {
    tags.and_then(|tags| tags.get(CONSENT_TAG))
        .is_some_and(|value| value == CONSENT)
}

/// Whether an update of the configuration is under way.
///
/// <https://docs.aws.amazon.com/lambda/latest/dg/functions-states.html>
fn is_updating(state: Option<&State>, last_update: Option<&LastUpdateStatus>) -> bool {
    matches!(state, Some(State::Pending)) || matches!(last_update, Some(LastUpdateStatus::InProgress))
}

/// Which calls pass through the layer. `None` when the variables may not be read, or may be those of an image.
fn passing(configuration: &FunctionConfiguration) -> Option<Passing> {
    let environment = configuration.environment();
    if environment.is_some_and(|environment| environment.error().is_some()) {
        return None;
    }
    let variables = environment.and_then(EnvironmentResponse::variables);
    let get = |name: &str| variables.and_then(|all| all.get(name)).map(String::as_str);
    if configuration.package_type() == Some(&PackageType::Image) && get(DEPENDENCIES).is_none() {
        return None;
    }
    let runtime = configuration.runtime().map_or("", Runtime::as_str);
    Some(Passing::read(runtime, get))
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
    use crate::testing::{Script, Sent};

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
    async fn tags_that_may_not_be_read_are_not_taken_for_a_refusal() {
        let answer = r#"{"Configuration":{"FunctionArn":"arn:f","State":"Active"},
            "TagsError":{"ErrorCode":"AccessDeniedException","Message":"not authorized to perform: lambda:ListTags"}}"#;
        let http = Script::new([(200, answer)]);
        let error = http.ports().targets.describe(&payments()).await.unwrap_err();
        assert_eq!(error.code, Code::AccessDenied);
        assert_eq!(
            error.message,
            "reading the tags of payments: AccessDeniedException: not authorized to perform: lambda:ListTags"
        );
        assert!(error.help.unwrap().contains("lambda:ListTags"));
    }

    /// Replaces 30 seconds by one, and says what came of it and what was sent.
    async fn shorten(http: &Script) -> (Result<()>, Vec<Sent>) {
        let (from, to) = (SettingValue::Seconds(30), SettingValue::Seconds(1));
        let targets = http.ports().targets;
        let outcome = targets.replace(&payments(), &Setting::Timeout, from, to).await;
        (outcome, http.requests())
    }

    #[tokio::test]
    async fn an_update_carries_the_revision_that_was_compared() {
        let http = Script::new([(200, r#"{"Timeout":30,"RevisionId":"rev-1"}"#), (200, "{}")]);
        let (outcome, sent) = shorten(&http).await;
        outcome.unwrap();
        let body: serde_json::Value = serde_json::from_str(&sent[1].body).unwrap();
        assert_eq!(body, serde_json::json!({ "Timeout": 1, "RevisionId": "rev-1" }));
    }

    #[tokio::test]
    async fn a_deploy_between_reading_and_setting_is_not_overwritten() {
        let refused = r#"{"__type":"PreconditionFailedException"}"#;
        let http = Script::new([(200, r#"{"Timeout":30,"RevisionId":"rev-1"}"#), (412, refused)]);
        let (outcome, _) = shorten(&http).await;
        assert_eq!(outcome.unwrap_err().code, Code::TargetBusy);
    }

    #[tokio::test]
    async fn what_is_set_already_is_not_set_again() {
        let http = Script::new([(200, r#"{"Timeout":1,"LastUpdateStatus":"InProgress"}"#)]);
        let (outcome, sent) = shorten(&http).await;
        outcome.unwrap();
        assert_eq!(sent.len(), 1);
    }

    #[tokio::test]
    async fn a_value_of_somebody_else_is_a_conflict_that_names_it() {
        let http = Script::new([(200, r#"{"Timeout":7}"#)]);
        let (outcome, sent) = shorten(&http).await;
        let error = outcome.unwrap_err();
        assert_eq!(error.code, Code::Conflict);
        assert_eq!(error.message, "the timeout of payments is 7s, not 30s");
        assert_eq!(sent.len(), 1);
    }

    #[tokio::test]
    async fn a_function_being_updated_is_busy_and_not_touched() {
        let http = Script::new([(200, r#"{"Timeout":30,"LastUpdateStatus":"InProgress"}"#)]);
        let (outcome, sent) = shorten(&http).await;
        assert_eq!(outcome.unwrap_err().code, Code::TargetBusy);
        assert_eq!(sent.len(), 1);
    }
}

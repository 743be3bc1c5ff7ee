//! Lambda: functions and layer versions.

use aws_sdk_lambda::error::ProvideErrorMetadata;
use aws_sdk_lambda::operation::get_function::GetFunctionOutput;
use aws_sdk_lambda::types::{
    Environment, EnvironmentResponse, FunctionConfiguration, LastUpdateStatus, LayerVersionsListItem, PackageType,
    State as LambdaState,
};
use inoculate_core::attach::configuration::{Configuration, Consent, LayerVersion, Package, State, TABLE, Variables};
use inoculate_core::attach::merge::Change;
use inoculate_core::attach::port::{RoleUser, Updated};
use inoculate_core::error::{Code, Error, Result};
use inoculate_core::names::FunctionName;

use super::AwsAttachments;

impl AwsAttachments {
    pub(super) async fn configuration(&self, function: &FunctionName) -> Result<Option<Configuration>> {
        match self.lambda.get_function().function_name(function.as_str()).send().await {
            Ok(found) => configuration(function, &found).map(Some),
            Err(error) if error.code() == Some("ResourceNotFoundException") => Ok(None),
            Err(error) => Err(self
                .targets
                .error(format_args!("reading the function {function}"), error)),
        }
    }

    /// Sends only what changes: layers and variables are each replaced as a whole, everything else stays.
    ///
    /// <https://docs.aws.amazon.com/lambda/latest/api/API_UpdateFunctionConfiguration.html>
    pub(super) async fn change(&self, function: &FunctionName, revision: &str, change: &Change) -> Result<Updated> {
        let environment = change.variables.as_ref().map(|variables| {
            let pairs = variables
                .iter()
                .map(|(name, value)| (name.to_owned(), value.to_owned()));
            Environment::builder().set_variables(Some(pairs.collect())).build()
        });
        let request = self
            .lambda
            .update_function_configuration()
            .function_name(function.as_str());
        let request = request.revision_id(revision).set_environment(environment);
        let Err(error) = request.set_layers(change.layers.clone()).send().await else {
            return Ok(Updated::Accepted);
        };
        let code = error.code().unwrap_or_default().to_owned();
        let said = format!("{code}: {}", error.message().unwrap_or_default());
        let quotes = quotes_secrets(&said, change.variables.as_ref());
        let told = if quotes {
            format!("{code} (its message quotes variables and is not shown)")
        } else {
            said
        };
        match code.as_str() {
            "PreconditionFailedException" => Ok(Updated::Stale),
            // A layer that does not exist any more is one of these, too.
            "InvalidParameterValueException" | "ResourceNotFoundException" => Ok(Updated::Refused { said: told }),
            _ => {
                let doing = format!("changing the configuration of {function}");
                let mut error = self.targets.error(&doing, error);
                if quotes {
                    error.message = format!("{doing}: {told}");
                }
                if error.code == Code::AccessDenied {
                    error.help = Some("you need the permission that is named".to_owned());
                }
                Err(error)
            }
        }
    }

    pub(super) async fn versions(&self, layer: &str) -> Result<Vec<LayerVersion>> {
        let mut pages = self
            .lambda
            .list_layer_versions()
            .layer_name(layer)
            .into_paginator()
            .items()
            .send();
        let mut found = Vec::new();
        while let Some(version) = pages.next().await {
            let doing = format_args!("listing the versions of the layer {layer}");
            found.push(version.map_err(|error| self.targets.error(doing, error))?);
        }
        // Lambda lists them so, but says so only in an example.
        found.sort_by_key(|version| std::cmp::Reverse(version.version()));
        Ok(found.into_iter().filter_map(version).collect())
    }

    pub(super) async fn users(&self, role: &str) -> Result<Vec<RoleUser>> {
        let mut pages = self.lambda.list_functions().into_paginator().items().send();
        let mut found = Vec::new();
        while let Some(function) = pages.next().await {
            let doing = format_args!("listing the functions that share the role {role}");
            let function = function.map_err(|error| self.targets.error(doing, error))?;
            if function.role() == Some(role) {
                found.extend(user(&function));
            }
        }
        Ok(found)
    }
}

/// Lambda quotes the whole environment when it is too large.
fn quotes_secrets(said: &str, variables: Option<&Variables>) -> bool {
    said.contains("String measured") || variables.is_some_and(|variables| variables.are_quoted_in(said))
}

fn configuration(function: &FunctionName, found: &GetFunctionOutput) -> Result<Configuration> {
    let lacks = |what: &str| Error::internal(format!("Lambda describes {function} without its {what}"));
    let now = found.configuration().ok_or_else(|| lacks("configuration"))?;
    Ok(Configuration {
        arn: now.function_arn().ok_or_else(|| lacks("ARN"))?.to_owned(),
        package: match now.package_type() {
            Some(PackageType::Image) => Package::Image,
            _ => Package::Zip,
        },
        runtime: now
            .runtime()
            .map(|runtime| runtime.as_str().to_owned())
            .unwrap_or_default(),
        // What Lambda took when nothing else could be said.
        architecture: now
            .architectures()
            .first()
            .map_or("x86_64", |known| known.as_str())
            .to_owned(),
        layers: layers(now),
        variables: variables(function, now.environment())?,
        role: now.role().ok_or_else(|| lacks("role"))?.to_owned(),
        consent: consent(found),
        revision: now.revision_id().ok_or_else(|| lacks("revision"))?.to_owned(),
        state: state(now),
    })
}

fn layers(now: &FunctionConfiguration) -> Vec<String> {
    now.layers()
        .iter()
        .filter_map(|layer| layer.arn().map(str::to_owned))
        .collect()
}

/// The variables. What may not be decrypted is an error, for to send it back without them would wipe them out.
fn variables(function: &FunctionName, environment: Option<&EnvironmentResponse>) -> Result<Variables> {
    let Some(environment) = environment else {
        return Ok(Variables::default());
    };
    if let Some(error) = environment.error() {
        let code = error.error_code().unwrap_or("no reason");
        let message = format!("the environment variables of {function} cannot be read: {code}");
        return Err(Error::new(Code::AccessDenied, message).help("you need kms:Decrypt for the key that encrypts them"));
    }
    let pairs = environment.variables().into_iter().flatten();
    Ok(pairs.map(|(name, value)| (name.clone(), value.clone())).collect())
}

fn consent(found: &GetFunctionOutput) -> Consent {
    if let Some(error) = found.tags_error() {
        let reason = format!("{}: {}", error.error_code(), error.message());
        return Consent::Withheld { reason };
    }
    let tag = found.tags().and_then(|tags| tags.get("inoculate"));
    if tag.is_some_and(|value| value == "allow") {
        Consent::Given
    } else {
        Consent::NotGiven
    }
}

/// <https://docs.aws.amazon.com/lambda/latest/dg/functions-states.html>
fn state(now: &FunctionConfiguration) -> State {
    match (now.state(), now.last_update_status()) {
        (Some(LambdaState::Pending), _) => State::Updating,
        (None | Some(LambdaState::Active), Some(LastUpdateStatus::InProgress)) => State::Updating,
        (None | Some(LambdaState::Active), Some(LastUpdateStatus::Failed)) => State::UpdateFailed {
            reason: now
                .last_update_status_reason()
                .unwrap_or("Lambda does not say why")
                .to_owned(),
        },
        (None | Some(LambdaState::Active), _) => State::Ready,
        (Some(other), _) => State::NotActive {
            state: match now.state_reason() {
                Some(reason) => format!("{}: {reason}", other.as_str()),
                None => other.as_str().to_owned(),
            },
        },
    }
}

fn version(version: LayerVersionsListItem) -> Option<LayerVersion> {
    let known = version.compatible_architectures().iter();
    let architectures = known.map(|known| known.as_str().to_owned()).collect();
    Some(LayerVersion {
        arn: version.layer_version_arn?,
        architectures,
    })
}

fn user(function: &FunctionConfiguration) -> Option<RoleUser> {
    let environment = function.environment().and_then(EnvironmentResponse::variables);
    Some(RoleUser {
        name: function.function_name()?.to_owned(),
        arn: function.function_arn()?.to_owned(),
        layers: layers(function),
        table: environment.and_then(|variables| variables.get(TABLE)).cloned(),
    })
}

//! IAM: the managed policies of roles.

use aws_sdk_iam::error::ProvideErrorMetadata;
use inoculate_core::attach::configuration::role_name;
use inoculate_core::attach::port::Simulated;
use inoculate_core::error::{Code, Error, Result};

use super::AwsAttachments;
use crate::permissions::simulated;

/// What IAM answers when a role or a policy is not there, or a policy is not attached.
const MISSING: &str = "NoSuchEntity";

impl AwsAttachments {
    pub(super) async fn policies(&self, role: &str) -> Result<Vec<String>> {
        let name = role_name(role);
        let request = self.iam.list_attached_role_policies().role_name(name);
        let mut pages = request.into_paginator().items().send();
        let mut found = Vec::new();
        while let Some(policy) = pages.next().await {
            match policy {
                Ok(policy) => found.extend(policy.policy_arn),
                Err(error) if error.code() == Some(MISSING) => return Err(no_role(name)),
                Err(error) => {
                    let doing = format_args!("listing the policies of the role {name}");
                    return Err(self.roles.error(doing, error));
                }
            }
        }
        Ok(found)
    }

    pub(super) async fn give(&self, role: &str, policy: &str) -> Result<()> {
        let request = self.iam.attach_role_policy().role_name(role_name(role));
        let Err(error) = request.policy_arn(policy).send().await else {
            return Ok(());
        };
        match error.code() {
            Some(MISSING) => {
                let message = format!("there is no policy {policy}, or no role {}", role_name(role));
                let help =
                    "is the stack deployed in a version that has a layer? --stack or INOCULATE_STACK is its name";
                Err(Error::new(Code::StackMissing, message).help(help))
            }
            Some("LimitExceeded") => {
                let message = format!(
                    "the role {} has as many managed policies as IAM allows",
                    role_name(role)
                );
                let help = "take one away, or ask for a larger quota; or write what it allows into a policy of yours";
                Err(Error::new(Code::AccessDenied, message).help(help))
            }
            _ => Err(self.roles.error(format_args!("attaching {policy}"), error)),
        }
    }

    pub(super) async fn take(&self, role: &str, policy: &str) -> Result<()> {
        let request = self.iam.detach_role_policy().role_name(role_name(role));
        match request.policy_arn(policy).send().await {
            Ok(_) => Ok(()),
            Err(error) if error.code() == Some(MISSING) => Ok(()),
            Err(error) => Err(self.roles.error(format_args!("detaching {policy}"), error)),
        }
    }

    /// <https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulatePrincipalPolicy.html>
    pub(super) async fn simulate(&self, role: &str, actions: &[&str], resource: &str) -> Result<Simulated> {
        let request = self.iam.simulate_principal_policy().policy_source_arn(role);
        let actions = actions.iter().map(ToString::to_string).collect();
        let request = request.set_action_names(Some(actions)).resource_arns(resource);
        match request.send().await {
            Ok(answer) => Ok(simulated(answer.evaluation_results())),
            Err(error) if error.code() == Some(MISSING) => Err(no_role(role_name(role))),
            Err(error) => Err(self
                .roles
                .error(format_args!("asking what the role {} may do", role_name(role)), error)),
        }
    }
}

fn no_role(name: &str) -> Error {
    Error::new(Code::TargetNotFound, format!("there is no role {name}"))
        .help("the function cannot run without its role")
}

//! What IAM says roles may do, by its policy simulation.
//!
//! It looks at the policies of the role, its permissions boundary, and the policies of the organization that have no conditions.
//! It does not look at policies of the resource, at policies of the organization for resources, or at anything but IAM.
//!
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_testing-policies.html>

use std::collections::BTreeMap;

use async_trait::async_trait;
use aws_sdk_iam::Client;
use aws_sdk_iam::types::{ContextEntry, ContextKeyTypeEnum, EvaluationResult, PolicyEvaluationDecisionType};
use inoculate_core::error::Result;
use inoculate_core::permissions::{Deed, Simulated};
use inoculate_core::ports::Permissions;
use serde_json::json;

use crate::error::Service;

/// The simulation of IAM.
#[derive(Debug, Clone)]
pub(crate) struct IamPermissions {
    pub(crate) client: Client,
    pub(crate) service: Service,
}

impl IamPermissions {
    /// <https://docs.aws.amazon.com/IAM/latest/APIReference/API_SimulatePrincipalPolicy.html>
    async fn simulate(&self, role: &str, deed: &Deed, more: Option<String>) -> Result<Vec<EvaluationResult>> {
        let actions = deed.actions.iter().map(ToString::to_string).collect();
        let context = deed.context.iter().map(|(key, value)| {
            let entry = ContextEntry::builder().context_key_name(key).context_key_values(value);
            entry.context_key_type(ContextKeyTypeEnum::String).build()
        });
        let request = self.client.simulate_principal_policy().policy_source_arn(role);
        let request = request
            .set_action_names(Some(actions))
            .resource_arns(&deed.resource)
            .set_context_entries(Some(context.collect()))
            .set_policy_input_list(more.map(|policy| vec![policy]));
        let answer = request.send().await;
        let doing = format_args!("asking what the role {role} may do");
        let answer = answer.map_err(|error| self.service.error(doing, error))?;
        Ok(answer.evaluation_results.unwrap_or_default())
    }

    /// Whether the simulation looks at the condition keys that it is given: with a policy that allows all of this under just
    /// these conditions, the role may do it.
    async fn looks_at_conditions(&self, role: &str, deed: &Deed) -> Result<bool> {
        let results = self.simulate(role, deed, Some(policy_for(deed))).await?;
        Ok(!results.is_empty() && results.iter().all(is_allowed))
    }
}

#[async_trait]
impl Permissions for IamPermissions {
    /// A denial counts if a policy says it, or an organization or a boundary does. Where only nobody allows it, the simulation may
    /// have left the tags out, as the local emulator does; so it is asked whether it looks at them at all.
    async fn may(&self, role: &str, deed: &Deed) -> Result<Simulated> {
        let results = self.simulate(role, deed, None).await?;
        let said = simulated(&results);
        let denied = matches!(&said, Simulated::Denied { .. });
        if !denied || results.iter().any(is_explicit) || self.looks_at_conditions(role, deed).await? {
            return Ok(said);
        }
        let on = deed.context.keys().cloned().collect();
        Ok(Simulated::Depends { on })
    }
}

/// A policy that allows a deed under the conditions under which it would be done.
fn policy_for(deed: &Deed) -> String {
    let mut statement = json!({ "Effect": "Allow", "Action": deed.actions, "Resource": deed.resource });
    if !deed.context.is_empty() {
        let keys: BTreeMap<_, _> = deed.context.iter().collect();
        statement["Condition"] = json!({ "StringEquals": keys });
    }
    json!({ "Version": "2012-10-17", "Statement": [statement] }).to_string()
}

fn is_allowed(result: &EvaluationResult) -> bool {
    *result.eval_decision() == PolicyEvaluationDecisionType::Allowed
}

/// Whether a policy denies it, or something that no policy of the role can make up for.
fn is_explicit(result: &EvaluationResult) -> bool {
    let organization = result.organizations_decision_detail();
    let boundary = result.permissions_boundary_decision_detail();
    *result.eval_decision() == PolicyEvaluationDecisionType::ExplicitDeny
        || organization.is_some_and(|detail| !detail.allowed_by_organizations())
        || boundary.is_some_and(|detail| !detail.allowed_by_permissions_boundary())
}

/// What the results say together. A refusal for want of a condition key that only a real request has is no refusal yet.
///
/// Where resources are named, the keys stand with the resource.
pub(crate) fn simulated(results: &[EvaluationResult]) -> Simulated {
    let denied: Vec<&EvaluationResult> = results.iter().filter(|result| !is_allowed(result)).collect();
    let mut on: Vec<String> = denied
        .iter()
        .flat_map(|result| {
            let of_resources = result.resource_specific_results().iter();
            let of_resources = of_resources.flat_map(|result| result.missing_context_values());
            result.missing_context_values().iter().chain(of_resources)
        })
        .cloned()
        .collect();
    on.sort();
    on.dedup();
    if denied.is_empty() {
        Simulated::Allowed
    } else if on.is_empty() || denied.iter().any(|result| is_explicit(result)) {
        let denied = denied.iter().filter(|result| on.is_empty() || is_explicit(result));
        let actions = denied.map(|result| result.eval_action_name().to_owned());
        Simulated::Denied {
            actions: actions.collect(),
        }
    } else {
        Simulated::Depends { on }
    }
}

#[cfg(test)]
mod tests {
    use inoculate_core::permissions::StepRole;

    use super::*;
    use crate::connect::{Aws, Names};
    use crate::testing::Script;

    const ROLE: &str = "arn:aws:iam::123456789012:role/inject";
    const ACTION: &str = "lambda:PutFunctionConcurrency";

    fn deed() -> Deed {
        Deed {
            role: StepRole::Inject,
            actions: vec![ACTION],
            resource: "arn:f".to_owned(),
            context: BTreeMap::from([("aws:ResourceTag/inoculate".to_owned(), "allow".to_owned())]),
        }
    }

    fn answer(decision: &str, more: &str) -> String {
        format!(
            "<SimulatePrincipalPolicyResponse><SimulatePrincipalPolicyResult><EvaluationResults><member>\
             <EvalActionName>{ACTION}</EvalActionName><EvalDecision>{decision}</EvalDecision>{more}</member>\
             </EvaluationResults></SimulatePrincipalPolicyResult></SimulatePrincipalPolicyResponse>"
        )
    }

    /// What is said when the simulation answers so, and what it was asked.
    async fn may<const N: usize>(answers: [String; N]) -> (Simulated, Vec<String>) {
        let http = Script::new(answers.each_ref().map(|answer| (200, answer.as_str())));
        let names = Names {
            table: "t".to_owned(),
            notices_topic_arn: None,
            event_bus: None,
            abort_topic_arn: None,
        };
        let ports = Aws::with(http.config()).unwrap().ports_with_permissions(&names);
        let said = ports.permissions.unwrap().may(ROLE, &deed()).await.unwrap();
        (said, http.requests().into_iter().map(|request| request.body).collect())
    }

    fn denied() -> Simulated {
        let actions = vec![ACTION.to_owned()];
        Simulated::Denied { actions }
    }

    #[tokio::test]
    async fn the_simulation_is_asked_once_where_it_is_sure() {
        let unless = |kind: &str| {
            let allowed = format!("<AllowedBy{kind}>false</AllowedBy{kind}>");
            format!("<{kind}DecisionDetail>{allowed}</{kind}DecisionDetail>")
        };
        for (decision, more, said) in [
            ("allowed", String::new(), Simulated::Allowed),
            ("explicitDeny", String::new(), denied()),
            ("implicitDeny", unless("Organizations"), denied()),
            ("implicitDeny", unless("PermissionsBoundary"), denied()),
        ] {
            let (found, asked) = may([answer(decision, &more)]).await;
            assert_eq!((found, asked.len()), (said, 1), "{decision} {more}");
            for part in [
                "PolicySourceArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Finject",
                "aws%3AResourceTag%2Finoculate",
            ] {
                assert!(asked[0].contains(part), "{part}: {}", asked[0]);
            }
        }
    }

    #[tokio::test]
    async fn that_nobody_allows_it_counts_where_the_tags_are_looked_at() {
        let nobody = answer("implicitDeny", "");
        let (found, asked) = may([nobody.clone(), answer("allowed", "")]).await;
        assert_eq!(found, denied());
        assert!(
            !asked[0].contains("PolicyInputList") && asked[1].contains("PolicyInputList"),
            "{asked:?}"
        );
        let on = vec!["aws:ResourceTag/inoculate".to_owned()];
        assert_eq!(may([nobody.clone(), nobody]).await.0, Simulated::Depends { on });
    }

    #[tokio::test]
    async fn a_condition_key_that_is_missing_is_no_denial() {
        let keys = "<MissingContextValues><member>aws:SourceVpc</member></MissingContextValues>";
        let of_resource = format!(
            "<ResourceSpecificResults><member><EvalResourceName>arn:f</EvalResourceName>\
             <EvalResourceDecision>implicitDeny</EvalResourceDecision>{keys}</member></ResourceSpecificResults>"
        );
        let on = vec!["aws:SourceVpc".to_owned()];
        for more in [keys, &of_resource] {
            let (found, _) = may([answer("implicitDeny", more)]).await;
            assert_eq!(found, Simulated::Depends { on: on.clone() });
        }
    }
}

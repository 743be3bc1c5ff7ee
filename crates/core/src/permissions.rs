//! What the roles of the steps must be allowed for a run, as far as IAM can be asked before anything is changed.
//!
//! A run that could change a setting but not put it back is the worst there is, so this is asked of both roles.

use std::collections::BTreeMap;

use crate::setting::{Setting, SettingValue};

/// A step that changes functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum StepRole {
    /// It injects.
    Inject,
    /// It rolls back.
    Rollback,
}

/// What a role must be allowed to do with one resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deed {
    /// The step.
    pub role: StepRole,
    /// The actions, as IAM writes them.
    pub actions: Vec<&'static str>,
    /// The ARN of the resource, or `*`.
    pub resource: String,
    /// What IAM knows of a real request beside that, by condition key.
    pub context: BTreeMap<String, String>,
}

/// What IAM says of a role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Simulated {
    /// It may do all of it.
    Allowed,
    /// Not these actions.
    Denied {
        /// The actions.
        actions: Vec<String>,
    },
    /// It depends on what the simulation does not know.
    Depends {
        /// The condition keys.
        on: Vec<String>,
    },
}

/// A setting that a run would change.
#[derive(Debug, Clone, PartialEq)]
pub struct Wanted<'a> {
    /// The ARN of the function.
    pub function_arn: &'a str,
    /// Its tags.
    pub tags: &'a BTreeMap<String, String>,
    /// The ARN of the event source mapping, when it is one that is switched off.
    pub mapping_arn: Option<&'a str>,
    /// The setting.
    pub setting: &'a Setting,
    /// Its value now, to put back.
    pub now: SettingValue,
    /// The value to set.
    pub to: SettingValue,
}

/// What both roles must be allowed for these changes, and for an alarm of this ARN that the run makes and deletes again. What is
/// done to one resource is asked at once.
pub fn deeds(wanted: &[Wanted<'_>], alarm_arn: Option<String>) -> Vec<Deed> {
    let mut deeds: Vec<Deed> = Vec::new();
    for role in [StepRole::Inject, StepRole::Rollback] {
        if let Some(resource) = alarm_arn.clone() {
            let action = match role {
                StepRole::Inject => "cloudwatch:PutMetricAlarm",
                StepRole::Rollback => "cloudwatch:DeleteAlarms",
            };
            deeds.push(Deed {
                role,
                actions: vec![action],
                resource,
                context: BTreeMap::new(),
            });
        }
        for wanted in wanted {
            let value = match role {
                StepRole::Inject => wanted.to,
                StepRole::Rollback => wanted.now,
            };
            for (action, resource, context) in requests(wanted, value) {
                let known = deeds
                    .iter_mut()
                    .find(|deed| deed.role == role && deed.resource == resource);
                match known {
                    Some(deed) if deed.actions.contains(&action) => {}
                    Some(deed) => deed.actions.push(action),
                    None => deeds.push(Deed {
                        role,
                        actions: vec![action],
                        resource,
                        context,
                    }),
                }
            }
        }
    }
    deeds
}

/// The requests with which a setting is read and set: action, resource, condition keys.
fn requests(wanted: &Wanted<'_>, value: SettingValue) -> Vec<(&'static str, String, BTreeMap<String, String>)> {
    let function = wanted.function_arn.to_owned();
    let tags = wanted.tags.iter();
    let tags: BTreeMap<_, _> = tags.map(|(key, value)| (resource_tag(key), value.clone())).collect();
    let on_function = |action| (action, function.clone(), tags.clone());
    match (wanted.setting, value) {
        (Setting::ReservedConcurrency, SettingValue::Unreserved) => vec![
            on_function("lambda:GetFunction"),
            on_function("lambda:DeleteFunctionConcurrency"),
        ],
        (Setting::ReservedConcurrency, _) => vec![
            on_function("lambda:GetFunction"),
            on_function("lambda:PutFunctionConcurrency"),
        ],
        (Setting::Timeout | Setting::Memory, _) => vec![
            on_function("lambda:GetFunctionConfiguration"),
            on_function("lambda:UpdateFunctionConfiguration"),
        ],
        (Setting::EventSource { .. }, _) => {
            let list = ("lambda:ListEventSourceMappings", "*".to_owned(), BTreeMap::new());
            let Some(mapping) = wanted.mapping_arn else {
                return vec![list];
            };
            // That the mapping has this tag was asked before; it has tags of its own.
            let context = [
                (resource_tag("inoculate"), "allow".to_owned()),
                ("lambda:FunctionArn".to_owned(), function.clone()),
            ];
            let switch = ("lambda:UpdateEventSourceMapping", mapping.to_owned(), context.into());
            vec![list, switch]
        }
    }
}

fn resource_tag(key: &str) -> String {
    format!("aws:ResourceTag/{key}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const FUNCTION: &str = "arn:aws:lambda:eu-west-1:123456789012:function:f";
    const ALARM: &str = "arn:aws:cloudwatch:eu-west-1:123456789012:alarm:inoculate-run-r-1";
    const MAPPING: &str = "arn:aws:lambda:eu-west-1:123456789012:event-source-mapping:m";

    #[test]
    fn each_role_is_asked_for_what_it_does_to_each_resource() {
        let tags = BTreeMap::from([("inoculate".to_owned(), "allow".to_owned())]);
        let source = Setting::EventSource { source: "s".to_owned() };
        let settings = [Setting::ReservedConcurrency, Setting::Timeout, Setting::Memory, source];
        let wanted = |number: usize, now, to| Wanted {
            function_arn: FUNCTION,
            tags: &tags,
            mapping_arn: (number == 3).then_some(MAPPING),
            setting: &settings[number],
            now,
            to,
        };
        use SettingValue::{Enabled, Executions, Megabytes, Seconds, Unreserved};
        let deeds = deeds(
            &[
                wanted(0, Unreserved, Executions(0)),
                wanted(1, Seconds(3), Seconds(1)),
                wanted(2, Megabytes(256), Megabytes(128)),
                wanted(3, Enabled(true), Enabled(false)),
            ],
            Some(ALARM.to_owned()),
        );
        let said: Vec<_> = deeds
            .iter()
            .map(|deed| (deed.role, deed.resource.as_str(), deed.actions.join(" ")))
            .collect();
        let set = "lambda:GetFunctionConfiguration lambda:UpdateFunctionConfiguration";
        let (list, switch) = ("lambda:ListEventSourceMappings", "lambda:UpdateEventSourceMapping");
        let reserve = |action: &str| format!("lambda:GetFunction lambda:{action}FunctionConcurrency {set}");
        let expected = [
            (StepRole::Inject, ALARM, "cloudwatch:PutMetricAlarm".to_owned()),
            (StepRole::Inject, FUNCTION, reserve("Put")),
            (StepRole::Inject, "*", list.to_owned()),
            (StepRole::Inject, MAPPING, switch.to_owned()),
            (StepRole::Rollback, ALARM, "cloudwatch:DeleteAlarms".to_owned()),
            (StepRole::Rollback, FUNCTION, reserve("Delete")),
            (StepRole::Rollback, "*", list.to_owned()),
            (StepRole::Rollback, MAPPING, switch.to_owned()),
        ];
        assert_eq!(said, expected);
        let context = |number: usize| deeds[number].context.clone();
        assert_eq!(context(1)["aws:ResourceTag/inoculate"], "allow");
        assert_eq!(context(3)["lambda:FunctionArn"], FUNCTION);
    }

    /// What was reserved before is reserved again.
    #[test]
    fn the_rollback_needs_what_its_own_change_needs() {
        let tags = BTreeMap::new();
        let deeds = deeds(
            &[Wanted {
                function_arn: FUNCTION,
                tags: &tags,
                mapping_arn: None,
                setting: &Setting::ReservedConcurrency,
                now: SettingValue::Executions(7),
                to: SettingValue::Executions(0),
            }],
            None,
        );
        assert!(
            deeds
                .iter()
                .all(|deed| deed.actions.contains(&"lambda:PutFunctionConcurrency"))
        );
    }
}

//! What IAM says of the policies in a template, without IAM.
//!
//! The rule is that of one account without boundaries: an explicit denial wins, then an allowance, else it is denied. Source:
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic_policy-eval-denyallow.html>.
//! What is not known here (an operator, a kind of resource) fails the test: a guess would be worth nothing.

use std::collections::BTreeMap;

use inoculate_stack::REGION;
use serde_json::Value;

use crate::template::{Statement, Template, list, text};

/// The account that everything is in; the one of the local stack.
pub const ACCOUNT: &str = "000000000000";

/// What somebody wants to do.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Act {
    /// The action, as policies call it.
    pub action: String,
    /// The ARN of what it is done to, or `*` where the action knows no resource.
    pub resource: String,
    /// What IAM knows of the request and the resource: condition keys with their values.
    pub context: BTreeMap<String, Vec<String>>,
}

/// A template as one deployed stack: every reference has a value.
#[derive(Debug)]
pub struct Deployed<'a> {
    template: &'a Template,
    stack: &'a str,
    arns: BTreeMap<String, String>,
}

impl<'a> Deployed<'a> {
    /// The template as the stack of this name, with its parameters at their defaults.
    pub fn new(template: &'a Template, stack: &'a str) -> Self {
        Deployed {
            template,
            stack,
            arns: BTreeMap::new(),
        }
    }

    /// With the ARNs that CloudFormation made up: those of roles, which the template does not name.
    pub fn with_arns(self, arns: BTreeMap<String, String>) -> Self {
        Deployed { arns, ..self }
    }

    /// The names of everything that holds permissions: the roles, and the policies for roles of others.
    pub fn holders(&self) -> Vec<&'a str> {
        let holds = |kind: &Value| kind == "AWS::IAM::Role" || kind == "AWS::IAM::ManagedPolicy";
        let resources = self.template.resources();
        resources
            .filter(|(_, resource)| holds(&resource["Type"]))
            .map(|(name, _)| name)
            .collect()
    }

    /// What a role or policy says.
    pub fn statements_of(&self, holder: &str) -> Vec<Statement<'a>> {
        self.template.statements_of(holder)
    }

    /// Whether a role, or a role with a policy, may do something.
    pub fn allows(&self, holder: &str, act: &Act) -> bool {
        let statements = self.statements_of(holder);
        let matching: Vec<_> = statements
            .iter()
            .filter(|statement| self.matches(statement, act))
            .collect();
        matching.iter().any(|statement| statement.allows) && matching.iter().all(|statement| statement.allows)
    }

    /// Whether a statement is about an act.
    pub fn matches(&self, statement: &Statement<'_>, act: &Act) -> bool {
        // Actions are compared whatever the case of their letters.
        let (action, resource) = (act.action.to_lowercase(), &act.resource);
        statement
            .actions
            .iter()
            .any(|pattern| is_like(&action, &pattern.to_lowercase()))
            && statement
                .resources
                .iter()
                .any(|pattern| is_like(resource, &self.resolved(pattern)))
            && self.holds(statement.condition, act)
    }

    /// Whether every operator and every key of a condition holds.
    fn holds(&self, condition: &Value, act: &Act) -> bool {
        let operators = condition.as_object().into_iter().flatten();
        let mut keys =
            operators.flat_map(|(operator, keys)| keys.as_object().unwrap().iter().map(move |key| (operator, key)));
        keys.all(|(operator, (key, expected))| {
            let expected: Vec<String> = list(expected)
                .into_iter()
                .map(|value| self.resolved(&text(value)))
                .collect();
            // The names of keys are compared whatever the case of their letters.
            let found = act.context.iter().find(|(name, _)| name.eq_ignore_ascii_case(key));
            let found = found.map_or(&[][..], |(_, values)| values.as_slice());
            let is_one = |value: &String| expected.iter().any(|expected| compare(operator, value, expected));
            match operator.strip_prefix("ForAllValues:") {
                // True where there is no value.
                Some(_) => found.iter().all(is_one),
                None => found.iter().any(is_one),
            }
        })
    }

    /// A text of the template with the values of its references.
    pub fn resolved(&self, text: &str) -> String {
        let mut resolved = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            let (name, after) = after.split_once('}').unwrap();
            resolved += before;
            resolved += &self.value(name);
            rest = after;
        }
        resolved + rest
    }

    fn value(&self, name: &str) -> String {
        match name {
            "AWS::Partition" => return "aws".to_owned(),
            "AWS::Region" => return REGION.to_owned(),
            "AWS::AccountId" => return ACCOUNT.to_owned(),
            "AWS::StackName" => return self.stack.to_owned(),
            _ => {}
        }
        let parameter = &self.template.value()["Parameters"][name];
        if !parameter.is_null() {
            return text(&parameter["Default"]);
        }
        let (resource, attribute) = name.split_once('.').unwrap_or((name, "Ref"));
        match attribute {
            "Arn" => self.arn(resource),
            "Ref" if ["AWS::SNS::Topic", "AWS::Serverless::StateMachine"].contains(&self.kind(resource)) => {
                self.arn(resource)
            }
            "Ref" => self.name(resource),
            _ => panic!("what is {name}?"),
        }
    }

    fn kind(&self, resource: &str) -> &'a str {
        self.template.value()["Resources"][resource]["Type"]
            .as_str()
            .unwrap_or_else(|| panic!("there is no resource {resource}"))
    }

    /// The names of all resources of a kind in the template.
    pub fn all(&self, kind: &str) -> Vec<&'a str> {
        self.template.all(kind).map(|(name, _)| name).collect()
    }

    /// The name that a resource has in AWS.
    pub fn name(&self, resource: &str) -> String {
        let property = match self.kind(resource) {
            "AWS::IAM::Role" => return resource.to_owned(),
            "AWS::DynamoDB::Table" => "TableName",
            "AWS::Logs::LogGroup" => "LogGroupName",
            "AWS::Serverless::Function" => "FunctionName",
            "AWS::SNS::Topic" => "TopicName",
            "AWS::SQS::Queue" => "QueueName",
            "AWS::Serverless::StateMachine" | "AWS::Scheduler::ScheduleGroup" | "AWS::Events::Rule" => "Name",
            kind => panic!("what is the name of a {kind}?"),
        };
        self.resolved(&text(&self.template.properties(resource)[property]))
    }

    /// The ARN of a resource.
    pub fn arn(&self, resource: &str) -> String {
        if let Some(arn) = self.arns.get(resource) {
            return arn.clone();
        }
        let name = self.name(resource);
        let rest = match self.kind(resource) {
            "AWS::DynamoDB::Table" => format!("dynamodb:{REGION}:{ACCOUNT}:table/{name}"),
            "AWS::Logs::LogGroup" => format!("logs:{REGION}:{ACCOUNT}:log-group:{name}:*"),
            "AWS::Serverless::Function" => format!("lambda:{REGION}:{ACCOUNT}:function:{name}"),
            "AWS::SNS::Topic" => format!("sns:{REGION}:{ACCOUNT}:{name}"),
            "AWS::SQS::Queue" => format!("sqs:{REGION}:{ACCOUNT}:{name}"),
            "AWS::Serverless::StateMachine" => format!("states:{REGION}:{ACCOUNT}:stateMachine:{name}"),
            "AWS::Scheduler::ScheduleGroup" => format!("scheduler:{REGION}:{ACCOUNT}:schedule-group/{name}"),
            "AWS::Events::Rule" => format!("events:{REGION}:{ACCOUNT}:rule/{name}"),
            "AWS::IAM::Role" => format!("iam::{ACCOUNT}:role/{name}"),
            kind => panic!("what is the ARN of a {kind}?"),
        };
        format!("arn:aws:{rest}")
    }
}

fn compare(operator: &str, value: &str, expected: &str) -> bool {
    match operator.trim_start_matches("ForAllValues:") {
        "StringEquals" => value == expected,
        "StringLike" => is_like(value, expected),
        // Part by part between the colons, so that a wildcard does not reach over one.
        "ArnLike" | "ArnEquals" => {
            let (values, patterns): (Vec<_>, Vec<_>) =
                (value.splitn(6, ':').collect(), expected.splitn(6, ':').collect());
            values.len() == patterns.len()
                && values
                    .iter()
                    .zip(patterns)
                    .all(|(value, pattern)| is_like(value, pattern))
        }
        _ => panic!("what does {operator} say?"),
    }
}

/// Whether a text fits a pattern, in which `*` is anything and `?` is one character.
fn is_like(text: &str, pattern: &str) -> bool {
    let mut letters = pattern.chars();
    match letters.next() {
        None => text.is_empty(),
        Some('*') => {
            let rest = letters.as_str();
            let mut ends = text.char_indices().map(|(at, _)| at).chain([text.len()]);
            ends.any(|at| is_like(&text[at..], rest))
        }
        Some(letter) => {
            let mut others = text.chars();
            let first = others.next();
            first.is_some_and(|first| letter == '?' || letter == first) && is_like(others.as_str(), letters.as_str())
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn template(statements: &Value) -> Template {
        Template::of(json!({
            "Parameters": { "Pattern": { "Default": "shop-*" } },
            "Resources": {
                "Table": { "Type": "AWS::DynamoDB::Table", "Properties": { "TableName": { "Ref": "AWS::StackName" } } },
                "Role": {
                    "Type": "AWS::IAM::Role",
                    "Properties": { "Policies": [{ "PolicyDocument": { "Statement": statements } }] },
                },
            },
        }))
    }

    fn allows(statements: &Value, action: &str, resource: &str, context: &[(&str, &[&str])]) -> bool {
        let template = template(statements);
        let owned = |(key, values): &(&str, &[&str])| {
            let values = values.iter().map(|value| (*value).to_owned()).collect();
            ((*key).to_owned(), values)
        };
        let act = Act {
            action: action.to_owned(),
            resource: resource.to_owned(),
            context: context.iter().map(owned).collect(),
        };
        Deployed::new(&template, "stack").allows("Role", &act)
    }

    #[test]
    fn only_what_is_allowed_is_allowed_and_a_denial_wins() {
        let reading = json!({ "Effect": "Allow", "Action": ["dynamodb:GetItem", "dynamodb:Query"], "Resource": { "Fn::GetAtt": "Table.Arn" } });
        let never = json!({ "Effect": "Deny", "Action": "dynamodb:*", "Resource": "*" });
        let table = format!("arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/stack");
        assert!(allows(&json!([reading]), "dynamodb:GetItem", &table, &[]));
        assert!(allows(&json!([reading]), "dynamodb:getitem", &table, &[]));
        assert!(!allows(&json!([reading]), "dynamodb:PutItem", &table, &[]));
        assert!(!allows(
            &json!([reading]),
            "dynamodb:GetItem",
            &format!("{table}s"),
            &[]
        ));
        assert!(!allows(&json!([reading, never]), "dynamodb:GetItem", &table, &[]));
        assert!(!allows(&json!([]), "dynamodb:GetItem", &table, &[]));
    }

    #[test]
    fn conditions_must_all_hold() {
        let changing = json!([{
            "Effect": "Allow", "Action": "lambda:Change", "Resource": { "Fn::Sub": "arn:aws:lambda:::function:${Pattern}" },
            "Condition": { "StringEquals": { "aws:ResourceTag/inoculate": "allow" }, "ArnLike": { "lambda:FunctionArn": ["a:b:c:d:e:f*"] } },
        }]);
        let target = "arn:aws:lambda:::function:shop-a";
        let tag: (&str, &[&str]) = ("aws:resourcetag/inoculate", &["allow"]);
        let arn: (&str, &[&str]) = ("lambda:FunctionArn", &["a:b:c:d:e:fgh"]);
        assert!(allows(&changing, "lambda:Change", target, &[tag, arn]));
        assert!(!allows(&changing, "lambda:Change", target, &[tag]));
        assert!(!allows(
            &changing,
            "lambda:Change",
            target,
            &[arn, ("aws:ResourceTag/inoculate", &["deny"])]
        ));
        assert!(!allows(
            &changing,
            "lambda:Change",
            target,
            &[tag, ("lambda:FunctionArn", &["a:b:c:d:x:fgh"])]
        ));
        assert!(!allows(
            &changing,
            "lambda:Change",
            "arn:aws:lambda:::function:other",
            &[tag, arn]
        ));
    }

    #[test]
    fn for_all_values_is_true_of_none() {
        let keys = json!([{ "Effect": "Allow", "Action": "a:B", "Resource": "*", "Condition": { "ForAllValues:StringLike": { "k": "T#*" } } }]);
        for (values, expected) in [(&[][..], true), (&["T#1", "T#2"], true), (&["T#1", "R#2"], false)] {
            assert_eq!(allows(&keys, "a:B", "*", &[("k", values)]), expected, "{values:?}");
        }
    }

    #[test]
    fn a_pattern_fits_as_in_iam() {
        for (text, pattern, expected) in [
            ("abc", "a*", true),
            ("abc", "*c", true),
            ("abc", "a?c", true),
            ("abc", "a?", false),
            ("abc", "", false),
            ("", "*", true),
            ("a#b#c", "a#*#c", true),
            ("é", "?", true),
        ] {
            assert_eq!(is_like(text, pattern), expected, "{text} {pattern}");
        }
    }
}

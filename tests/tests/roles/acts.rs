//! Everything that somebody could try: each action that any role has, on our resources and on those of neighbours.

use std::collections::{BTreeMap, BTreeSet};

use inoculate_stack::REGION;
use inoculate_tests::policy::{ACCOUNT, Act, Deployed};

/// What IAM calls the keys of the items that a request touches.
const LEADING_KEYS: &str = "dynamodb:LeadingKeys";
/// What IAM calls those in whose name events are sent.
const SOURCE: &str = "events:source";
/// What IAM calls the actions of an alarm that is made.
const ALARM_ACTIONS: &str = "cloudwatch:AlarmActions";
/// The tag by which an owner allows experiments.
const TAG: &str = "aws:ResourceTag/inoculate";
/// What every kind of neighbour is called.
const ANOTHER: &str = "another";

/// A partition of each kind in the table.
const PARTITIONS: [&str; 5] = ["RUN#r", "RUN#r#SKETCH#0", "TARGET#f", "EXPERIMENT#e", "CONTROL"];

/// Something that an action can be done to: its ARN, and what IAM knows of it.
type Thing = (String, BTreeMap<String, Vec<String>>);

/// Every action that a role or policy of the template has.
pub(crate) fn actions(deployed: &Deployed<'_>) -> BTreeSet<String> {
    let statements = deployed
        .holders()
        .into_iter()
        .flat_map(|holder| deployed.statements_of(holder));
    let allowing = statements.filter(|statement| statement.allows);
    allowing
        .flat_map(|statement| statement.actions)
        .map(str::to_owned)
        .collect()
}

/// Everything to try. `mappings` are the ARNs of the event source mappings of the functions `tagged` and `untagged`.
pub(crate) fn all(deployed: &Deployed<'_>, mappings: &BTreeMap<String, String>) -> Vec<Act> {
    let scene = Scene { deployed, mappings };
    let acts = actions(deployed).into_iter().flat_map(|action| {
        let things = scene.things(&action).into_iter();
        let act = move |(resource, context)| Act {
            action: action.clone(),
            resource,
            context,
        };
        things.map(act).collect::<Vec<_>>()
    });
    acts.collect()
}

/// What the request itself says that a condition may ask about.
pub(crate) fn detail(act: &Act) -> Option<&str> {
    let mut said = [LEADING_KEYS, SOURCE, ALARM_ACTIONS]
        .into_iter()
        .filter_map(|key| act.context.get(key));
    said.next().map(|values| values[0].as_str())
}

/// An act in words: the action, what it is done to, and what the request says.
pub(crate) fn said(act: &Act) -> String {
    let resource = act.resource.splitn(6, ':').last().unwrap_or(&act.resource);
    format!("{} {resource} {}", act.action, detail(act).unwrap_or_default())
        .trim_end()
        .to_owned()
}

/// Whether an action changes something, or makes others do so.
pub(crate) fn is_write(action: &str) -> bool {
    let (_, verb) = action.split_once(':').unwrap();
    let reads = ["Get", "List", "Describe", "Query", "ConditionCheck", "Simulate"];
    !reads.iter().any(|read| verb.starts_with(read))
}

/// Whether it is done to something of a neighbour that has not agreed, or in the name of one.
pub(crate) fn is_of_a_neighbour(act: &Act) -> bool {
    let words = said(act);
    [ANOTHER, "untagged"]
        .iter()
        .any(|name| words.ends_with(name) || words.contains(&format!("/{name}")))
}

/// The ARN of an event source mapping.
pub(crate) fn mapping(id: &str) -> String {
    format!("arn:aws:lambda:{REGION}:{ACCOUNT}:event-source-mapping:{id}")
}

struct Scene<'a> {
    deployed: &'a Deployed<'a>,
    mappings: &'a BTreeMap<String, String>,
}

impl Scene<'_> {
    /// What an action can be done to. An action that the template has newly must be added here and to `world.py`.
    fn things(&self, action: &str) -> Vec<Thing> {
        match action {
            "dynamodb:Query" => [self.items(), self.indexes()].concat(),
            "dynamodb:GetItem" | "dynamodb:PutItem" | "dynamodb:UpdateItem" | "dynamodb:ConditionCheckItem" => {
                self.items()
            }
            "lambda:ListTags" => [self.functions(), self.mappings()].concat(),
            "lambda:UpdateEventSourceMapping" => self.mappings(),
            "lambda:ListEventSourceMappings" => anything(),
            action if action.starts_with("lambda:") => self.functions(),
            "logs:CreateLogStream" | "logs:PutLogEvents" => self.ours_and(
                "AWS::Logs::LogGroup",
                &format!("logs:{REGION}:{ACCOUNT}:log-group:{ANOTHER}:*"),
            ),
            action if action.starts_with("logs:") => anything(),
            "cloudwatch:PutMetricAlarm" => {
                let topics = [
                    self.deployed.arn("AbortTopic"),
                    format!("arn:aws:sns:{REGION}:{ACCOUNT}:{ANOTHER}"),
                ];
                each(&alarms(), ALARM_ACTIONS, &topics)
            }
            "cloudwatch:DeleteAlarms" => named(alarms()),
            "cloudwatch:GetMetricData" | "cloudwatch:DescribeAlarms" => anything(),
            "sns:Publish" => self.ours_and("AWS::SNS::Topic", &format!("sns:{REGION}:{ACCOUNT}:{ANOTHER}")),
            "sqs:SendMessage" => self.ours_and("AWS::SQS::Queue", &format!("sqs:{REGION}:{ACCOUNT}:{ANOTHER}")),
            "states:StartExecution" => self.machines("stateMachine", ""),
            "states:DescribeExecution" => self.machines("execution", ":r"),
            "events:PutEvents" => {
                let buses =
                    ["default", ANOTHER].map(|bus| format!("arn:aws:events:{REGION}:{ACCOUNT}:event-bus/{bus}"));
                each(&buses, SOURCE, &["inoculate", ANOTHER])
            }
            "iam:SimulatePrincipalPolicy" => self.ours_and("AWS::IAM::Role", &format!("iam::{ACCOUNT}:role/{ANOTHER}")),
            _ => panic!("say here, and in world.py, what {action} can be done to"),
        }
    }

    /// Every kind of item in our table, and in that of a neighbour.
    fn items(&self) -> Vec<Thing> {
        let tables = [
            self.deployed.arn("Table"),
            format!("arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{ANOTHER}"),
        ];
        each(&tables, LEADING_KEYS, &PARTITIONS)
    }

    fn indexes(&self) -> Vec<Thing> {
        let table = self.deployed.arn("Table");
        named(["runs", "open"].map(|index| format!("{table}/index/{index}")))
    }

    /// Our own functions, tagged as stack tags would do it, and two of others.
    fn functions(&self) -> Vec<Thing> {
        let ours = self.deployed.all("AWS::Serverless::Function").into_iter();
        let ours = ours.map(|function| (self.deployed.arn(function), tagged(true)));
        let others = ["tagged", "untagged"].map(|name| (function(name), tagged(name == "tagged")));
        ours.chain(others).collect()
    }

    fn mappings(&self) -> Vec<Thing> {
        let mapping = |(name, arn): (&String, &String)| {
            let mut context = tagged(name == "tagged");
            context.insert("lambda:FunctionArn".to_owned(), vec![function(name)]);
            (arn.clone(), context)
        };
        self.mappings.iter().map(mapping).collect()
    }

    fn machines(&self, kind: &str, rest: &str) -> Vec<Thing> {
        let names = [self.deployed.name("Experiment"), ANOTHER.to_owned()];
        named(names.map(|name| format!("arn:aws:states:{REGION}:{ACCOUNT}:{kind}:{name}{rest}")))
    }

    /// Every resource of a kind in the template, and one of a neighbour.
    fn ours_and(&self, kind: &str, other: &str) -> Vec<Thing> {
        let ours = self
            .deployed
            .all(kind)
            .into_iter()
            .map(|resource| self.deployed.arn(resource));
        named(ours.chain([format!("arn:aws:{other}")]))
    }
}

fn function(name: &str) -> String {
    format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}")
}

fn tagged(is_tagged: bool) -> BTreeMap<String, Vec<String>> {
    let tag = (TAG.to_owned(), vec!["allow".to_owned()]);
    [tag].into_iter().filter(|_| is_tagged).collect()
}

/// One of a run, one of the stack itself, and one of a neighbour.
fn alarms() -> [String; 3] {
    ["inoculate-run-r-1", "inoculate-rollback-failed", ANOTHER]
        .map(|name| format!("arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:{name}"))
}

/// Each of these with each value of a condition key.
fn each(arns: &[String], key: &str, values: &[impl ToString]) -> Vec<Thing> {
    let context = |value: &dyn ToString| BTreeMap::from([(key.to_owned(), vec![value.to_string()])]);
    let things = arns
        .iter()
        .flat_map(|arn| values.iter().map(|value| (arn.clone(), context(value))));
    things.collect()
}

/// For an action that knows no resources.
fn anything() -> Vec<Thing> {
    named(["*".to_owned()])
}

fn named(arns: impl IntoIterator<Item = String>) -> Vec<Thing> {
    arns.into_iter().map(|arn| (arn, BTreeMap::new())).collect()
}

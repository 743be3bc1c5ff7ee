//! What a call is about: tables, functions, queues, topics, buckets, by their names.

use hyper::http::request::Parts;
use inoculate_core::service::{Protocol, Service};
use serde_json::Value;

use super::{Form, lambda};
use crate::dependencies::signature::decoded;

/// The fields of a request that name a resource, by service. A dot leads into each element of a list.
fn fields_of(service: Service) -> &'static [&'static str] {
    match service {
        Service::DynamoDb => &["TableName"],
        Service::Sqs => &["QueueUrl", "QueueName"],
        Service::Sns => &["TopicArn", "TargetArn"],
        Service::StepFunctions => &["stateMachineArn"],
        Service::SecretsManager => &["SecretId"],
        Service::Ssm => &["Name", "Names"],
        Service::Kinesis => &["StreamName", "StreamARN"],
        Service::Kms => &["KeyId"],
        Service::EventBridge | Service::Lambda | Service::S3 | Service::Sts | Service::CloudWatch => &[],
    }
}

/// The names of what a call is about. Those that are given as an ARN or a URL are the last part of that.
pub(super) fn of(
    service: Service,
    head: &Parts,
    form: Form,
    body: Option<&str>,
    fields: &[(String, String)],
) -> Vec<String> {
    let path = head.uri.path();
    match (service, form) {
        (Service::Lambda, _) => lambda::function(path)
            .map(|name| function(&decoded(name)))
            .into_iter()
            .collect(),
        (Service::S3, _) => {
            let bucket = path.trim_start_matches('/').split('/').next();
            bucket
                .filter(|name| !name.is_empty())
                .map(decoded)
                .into_iter()
                .collect()
        }
        (_, Form::Aws(Protocol::AwsQuery)) => {
            let wanted = |name: &String| fields_of(service).contains(&name.as_str());
            let found = fields.iter().filter(|(name, _)| wanted(name));
            found.map(|(_, value)| last_part(value).to_owned()).collect()
        }
        _ => match body.and_then(|body| serde_json::from_str::<Value>(body).ok()) {
            Some(input) => in_json(service, &input),
            None => Vec::new(),
        },
    }
}

fn in_json(service: Service, input: &Value) -> Vec<String> {
    let mut names = Vec::new();
    for field in fields_of(service) {
        collect(input.get(*field), &mut names);
    }
    match service {
        Service::DynamoDb => {
            let batches = input.get("RequestItems").and_then(Value::as_object);
            names.extend(
                batches
                    .into_iter()
                    .flatten()
                    .map(|(table, _)| last_part(table).to_owned()),
            );
            let items = input.get("TransactItems").and_then(Value::as_array);
            let actions = items.into_iter().flatten().filter_map(Value::as_object).flatten();
            actions.for_each(|(_, action)| collect(action.get("TableName"), &mut names));
        }
        Service::EventBridge => {
            let entries = input.get("Entries").and_then(Value::as_array);
            for entry in entries.into_iter().flatten() {
                let bus = entry.get("EventBusName").and_then(Value::as_str);
                names.push(last_part(bus.unwrap_or("default")).to_owned());
            }
        }
        _ => {}
    }
    names.sort_unstable();
    names.dedup();
    names
}

fn collect(value: Option<&Value>, names: &mut Vec<String>) {
    match value {
        Some(Value::String(name)) => names.push(last_part(name).to_owned()),
        Some(Value::Array(several)) => several.iter().for_each(|one| collect(Some(one), names)),
        _ => {}
    }
}

/// The name in an ARN or a URL: `arn:aws:dynamodb:eu-west-1:1:table/orders`, `https://sqs.../1/orders`. The names of
/// parameters and secrets may have slashes themselves.
fn last_part(text: &str) -> &str {
    if text.starts_with("http://") || text.starts_with("https://") {
        return text.rsplit('/').next().unwrap_or(text);
    }
    match text.strip_prefix("arn:") {
        Some(arn) => {
            let resource = arn.splitn(5, ':').last().unwrap_or(arn);
            let name = resource.split_once([':', '/']).map_or(resource, |(_, name)| name);
            // What belongs to a table, like its indexes, is about the table.
            name.split_once("/index/").map_or(name, |(table, _)| table)
        }
        None => text,
    }
}

/// The name of a function that is given by its name or ARN, with a version or without.
fn function(text: &str) -> String {
    let name = text.rsplit_once("function:").map_or(text, |(_, name)| name);
    name.split(':').next().unwrap_or(name).to_owned()
}

//! The AWS services whose calls can meet a fault, and how they are spoken to.
//!
//! | name | variable | endpoint | protocol |
//! |---|---|---|---|
//! | as the owner of a function and experiments write it | of its own endpoint | first part of its host | of its errors |

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A service of AWS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "they are the names of the services")]
#[schemars(description = "the name of a service of AWS")]
pub enum Service {
    DynamoDb,
    Lambda,
    Sqs,
    Sns,
    StepFunctions,
    EventBridge,
    SecretsManager,
    Ssm,
    Kinesis,
    Kms,
    S3,
    Sts,
    CloudWatch,
}

/// How a service writes its answers, if the request does not tell.
///
/// Source: <https://smithy.io/2.0/aws/protocols/index.html>
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// JSON, with the error in `__type`; 1.0 or 1.1.
    AwsJson(&'static str),
    /// XML, in `ErrorResponse`.
    AwsQuery,
    /// JSON, with the error in the header `x-amzn-errortype`.
    RestJson,
    /// XML, in `Error`: only S3.
    RestXml,
}

impl Service {
    /// All of them.
    pub const ALL: [Service; 13] = [
        Service::DynamoDb,
        Service::Lambda,
        Service::Sqs,
        Service::Sns,
        Service::StepFunctions,
        Service::EventBridge,
        Service::SecretsManager,
        Service::Ssm,
        Service::Kinesis,
        Service::Kms,
        Service::S3,
        Service::Sts,
        Service::CloudWatch,
    ];

    /// The name, as `INOCULATE_DEPENDENCIES` and experiments have it.
    pub fn name(self) -> &'static str {
        self.row().0
    }

    /// The service with this name.
    pub fn named(name: &str) -> Option<Service> {
        Service::ALL.into_iter().find(|service| service.name() == name)
    }

    /// The variable with the endpoint of this service alone, which SDKs read.
    ///
    /// Source: <https://docs.aws.amazon.com/sdkref/latest/guide/ss-endpoints-table.html>
    pub fn endpoint_variable(self) -> String {
        format!("AWS_ENDPOINT_URL_{}", self.row().1)
    }

    /// The first part of the host, before the region.
    ///
    /// Source: <https://docs.aws.amazon.com/general/latest/gr/aws-service-information.html>
    pub fn endpoint_prefix(self) -> &'static str {
        self.row().2
    }

    /// How it writes its answers, if the request does not tell.
    pub fn protocol(self) -> Protocol {
        self.row().3
    }

    fn row(self) -> (&'static str, &'static str, &'static str, Protocol) {
        use Protocol::{AwsJson, AwsQuery, RestJson, RestXml};
        match self {
            Service::DynamoDb => ("dynamodb", "DYNAMODB", "dynamodb", AwsJson("1.0")),
            Service::Lambda => ("lambda", "LAMBDA", "lambda", RestJson),
            Service::Sqs => ("sqs", "SQS", "sqs", AwsJson("1.0")),
            Service::Sns => ("sns", "SNS", "sns", AwsQuery),
            Service::StepFunctions => ("stepfunctions", "SFN", "states", AwsJson("1.0")),
            Service::EventBridge => ("eventbridge", "EVENTBRIDGE", "events", AwsJson("1.1")),
            Service::SecretsManager => ("secretsmanager", "SECRETS_MANAGER", "secretsmanager", AwsJson("1.1")),
            Service::Ssm => ("ssm", "SSM", "ssm", AwsJson("1.1")),
            Service::Kinesis => ("kinesis", "KINESIS", "kinesis", AwsJson("1.1")),
            Service::Kms => ("kms", "KMS", "kms", AwsJson("1.1")),
            Service::S3 => ("s3", "S3", "s3", RestXml),
            Service::Sts => ("sts", "STS", "sts", AwsQuery),
            Service::CloudWatch => ("cloudwatch", "CLOUDWATCH", "monitoring", AwsQuery),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_one_name_everywhere() {
        for service in Service::ALL {
            assert_eq!(serde_json::to_value(service).unwrap(), service.name());
            assert_eq!(Service::named(service.name()), Some(service));
        }
        assert_eq!(Service::named("DynamoDB"), None);
        assert_eq!(Service::StepFunctions.endpoint_variable(), "AWS_ENDPOINT_URL_SFN");
    }
}

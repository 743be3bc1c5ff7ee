//! Where a service truly is.

use std::ffi::OsString;

use inoculate_core::service::Service;

use crate::dynamo::connection::Endpoint;

/// Where the calls to a service go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    service: Service,
    /// Where the environment says that it is, for all regions.
    fixed: Option<Endpoint>,
    /// For requests that name no region.
    region: Option<String>,
}

/// The operations of Step Functions that have another host.
///
/// Source: <https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartSyncExecution.html>
const SYNCHRONOUS: [&str; 2] = ["StartSyncExecution", "TestState"];

impl Origin {
    /// Where a service is by the environment, read through `get`: where an SDK would look without the layer.
    ///
    /// Source: <https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html>
    ///
    /// # Errors
    /// The reason why its calls cannot pass through the layer.
    pub fn read(service: Service, get: impl Fn(&str) -> Option<OsString>) -> Result<Origin, String> {
        let text = |name: &str| {
            get(name)
                .and_then(|value| value.into_string().ok())
                .filter(|value| !value.is_empty())
        };
        let own = service.endpoint_variable();
        let named = [own.as_str(), "AWS_ENDPOINT_URL"]
            .into_iter()
            .find_map(|name| Some((name, text(name)?)));
        let fixed = match named {
            Some((name, url)) => {
                let endpoint = Endpoint::parse(&url);
                Some(endpoint.ok_or_else(|| format!("{name} is not a URL of http or https"))?)
            }
            None => None,
        };
        Ok(Origin {
            service,
            fixed,
            region: text("AWS_REGION").or_else(|| text("AWS_DEFAULT_REGION")),
        })
    }

    /// Which service this is.
    pub fn service(&self) -> Service {
        self.service
    }

    /// Where a call goes. `None` if it is not known, or `region` is no region.
    pub fn endpoint(&self, region: Option<&str>, operation: Option<&str>) -> Option<Endpoint> {
        if let Some(fixed) = &self.fixed {
            return Some(fixed.clone());
        }
        let region = region.or(self.region.as_deref()).filter(|region| is_region(region))?;
        let special =
            self.service == Service::StepFunctions && operation.is_some_and(|name| SYNCHRONOUS.contains(&name));
        let before = if special { "sync-" } else { "" };
        let (prefix, suffix) = (self.service.endpoint_prefix(), suffix(region));
        Some(Endpoint {
            tls: true,
            authority: format!("{before}{prefix}.{region}.{suffix}"),
            prefix: String::new(),
        })
    }
}

/// Whether a text can be a region. It comes from a request and becomes a part of a host.
fn is_region(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=32).contains(&text.len()) && text.bytes().all(allowed)
}

/// The last part of the hosts of a region.
///
/// Source: <https://github.com/boto/botocore/blob/develop/botocore/data/partitions.json>
fn suffix(region: &str) -> &'static str {
    let known = [
        ("cn-", "amazonaws.com.cn"),
        ("us-iso-", "c2s.ic.gov"),
        ("us-isob-", "sc2s.sgov.gov"),
        ("us-isof-", "csp.hci.ic.gov"),
        ("eu-isoe-", "cloud.adc-e.uk"),
        ("eusc-", "amazonaws.eu"),
    ];
    let found = known.into_iter().find(|(prefix, _)| region.starts_with(prefix));
    found.map_or("amazonaws.com", |(_, suffix)| suffix)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(service: Service, pairs: &[(&str, &str)]) -> Result<Origin, String> {
        Origin::read(service, |name| {
            let found = pairs.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| value.into())
        })
    }

    fn authority(service: Service, region: &str, operation: &str) -> Option<String> {
        let origin = origin(service, &[("AWS_REGION", "eu-west-1")]).unwrap();
        let found = origin.endpoint(Some(region).filter(|region| !region.is_empty()), Some(operation));
        found.map(|found| format!("{}://{}{}", found.scheme(), found.authority, found.prefix))
    }

    #[test]
    fn each_region_has_its_host() {
        for (service, region, operation, expected) in [
            (
                Service::DynamoDb,
                "eu-west-1",
                "GetItem",
                "dynamodb.eu-west-1.amazonaws.com",
            ),
            (Service::DynamoDb, "", "GetItem", "dynamodb.eu-west-1.amazonaws.com"),
            (
                Service::EventBridge,
                "cn-north-1",
                "PutEvents",
                "events.cn-north-1.amazonaws.com.cn",
            ),
            (Service::S3, "us-gov-west-1", "", "s3.us-gov-west-1.amazonaws.com"),
            (Service::Kms, "eusc-de-east-1", "", "kms.eusc-de-east-1.amazonaws.eu"),
            (Service::Kms, "us-isob-east-1", "", "kms.us-isob-east-1.sc2s.sgov.gov"),
            (
                Service::StepFunctions,
                "eu-west-1",
                "StartExecution",
                "states.eu-west-1.amazonaws.com",
            ),
            (
                Service::StepFunctions,
                "eu-west-1",
                "StartSyncExecution",
                "sync-states.eu-west-1.amazonaws.com",
            ),
            (
                Service::CloudWatch,
                "eu-west-1",
                "",
                "monitoring.eu-west-1.amazonaws.com",
            ),
        ] {
            let expected = Some(format!("https://{expected}"));
            assert_eq!(authority(service, region, operation), expected, "{service:?} {region}");
        }
    }

    #[test]
    fn what_is_no_region_leads_nowhere() {
        for region in ["evil.com/", "EU", "a.b", &"a".repeat(33)] {
            assert_eq!(authority(Service::DynamoDb, region, ""), None);
        }
        assert_eq!(origin(Service::DynamoDb, &[]).unwrap().endpoint(None, None), None);
    }

    #[test]
    fn what_the_owner_has_set_comes_first() {
        let (both, all) = (
            [
                (
                    "AWS_ENDPOINT_URL_SQS",
                    "https://vpce-1.sqs.eu-west-1.vpce.amazonaws.com",
                ),
                ("AWS_ENDPOINT_URL", "http://localhost:4566/x/"),
            ],
            [
                ("AWS_ENDPOINT_URL", "http://localhost:4566/x/"),
                ("AWS_ENDPOINT_URL_SQS", ""),
            ],
        );
        let own = origin(Service::Sqs, &both).unwrap().endpoint(None, None).unwrap();
        assert_eq!((own.tls, own.host()), (true, "vpce-1.sqs.eu-west-1.vpce.amazonaws.com"));
        let shared = origin(Service::Sqs, &all)
            .unwrap()
            .endpoint(Some("no region"), None)
            .unwrap();
        assert_eq!(
            (shared.authority.as_str(), shared.prefix.as_str()),
            ("localhost:4566", "/x")
        );
        let wrong = origin(Service::Sqs, &[("AWS_ENDPOINT_URL_SQS", "localhost")]);
        assert_eq!(wrong.unwrap_err(), "AWS_ENDPOINT_URL_SQS is not a URL of http or https");
    }
}

//! Start-up, written once for the five functions and the command.
//!
//! AWS is configured as usual: environment, profile, `AWS_ENDPOINT_URL`. Timeouts and retries are set here, so that
//! no environment can make a step hang.

use std::sync::Arc;
use std::time::Duration;

use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_http_client::tls;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
#[cfg(feature = "attach")]
use inoculate_core::attach::port::Attachments;
use inoculate_core::error::{Code, Error, Result};
use inoculate_core::ports::{Executions, Ports};
#[cfg(feature = "schedules")]
use inoculate_core::schedule::Schedules;

use crate::alarms::CloudWatchAlarms;
#[cfg(feature = "attach")]
use crate::attach::AwsAttachments;
use crate::clock::SystemClock;
use crate::error::{Kind, Service};
use crate::events::{DEFAULT_BUS, EventBus};
use crate::executions::{ExecutionsByArn, StepFunctionsExecutions};
use crate::functions::StepFunction;
use crate::leases::DynamoLeases;
use crate::library::DynamoLibrary;
use crate::metrics::CloudWatchMetrics;
use crate::notices::{AwsNotices, Topic};
#[cfg(feature = "iam")]
use crate::permissions::IamPermissions;
use crate::runs::DynamoRuns;
#[cfg(feature = "schedules")]
use crate::schedules::SchedulerSchedules;
use crate::sketches::DynamoSketches;
use crate::table::Table;
use crate::targets::LambdaTargets;
use crate::telemetry::Stdout;

/// How long a connection may take to open.
const CONNECT: Duration = Duration::from_secs(2);
/// How long one attempt of a call may take.
const ATTEMPT: Duration = Duration::from_secs(5);
/// How long a call may take with all its attempts: a quarter of a step's timeout.
const OPERATION: Duration = Duration::from_secs(15);
/// How often a call is tried.
const TRIES: u32 = 3;

/// What a deployed stack is called, as far as the ports need to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    /// The name of the table.
    pub table: String,
    /// The topic for notices; `None` tells no person.
    pub notices_topic_arn: Option<String>,
    /// The name of the event bus for notices, in the account and region of the stack; `None` tells no program.
    pub event_bus: Option<String>,
    /// The topic that alarms end runs through; without it no run can make an alarm of its own.
    pub abort_topic_arn: Option<String>,
}

/// What a person asks for, over the usual configuration of AWS.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Options {
    /// The region; `None` leaves it to the environment or the profile.
    pub region: Option<String>,
    /// The profile; `None` leaves it to the environment. One that is named here wins over credentials in the
    /// environment, as with the AWS CLI.
    pub profile: Option<String>,
}

/// The configuration of AWS, loaded. Nothing was called yet.
#[derive(Debug, Clone)]
pub struct Aws {
    config: SdkConfig,
}

/// A deployed stack, as the command sees it.
#[derive(Clone)]
pub struct Stack {
    /// The ports on the table of the stack.
    pub ports: Ports,
    /// The executions of its state machine.
    pub executions: Arc<dyn Executions>,
    /// Its rollback function.
    pub rollback: StepFunction,
    /// The schedules that start it.
    #[cfg(feature = "schedules")]
    pub schedules: Arc<dyn Schedules>,
    /// Its baseline function, whose environment says what the deployment allows.
    pub baseline: StepFunction,
}

impl Aws {
    /// Loads the configuration from the options, the environment and the profile.
    ///
    /// # Errors
    /// [`Code::NoCredentials`] when no region is set, or an endpoint is set that is no URL. Credentials are looked for at
    /// the first call, not here.
    pub async fn load(options: &Options) -> Result<Aws> {
        check_endpoints(
            std::env::vars_os().filter_map(|(name, value)| name.into_string().ok().zip(value.into_string().ok())),
        )?;
        let ring = tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring);
        let http = aws_smithy_http_client::Builder::new().tls_provider(ring).build_https();
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT)
            .operation_attempt_timeout(ATTEMPT)
            .operation_timeout(OPERATION);
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .http_client(http.clone())
            .timeout_config(timeouts.build())
            .retry_config(RetryConfig::standard().with_max_attempts(TRIES));
        if let Some(region) = &options.region {
            loader = loader.region(Region::new(region.clone()));
        }
        let Some(profile) = &options.profile else {
            return Aws::with(loader.load().await);
        };
        let config = loader.profile_name(profile).load().await;
        Aws::with(with_credentials_of(profile, config, http))
    }

    /// Takes a configuration that is loaded already.
    ///
    /// # Errors
    /// [`Code::NoCredentials`] when no region is set.
    pub fn with(config: SdkConfig) -> Result<Aws> {
        if config.region().is_none() {
            let error = Error::new(Code::NoCredentials, "no AWS region is set");
            return Err(error.help("set AWS_REGION, or `region` in the profile"));
        }
        Ok(Aws { config })
    }

    /// The ports on the resources of these names. Nothing is called yet.
    pub fn ports(&self, names: &Names) -> Ports {
        let table = self.table(&names.table);
        let lambda = aws_sdk_lambda::Client::new(&self.config);
        let cloudwatch = aws_sdk_cloudwatch::Client::new(&self.config);
        let abort_topic = names.abort_topic_arn.clone();
        Ports {
            // The table is called like the stack.
            stack: names.table.clone(),
            runs: Arc::new(DynamoRuns::new(table.clone())),
            leases: Arc::new(DynamoLeases::new(table.clone())),
            library: Arc::new(DynamoLibrary::new(table.clone())),
            sketches: Arc::new(DynamoSketches::new(table)),
            targets: Arc::new(LambdaTargets::new(lambda, self.service(Kind::Targets))),
            metrics: Arc::new(CloudWatchMetrics::new(
                cloudwatch.clone(),
                self.service(Kind::CloudWatch),
            )),
            alarms: Arc::new(CloudWatchAlarms::new(
                cloudwatch,
                abort_topic,
                self.service(Kind::CloudWatch),
            )),
            notices: Arc::new(self.notices(names)),
            clock: Arc::new(SystemClock),
            telemetry: Arc::new(Stdout),
            permissions: None,
            executions: None,
        }
    }

    /// The same ports, and the executions of state machines among them.
    pub fn ports_with_executions(&self, names: &Names) -> Ports {
        let sfn = aws_sdk_sfn::Client::new(&self.config);
        Ports {
            executions: Some(Arc::new(ExecutionsByArn::new(sfn, self.service(Kind::StateMachine)))),
            ..self.ports(names)
        }
    }

    /// The same ports, and what IAM says of roles among them.
    #[cfg(feature = "iam")]
    pub fn ports_with_permissions(&self, names: &Names) -> Ports {
        let permissions = IamPermissions {
            client: aws_sdk_iam::Client::new(&self.config),
            service: self.service(Kind::Identity),
        };
        Ports {
            permissions: Some(Arc::new(permissions)),
            ..self.ports(names)
        }
    }

    /// The deployed stack of this name in the account of the credentials. Asks STS once which account that is.
    ///
    /// Whether the stack is there shows at the first use.
    ///
    /// # Errors
    /// [`Code::NoCredentials`], [`Code::Unavailable`] and the like, when STS does not answer.
    pub async fn stack(&self, name: &str) -> Result<Stack> {
        let home = self.home().await?;
        let sfn = aws_sdk_sfn::Client::new(&self.config);
        let machine = home.arn("states", &format!("stateMachine:{name}-experiment"));
        let lambda = aws_sdk_lambda::Client::new(&self.config);
        let names = Names {
            table: name.to_owned(),
            notices_topic_arn: Some(home.arn("sns", &format!("{name}-notices"))),
            event_bus: Some(DEFAULT_BUS.to_owned()),
            abort_topic_arn: Some(home.arn("sns", &format!("{name}-abort"))),
        };
        let function =
            |step: &str| StepFunction::new(lambda.clone(), format!("{name}-{step}"), self.service(Kind::Functions));
        #[cfg(feature = "schedules")]
        let schedules = Arc::new(SchedulerSchedules {
            client: aws_sdk_scheduler::Client::new(&self.config),
            group: name.to_owned(),
            state_machine_arn: machine.clone(),
            role_arn: home.role(&format!("{name}-schedule")),
            service: self.service(Kind::Schedules),
        });
        #[cfg(feature = "iam")]
        let ports = self.ports_with_permissions(&names);
        #[cfg(not(feature = "iam"))]
        let ports = self.ports(&names);
        Ok(Stack {
            ports,
            executions: Arc::new(StepFunctionsExecutions::new(
                sfn,
                machine,
                self.service(Kind::StateMachine),
            )),
            #[cfg(feature = "schedules")]
            schedules,
            rollback: function("rollback"),
            baseline: function("baseline"),
        })
    }

    /// What adding the layer to functions needs, with records in the table of this name. Nothing is called yet.
    #[cfg(feature = "attach")]
    pub fn attachments(&self, table: &str) -> Arc<dyn Attachments> {
        Arc::new(AwsAttachments {
            lambda: aws_sdk_lambda::Client::new(&self.config),
            iam: aws_sdk_iam::Client::new(&self.config),
            table: self.table(table),
            targets: self.service(Kind::Targets),
            roles: self.service(Kind::Identity),
        })
    }

    fn notices(&self, names: &Names) -> AwsNotices {
        AwsNotices {
            topic: names.notices_topic_arn.clone().map(|arn| Topic {
                client: aws_sdk_sns::Client::new(&self.config),
                arn,
                service: self.service(Kind::Topic),
            }),
            bus: names.event_bus.clone().map(|name| EventBus {
                client: aws_sdk_eventbridge::Client::new(&self.config),
                name,
                service: self.service(Kind::Bus),
            }),
        }
    }

    fn table(&self, name: &str) -> Table {
        Table {
            client: aws_sdk_dynamodb::Client::new(&self.config),
            name: name.to_owned(),
            service: self.service(Kind::Table),
        }
    }

    /// Where the credentials and the region lead.
    async fn home(&self) -> Result<Home> {
        let sts = aws_sdk_sts::Client::new(&self.config);
        let caller = sts.get_caller_identity().send().await;
        let caller = caller.map_err(|error| self.service(Kind::Identity).error("asking who we are", error))?;
        let (Some(account), Some(arn)) = (caller.account(), caller.arn()) else {
            return Err(Error::internal("STS did not say which account this is"));
        };
        Ok(Home {
            partition: arn.split(':').nth(1).unwrap_or("aws").to_owned(),
            region: self.config.region().map(ToString::to_string).unwrap_or_default(),
            account: account.to_owned(),
        })
    }

    fn service(&self, kind: Kind) -> Service {
        let endpoint = self.config.endpoint_url().map(str::to_owned);
        Service { kind, endpoint }
    }
}

/// The default chain would take credentials of the environment before those of the profile, and reach another account
/// than the one that was named.
fn with_credentials_of(profile: &str, config: SdkConfig, http: SharedHttpClient) -> SdkConfig {
    let client = ProviderConfig::without_region().with_http_client(http);
    let client = client.with_region(config.region().cloned());
    let credentials = ProfileFileCredentialsProvider::builder().configure(&client);
    let credentials = SharedCredentialsProvider::new(credentials.profile_name(profile).build());
    config.into_builder().credentials_provider(credentials).build()
}

/// Refuses an endpoint that is no URL, for the SDK panics at an empty one.
fn check_endpoints(environment: impl Iterator<Item = (String, String)>) -> Result<()> {
    for (name, value) in environment {
        let is_url = value.starts_with("http://") || value.starts_with("https://");
        if name.starts_with("AWS_ENDPOINT_URL") && !is_url {
            let error = Error::new(Code::NoCredentials, format!("{name} is `{value}`, which is no URL"));
            return Err(error.help("set it to one like http://127.0.0.1:4566, or unset it"));
        }
    }
    Ok(())
}

/// Partition, region and account: what ARNs are made of.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Home {
    partition: String,
    region: String,
    account: String,
}

impl Home {
    fn arn(&self, service: &str, resource: &str) -> String {
        let Home {
            partition,
            region,
            account,
        } = self;
        format!("arn:{partition}:{service}:{region}:{account}:{resource}")
    }

    /// A role; IAM knows no regions.
    #[cfg(feature = "schedules")]
    fn role(&self, name: &str) -> String {
        format!("arn:{}:iam::{}:role/{name}", self.partition, self.account)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Script;

    const CALLER: &str = r#"<GetCallerIdentityResponse><GetCallerIdentityResult>
        <Arn>arn:aws-cn:iam::123456789012:user/a</Arn><Account>123456789012</Account>
        </GetCallerIdentityResult></GetCallerIdentityResponse>"#;

    #[tokio::test]
    async fn the_arns_of_a_stack_follow_the_caller() {
        let answer = r#"{"executionArn":"a","stateMachineArn":"m","status":"RUNNING","startDate":1}"#;
        let http = Script::new([(200, CALLER), (200, answer)]);
        let stack = Aws::with(http.config()).unwrap().stack("chaos").await.unwrap();
        let state = stack.executions.state(&"r-1".parse().unwrap()).await.unwrap().unwrap();
        assert!(state.running);
        let body = &http.requests()[1].body;
        assert!(
            body.contains("arn:aws-cn:states:eu-west-1:123456789012:execution:chaos-experiment:r-1"),
            "{body}"
        );
        assert_eq!(stack.rollback.name(), "chaos-rollback");
    }

    #[tokio::test]
    async fn an_execution_is_found_by_its_arn_or_is_none() {
        let ended = r#"{"executionArn":"a:b","stateMachineArn":"m","status":"TIMED_OUT","startDate":1,"cause":"slow"}"#;
        let gone = r#"{"__type":"ExecutionDoesNotExist","message":"no"}"#;
        let http = Script::new([
            (200, ended),
            (400, gone),
            (400, r#"{"__type":"AccessDeniedException"}"#),
        ]);
        let names = Names {
            table: "t".into(),
            notices_topic_arn: None,
            event_bus: None,
            abort_topic_arn: None,
        };
        let executions = Aws::with(http.config())
            .unwrap()
            .ports_with_executions(&names)
            .executions;
        let executions = executions.unwrap();
        let state = executions.state_of("a:b").await.unwrap().unwrap();
        assert_eq!((state.running, state.status.as_str()), (false, "TIMED_OUT"));
        assert_eq!(state.cause.as_deref(), Some("slow"));
        assert_eq!(executions.state_of("a:b").await.unwrap(), None);
        assert_eq!(executions.state_of("a:b").await.unwrap_err().code, Code::AccessDenied);
        assert!(http.requests().iter().all(|sent| sent.body.contains("a:b")));
    }

    #[test]
    fn a_missing_region_is_said_at_once() {
        let error = Aws::with(SdkConfig::builder().build()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "no AWS region is set; set AWS_REGION, or `region` in the profile"
        );
    }

    #[test]
    fn an_endpoint_that_is_no_url_is_refused() {
        let check = |name: &str, value: &str| check_endpoints([(name.to_owned(), value.to_owned())].into_iter());
        check("AWS_ENDPOINT_URL", "http://127.0.0.1:1").unwrap();
        check("PATH", "").unwrap();
        for name in ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_DYNAMODB"] {
            assert!(check(name, "").is_err());
            assert!(check(name, "127.0.0.1:1").is_err());
        }
    }

    #[tokio::test]
    async fn an_experiment_over_the_limit_is_not_sent() {
        let http = Script::new([(200, CALLER)]);
        let stack = Aws::with(http.config()).unwrap().stack("chaos").await.unwrap();
        let input = serde_json::Value::String("x".repeat(256 * 1024));
        let error = stack
            .executions
            .start(&"r-1".parse().unwrap(), &input)
            .await
            .unwrap_err();
        assert_eq!(error.code, Code::InvalidExperiment);
    }
}

//! What the process of the function gets to know, and when it is left alone.

use crate::support::process::{Process, exec};
use crate::support::{RuntimeApi, dynamo};

/// The variables for endpoints that a function sees, and the log.
async fn seen(variables: &[(&str, &str)]) -> (Vec<String>, Vec<serde_json::Value>) {
    let api = RuntimeApi::start([]).await;
    let mut command = exec(
        Some(api.address),
        &["sh", "-c", "env | grep '^AWS_ENDPOINT_URL' | sort"],
    );
    for (name, value) in dynamo::environment(([127, 0, 0, 1], 9).into()) {
        command.env(name, value);
    }
    for (name, value) in variables {
        if value.is_empty() {
            command.env_remove(name);
        } else {
            command.env(name, value);
        }
    }
    let ended = Process::start(&mut command).end().await;
    (ended.output, ended.log)
}

const TRUE: &str = "AWS_ENDPOINT_URL=http://127.0.0.1:9";

#[tokio::test]
async fn the_services_that_are_named_get_an_endpoint_and_no_other() {
    let (seen, log) = seen(&[("INOCULATE_DEPENDENCIES", "dynamodb,secretsmanager")]).await;
    assert_eq!((seen.len(), seen[0].as_str(), log.len()), (3, TRUE, 0), "{seen:?}");
    assert!(
        seen[1].starts_with("AWS_ENDPOINT_URL_DYNAMODB=http://127.0.0.1:"),
        "{seen:?}"
    );
    assert!(
        seen[2].starts_with("AWS_ENDPOINT_URL_SECRETS_MANAGER=http://127.0.0.1:"),
        "{seen:?}"
    );
    assert_ne!(seen[1].rsplit(':').next(), seen[2].rsplit(':').next());
}

#[tokio::test]
async fn what_cannot_be_sound_is_left_alone() {
    let on = ("INOCULATE_DEPENDENCIES", "sqs");
    for (variables, expected, reason) in [
        (vec![], TRUE, ""),
        (vec![on, ("INOCULATE_DISABLED", "1")], TRUE, ""),
        (vec![on, ("INOCULATE_TABLE", "")], TRUE, "INOCULATE_TABLE is not set"),
        (
            vec![on, ("AWS_USE_FIPS_ENDPOINT", "true")],
            TRUE,
            "AWS_USE_FIPS_ENDPOINT is set",
        ),
        (
            vec![on, ("HTTPS_PROXY", "http://proxy:3128")],
            TRUE,
            "HTTPS_PROXY is set",
        ),
        (vec![on, ("AWS_ACCESS_KEY_ID", "")], TRUE, "there are no credentials"),
        (vec![on, ("AWS_CA_BUNDLE", "/ca.pem")], TRUE, "AWS_CA_BUNDLE is set"),
        (
            vec![on, ("AWS_ENDPOINT_URL", "localhost:1")],
            "AWS_ENDPOINT_URL=localhost:1",
            "is not a URL",
        ),
        (vec![("INOCULATE_DEPENDENCIES", "sqss")], TRUE, "taken as none"),
        (
            vec![
                ("INOCULATE_DEPENDENCIES", "kinesis"),
                ("AWS_EXECUTION_ENV", "AWS_Lambda_nodejs22.x"),
            ],
            TRUE,
            "HTTP/2",
        ),
        (
            vec![
                ("INOCULATE_DEPENDENCIES", "stepfunctions"),
                ("AWS_DISABLE_HOST_PREFIX_INJECTION", "true"),
                ("AWS_EXECUTION_ENV", "AWS_Lambda_nodejs22.x"),
            ],
            TRUE,
            "the SDK for JavaScript puts `sync-` before the host",
        ),
        (
            vec![("INOCULATE_DEPENDENCIES", "stepfunctions")],
            TRUE,
            "AWS_DISABLE_HOST_PREFIX_INJECTION is not true",
        ),
    ] {
        let (seen, log) = seen(&variables).await;
        assert_eq!(seen, [expected], "{variables:?}");
        let log: Vec<String> = log.iter().map(ToString::to_string).collect();
        assert!(
            log.len() == usize::from(!reason.is_empty()) && log.iter().all(|line| line.contains(reason)),
            "{log:?}"
        );
    }
}

#[tokio::test]
async fn what_is_all_right_is_not_left_alone() {
    for (service, variable) in [("stepfunctions", "SFN"), ("s3", "S3")] {
        let (seen, log) = seen(&[
            ("INOCULATE_DEPENDENCIES", service),
            ("AWS_DISABLE_HOST_PREFIX_INJECTION", "true"),
            ("AWS_USE_FIPS_ENDPOINT", "false"),
        ])
        .await;
        assert!(seen.len() == 2 && log.is_empty(), "{seen:?} {log:?}");
        assert!(
            seen[1].starts_with(&format!("AWS_ENDPOINT_URL_{variable}=http://127.0.0.1:")),
            "{seen:?}"
        );
    }
}

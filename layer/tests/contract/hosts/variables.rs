//! What the process of the function gets to know.

use crate::support::process::{Process, exec};
use crate::support::{RuntimeApi, dynamo};

/// The variables about proxies that a function sees, and the log.
async fn seen(variables: &[(&str, &str)]) -> (Vec<String>, Vec<serde_json::Value>) {
    let api = RuntimeApi::start([]).await;
    let print = "env | grep -iE '^(https?_proxy|all_proxy|no_proxy|NODE_USE|JAVA_TOOL|AWS_ENDPOINT_URL_S)' | sort";
    let mut command = exec(Some(api.address), &["sh", "-c", print]);
    command.envs(dynamo::environment(([127, 0, 0, 1], 9).into()));
    command.envs(variables.iter().copied());
    let ended = Process::start(&mut command).end().await;
    (ended.output, ended.log)
}

#[tokio::test]
async fn hosts_and_services_go_together() {
    let (seen, log) = seen(&[
        ("INOCULATE_DEPENDENCIES", "sqs,api.example.com"),
        ("NO_PROXY", "own.internal"),
        ("JAVA_TOOL_OPTIONS", "-Xmx64m -Da=b"),
    ])
    .await;
    let names: Vec<&str> = seen.iter().map(|line| line.split('=').next().unwrap()).collect();
    let mut expected = vec![
        "AWS_ENDPOINT_URL_SQS",
        "HTTPS_PROXY",
        "HTTP_PROXY",
        "JAVA_TOOL_OPTIONS",
        "NODE_USE_ENV_PROXY",
        "NO_PROXY",
        "http_proxy",
        "https_proxy",
        "no_proxy",
    ];
    expected.sort_by_key(|name| names.iter().position(|seen| seen == name));
    assert_eq!((names, log.len()), (expected, 0), "{log:?}");
    let has = |text: &str| assert!(seen.iter().any(|line| line.contains(text)), "{text}: {seen:?}");
    has("NO_PROXY=own.internal,127.0.0.1,localhost,");
    has("JAVA_TOOL_OPTIONS=-Xmx64m -Da=b -Dhttp.proxyHost=127.0.0.1 ");
    has("HTTPS_PROXY=http://127.0.0.1:");
}

#[tokio::test]
async fn what_cannot_be_sound_is_left_alone() {
    let on = ("INOCULATE_DEPENDENCIES", "*.example.com");
    for (variables, expected, reason) in [
        (vec![], vec![], ""),
        (
            vec![("INOCULATE_DEPENDENCIES", "sqs")],
            vec!["AWS_ENDPOINT_URL_SQS"],
            "",
        ),
        (vec![on, ("INOCULATE_DISABLED", "1")], vec![], ""),
        (vec![on, ("INOCULATE_TABLE", "")], vec![], "INOCULATE_TABLE is not set"),
        (
            vec![on, ("https_proxy", "http://proxy:3128")],
            vec!["https_proxy"],
            "stay with that proxy",
        ),
        (vec![on, ("NO_PROXY", "*")], vec!["NO_PROXY"], "keeps every call"),
        (
            vec![("INOCULATE_DEPENDENCIES", "https://a.example.com")],
            vec![],
            "taken as none",
        ),
    ] {
        let (seen, log) = seen(&variables).await;
        let names: Vec<&str> = seen.iter().map(|line| line.split('=').next().unwrap()).collect();
        assert_eq!(names, expected, "{variables:?}");
        let log: Vec<String> = log.iter().map(ToString::to_string).collect();
        assert!(
            log.len() == usize::from(!reason.is_empty()) && log.iter().all(|line| line.contains(reason)),
            "{log:?}"
        );
    }
}

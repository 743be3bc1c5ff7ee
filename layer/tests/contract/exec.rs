//! `inoculate-layer exec -- COMMAND...`: to the outside it is COMMAND.

use std::os::unix::process::ExitStatusExt;

use rustix::process::Signal;

use crate::support::process::{Process, exec, gone, kill};
use crate::support::{Event, RuntimeApi};

/// Asks for one event with nothing but bash, prints the answer, and does what `then` says.
fn bash_runtime(then: &str) -> String {
    format!(
        "exec 3<>/dev/tcp/${{AWS_LAMBDA_RUNTIME_API/://}}; \
         printf 'GET /2018-06-01/runtime/invocation/next HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n' >&3; \
         read -r line <&3; echo \"$line\"; {then}"
    )
}

#[tokio::test]
async fn the_exit_code_is_that_of_the_command() {
    let api = RuntimeApi::start([]).await;
    for code in [0, 1, 42, 255] {
        let ended = Process::start(&mut exec(Some(api.address), &["sh", "-c", &format!("exit {code}")]))
            .end()
            .await;
        assert_eq!((ended.status.code(), ended.log.len()), (Some(code), 0));
    }
}

#[tokio::test]
async fn a_command_that_does_not_exist_is_said_in_one_line() {
    let api = RuntimeApi::start([]).await;
    let ended = Process::start(&mut exec(Some(api.address), &["/no/such/runtime"]))
        .end()
        .await;
    assert_eq!(ended.status.code(), Some(127));
    assert_eq!(ended.log.len(), 1);
    assert_eq!(ended.log[0]["command"], "/no/such/runtime");
}

#[tokio::test]
async fn arguments_and_environment_pass_except_for_the_runtime_api() {
    let api = RuntimeApi::start([]).await;
    let print = "printf '%s\\n' \"$@\" \"$SOME\" \"$AWS_LAMBDA_RUNTIME_API\"";
    let mut command = exec(Some(api.address), &["sh", "-c", print, "sh", "--", "a b", ""]);
    let output = Process::start(command.env("SOME", "thing")).end().await.output;
    assert_eq!(output[..4], ["--", "a b", "", "thing"]);
    assert!(output[4].starts_with("127.0.0.1:"), "{output:?}");
    assert_ne!(output[4], api.address.to_string());
}

#[tokio::test]
async fn the_path_of_an_emulator_is_kept() {
    let mut command = exec(None, &["sh", "-c", "echo $AWS_LAMBDA_RUNTIME_API"]);
    let ended = Process::start(command.env("AWS_LAMBDA_RUNTIME_API", "localhost:9001/emulated/f/"))
        .end()
        .await;
    assert!(
        ended.output[0].starts_with("127.0.0.1:") && ended.output[0].ends_with("/emulated/f"),
        "{ended:?}"
    );
}

#[tokio::test]
async fn without_a_runtime_api_the_command_runs_untouched() {
    let ended = Process::start(&mut exec(None, &["sh", "-c", "echo ${AWS_LAMBDA_RUNTIME_API-unset}"]))
        .end()
        .await;
    assert_eq!((ended.status.code(), ended.output), (Some(0), vec!["unset".to_owned()]));
    assert_eq!(ended.log.len(), 1);
    assert_eq!(ended.log[0]["reason"], "AWS_LAMBDA_RUNTIME_API is not set");
}

#[tokio::test]
async fn disabled_is_as_if_it_were_not_there() {
    let api = RuntimeApi::start([]).await;
    let mut command = exec(Some(api.address), &["sh", "-c", "echo $AWS_LAMBDA_RUNTIME_API $$"]);
    let process = Process::start(command.env("INOCULATE_DISABLED", "1"));
    let pid = process.pid();
    let ended = process.end().await;
    // The very process that was started has become the command.
    assert_eq!(ended.output, [format!("{} {pid}", api.address)]);
    assert_eq!(ended.log.len(), 0);
}

#[tokio::test]
async fn a_wrong_configuration_is_one_line_and_not_fatal() {
    let api = RuntimeApi::start([]).await;
    let mut command = exec(Some(api.address), &["true"]);
    let ended = Process::start(command.env("INOCULATE_MAX_PERCENT", "lots").env("INOCULATE_PORT", "-1"))
        .end()
        .await;
    assert_eq!(ended.status.code(), Some(0));
    assert_eq!(ended.log.len(), 1, "{ended:?}");
    assert_eq!(ended.log[0]["mistakes"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn signals_reach_the_command() {
    let api = RuntimeApi::start([]).await;
    for (signal, name) in [
        (Signal::TERM, "TERM"),
        (Signal::INT, "INT"),
        (Signal::HUP, "HUP"),
        (Signal::QUIT, "QUIT"),
        (Signal::USR1, "USR1"),
        (Signal::USR2, "USR2"),
    ] {
        // bash as the leader of nothing: it runs the trap as soon as `wait` is interrupted.
        let script = format!("trap 'echo got {name}; kill %1; exit 7' {name}; sleep 600 & echo ready; wait");
        let mut process = Process::start(&mut exec(Some(api.address), &["bash", "-c", &script]));
        assert_eq!(process.line().await, "ready");
        process.kill(signal);
        let ended = process.end().await;
        assert_eq!(
            (ended.status.code(), ended.output),
            (Some(7), vec![format!("got {name}")])
        );
    }
}

#[tokio::test]
async fn the_signal_that_kills_the_command_kills_the_wrapper() {
    let api = RuntimeApi::start([]).await;
    for signal in ["TERM", "KILL", "SEGV", "ABRT"] {
        let ended = Process::start(&mut exec(
            Some(api.address),
            &["sh", "-c", &format!("kill -{signal} $$")],
        ))
        .end()
        .await;
        let expected = match signal {
            "TERM" => Signal::TERM,
            "KILL" => Signal::KILL,
            "SEGV" => Signal::SEGV,
            _ => Signal::ABORT,
        };
        assert_eq!(ended.status.signal(), Some(expected.as_raw()), "{signal}: {ended:?}");
    }
}

#[tokio::test]
async fn the_command_does_not_outlive_the_wrapper() {
    let api = RuntimeApi::start([]).await;
    let mut process = Process::start(&mut exec(Some(api.address), &["sh", "-c", "echo $$; exec sleep 600"]));
    let command: i32 = process.line().await.parse().unwrap();
    process.kill(Signal::KILL);
    gone(command).await;
    assert_eq!(process.end().await.status.signal(), Some(9));
}

#[tokio::test]
async fn the_wrapper_does_not_outlive_the_command() {
    let api = RuntimeApi::start([]).await;
    let mut process = Process::start(&mut exec(Some(api.address), &["sh", "-c", "echo $$; exec sleep 600"]));
    kill(process.line().await.parse().unwrap(), Signal::KILL);
    assert_eq!(process.end().await.status.signal(), Some(9));
}

#[tokio::test]
async fn a_runtime_that_ends_in_its_long_poll_ends_the_poll() {
    let api = RuntimeApi::start([]).await;
    let process = Process::start(&mut exec(Some(api.address), &["bash", "-c", &bash_runtime("")]));
    api.got("/next").await;
    process.kill(Signal::KILL);
    api.until("the poll ends", |api| (api.connections() == (1, 0)).then_some(()))
        .await;
}

#[tokio::test]
async fn a_handler_that_crashes_is_seen_as_without_us() {
    let api = RuntimeApi::start([Event::new("r", "{}")]).await;
    let ended = Process::start(&mut exec(
        Some(api.address),
        &["bash", "-c", &bash_runtime("kill -SEGV $$")],
    ))
    .end()
    .await;
    assert_eq!(ended.status.signal(), Some(Signal::SEGV.as_raw()));
    assert_eq!(ended.output, ["HTTP/1.1 200 OK"]);
    assert_eq!(api.paths(), ["/2018-06-01/runtime/invocation/next"]);
}

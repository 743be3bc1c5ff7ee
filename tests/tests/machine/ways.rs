//! The ways in which a run ends early, all of them to the same rollback, and where each is proven with the real template,
//! state machine, binaries and roles.
//!
//! | way | test |
//! |---|---|
//! | an alarm, by its event | [`an_alarm_ends_a_run_by_its_event`] |
//! | an alarm, through the abort topic | [`an_alarm_ends_a_run_through_the_abort_topic`] |
//! | an alarm, seen by `observe` | `an_alarm_ends_a_run_and_one_that_fires_already_refuses_it` |
//! | an alarm that the run made for itself | `alarms.rs` |
//! | harm | `a_fragile_system_deviates_and_is_left_as_it_was` |
//! | Stop in the console | `a_stopped_execution_is_rolled_back` |
//! | the execution fails outside of its steps | [`an_execution_that_fails_outside_of_its_steps_is_rolled_back`] |
//! | the execution times out | the same event with another word, which the local stack never sends: `tests/tests/rollback.rs` |
//! | `inoculate abort` | `the_abort_command_ends_a_run` |
//! | a message on the abort topic | `a_message_on_the_abort_topic_ends_a_run` |
//! | the kill switch | [`the_kill_switch_works_without_step_functions`] |
//! | the longest duration | `a_sturdy_system_is_upheld_under_every_kind_of_fault` |
//! | the time window closes | `tests/tests/guards.rs`, in memory: windows have minutes, and the state machine knows only `next` |
//! | a step fails for good | `when_the_injection_fails_half_way_everything_is_back`, and one for each other step |
//! | the orchestrator dies | `dies.rs`; the sweep alone: `sweep.rs` |

use std::net::TcpListener;

use inoculate_core::run::{Cause, Phase, Run, Status};
use serde_json::{Value, json};

use super::local::{Local, System, assert_failed, file, inoculate, throttled};
use super::sweep::sweep;

const ALARM: &str = "customers are unhappy";

/// A run that nobody looks at for half a minute, so that whatever ends it at once is not a look.
fn unobserved() -> Value {
    let mut experiment = throttled();
    experiment["blast_radius"]["longest"] = json!("60s");
    experiment["windows"]["round"] = json!("30s");
    experiment["guards"] = json!({ "alarms": [ALARM] });
    experiment
}

fn assert_ended_by_the_alarm(run: &Run) {
    let ending = run.ending.as_ref().unwrap();
    assert_eq!(
        (ending.status, ending.cause),
        (Status::Aborted, Cause::Alarm),
        "{run:?}"
    );
    assert!(ending.detail.contains(ALARM), "{}", ending.detail);
    assert_eq!(run.rounds, 0, "somebody looked: {run:?}");
}

/// The local stack sends no events of alarms. So the rule is made to hear a second source, which may be used by everybody,
/// and the alarm itself stays as it is.
#[tokio::test]
async fn an_alarm_ends_a_run_by_its_event() {
    let local = Local::start(System::Sturdy).await;
    local.world("alarm", &json!({ "name": ALARM, "state": "OK" }));
    let run_id = local.begin("by-event", &unobserved()).await;
    local.reached(&run_id, Phase::Injected).await;
    for (name, state) in [("another", "ALARM"), (ALARM, "OK"), (ALARM, "ALARM")] {
        local.world("alarm_event", &json!({ "name": name, "state": state }));
    }
    let run = local.reached(&run_id, Phase::RolledBack).await;
    assert_ended_by_the_alarm(&run);
    local.assert_nothing_left(&local.closed(&run_id).await).await;
}

#[tokio::test]
async fn an_alarm_ends_a_run_through_the_abort_topic() {
    let local = Local::start(System::Sturdy).await;
    let topic = &local.outputs["AbortTopicArn"];
    let alarm = |state: &str| local.world("alarm", &json!({ "name": ALARM, "state": state, "topic": topic }));
    alarm("OK");
    let run_id = local.begin("by-topic", &unobserved()).await;
    local.reached(&run_id, Phase::Injected).await;
    alarm("ALARM");
    let run = local.reached(&run_id, Phase::RolledBack).await;
    assert_ended_by_the_alarm(&run);
    local.assert_nothing_left(&local.closed(&run_id).await).await;
}

/// As when the history or a payload becomes too long: no step fails, and no `Catch` is run.
#[tokio::test]
async fn an_execution_that_fails_outside_of_its_steps_is_rolled_back() {
    let local = Local::start(System::Sturdy).await;
    local.world("fail_at", &json!({ "state": "Round" }));
    let run_id = local.begin("top-level", &throttled()).await;
    let run = local.closed(&run_id).await;
    assert_eq!(local.execution(&run_id).await.0, "FAILED");
    assert!(run.injected_at.is_some(), "{run:?}");
    assert_eq!(
        (run.status, run.ending.as_ref().unwrap().cause),
        (Status::Failed, Cause::ExecutionEnded),
        "{run:?}"
    );
    local.assert_nothing_left(&run).await;
}

/// Nothing of Step Functions acts any more, and it does not answer the command.
#[tokio::test]
async fn the_kill_switch_works_without_step_functions() {
    let local = Local::start(System::Sturdy).await;
    local.world("mute", &json!({}));
    let run_id = local.begin("halted", &unobserved_without_alarm()).await;
    local.reached(&run_id, Phase::Injected).await;
    local.inoculate.executions.stop(&run_id, "dead").await.unwrap();

    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let without = |arguments: &[&str]| {
        let mut command = inoculate(arguments);
        command.envs(local.stack.env());
        command.env("AWS_ENDPOINT_URL_SFN", format!("http://{nobody}"));
        command.output().unwrap()
    };
    assert_failed(&without(&["abort", "no-such-run"]), 6, "Connection refused");
    let output = without(&["halt", "--reason", "an incident"]);
    assert!(output.status.success(), "{output:?}");
    let run = local.reached(&run_id, Phase::RolledBack).await;
    let ending = run.ending.as_ref().unwrap();
    assert_eq!(
        (ending.status, ending.cause),
        (Status::Aborted, Cause::Halted),
        "{run:?}"
    );

    let folder = tempfile::tempdir().unwrap();
    let path = file(&folder, &throttled());
    assert_failed(&local.command(&["run", path.to_str().unwrap()]), 4, "an incident");
    let output = without(&["resume"]);
    assert!(output.status.success(), "{output:?}");
    sweep(&local).await;
    let run = local.reached(&run_id, Phase::Closed).await;
    assert_eq!(run.status, Status::Aborted, "{run:?}");
    local.assert_nothing_left(&run).await;
}

fn unobserved_without_alarm() -> Value {
    let mut experiment = unobserved();
    experiment["guards"] = json!({});
    experiment
}

//! What others write stays what it is: an experiment, an alarm, a message and an event are read, and never obeyed beyond that.
//!
//! Beside this file: names have no character that means something anywhere (`core::names`), log lines cannot be forged
//! (`inoculate_step::serve`), nor notices (`core::notice`), nor what the command prints (`inoculate_cli::render::text`), nor the
//! commands for people to copy (`core::shell`).
#![expect(clippy::unwrap_used, reason = "a test says what it found by panicking")]

use inoculate_core::names::RunId;
use inoculate_core::run::{Cause, Phase, Status};
use inoculate_rollback::Trigger;
use inoculate_tests::World;
use inoculate_tests::build;
use inoculate_tests::machine::Machine;
use proptest::prelude::*;
use serde_json::{Value, json};

/// Words that mean something to a shell, a terminal, a key, an ARN, JSON, JSONata, a log or a filter of one.
const HOSTILE: [&str; 12] = [
    "a#b",
    "RUN#r#META",
    "x\n{\"level\":\"ERROR\",\"message\":\"rollback_failed\"}",
    "$(touch /tmp/x)`touch /tmp/x`;'\"",
    "\u{1b}[2J\u{9b}31m\u{202e}",
    "{% $eval('1') %}",
    "States.Format('{}', $.x)",
    "${AWS::AccountId}",
    "arn:aws:lambda:eu-west-1:123456789012:function:other",
    "../../etc/passwd\0",
    "\",\"status\":\"completed\",\"x\":\"",
    "💉é",
];

fn words() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(HOSTILE.to_vec()).prop_map(str::to_owned),
        "[a-zA-Z0-9_.-]{1,80}",
        "\\PC{0,12}",
    ]
}

fn said() -> impl Strategy<Value = Value> {
    prop_oneof![
        words().prop_map(Value::from),
        Just(Value::Null),
        any::<i64>().prop_map(Value::from)
    ]
}

/// Everything by which the rollback is called, with words of others wherever there are words.
fn events() -> impl Strategy<Value = Value> {
    let statuses = prop::sample::select(vec!["completed", "aborted", "failed", "refused", "nonsense"]);
    let ending = (statuses, words())
        .prop_map(|(status, detail)| json!({ "status": status, "cause": "window_over", "detail": detail }));
    let message = (said(), said(), ending, prop::bool::ANY).prop_map(|(run, why, ending, is_alarm)| {
        if is_alarm {
            json!({ "AlarmName": run, "NewStateValue": "ALARM", "NewStateReason": why, "run_id": why, "ending": ending })
        } else {
            json!({ "run_id": run, "ending": ending, "caller": "state_machine", "execution_over": true })
        }
    });
    let topic = |message: Value| json!({ "Records": [{ "Sns": { "Message": message.to_string() } }] });
    prop_oneof![
        message.prop_map(topic),
        (said(), said(), said()).prop_map(|(name, status, cause)| json!({
            "detail-type": "Step Functions Execution Status Change",
            "detail": { "name": name, "status": status, "cause": cause },
        })),
        (said(), said()).prop_map(|(name, reason)| json!({
            "detail-type": inoculate_rollback::ALARM_EVENT,
            "detail": { "alarmName": name, "state": { "value": "ALARM", "reason": reason } },
        })),
        said().prop_map(|run| json!({ "run_id": run })),
    ]
}

proptest! {
    #[test]
    fn an_event_names_a_run_or_nothing_and_never_says_how_it_went(event in events()) {
        let Ok(trigger) = Trigger::read(&event) else { return Ok(()) };
        let (run, ending) = match trigger {
            Trigger::Run { run_id, ending, .. } | Trigger::ExecutionEnded { run_id, ending } => (Some(run_id), ending),
            Trigger::Alarm { ending, .. } => (None, ending),
            Trigger::Nothing { .. } => return Ok(()),
            Trigger::Sweep => panic!("{event} is no sweep"),
        };
        prop_assert!(matches!(ending.status, Status::Aborted | Status::Failed), "{ending:?}");
        prop_assert!(matches!(ending.cause, Cause::Operator | Cause::Alarm | Cause::ExecutionEnded), "{ending:?}");
        if let Some(run) = run {
            let is_harmless = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
            prop_assert!(run.as_str().bytes().all(is_harmless), "{run}");
        }
    }
}

/// An experiment whose every free text is hostile, in a world whose alarm has a hostile name.
fn hostile(words: &str) -> Value {
    let mut experiment = build::experiment_value();
    experiment["hypothesis"] = json!(words);
    experiment["steady_state"][0]["unit"] = json!(words.chars().take(32).collect::<String>());
    experiment["guards"] = json!({ "alarms": [words] });
    experiment
}

async fn executed(world: &std::sync::Arc<World>, id: &RunId, experiment: &Value) -> Status {
    let mut machine = Machine::new(world, world.ports(), id.clone());
    machine.execute(experiment).await.unwrap()
}

/// Nothing of it is read as anything but text: the run goes as any other, and its record says the words as they were written.
#[tokio::test]
async fn a_run_with_hostile_words_goes_like_any_other() {
    for words in HOSTILE {
        let world = build::shop();
        world.set_alarm(words, false);
        let id: RunId = "r".parse().unwrap();
        let status = executed(&world, &id, &hostile(words)).await;
        assert_eq!(status, Status::Completed, "{words:?}");
        let ports = world.ports();
        let run = ports.runs.load(&id).await.unwrap().unwrap();
        assert_eq!(run.phase, Phase::Closed);
        let experiment = ports.runs.experiment(&id).await.unwrap().unwrap();
        assert_eq!(experiment.hypothesis, words);
        let journal = ports.runs.journal(&id).await.unwrap();
        assert_eq!(journal.len(), usize::try_from(run.version).unwrap());
        assert_eq!(world.function(build::PAYMENTS).concurrency, None, "{words:?}");
        for notice in world.look(|state| state.notices.clone()) {
            assert!(
                !notice.subject().contains(inoculate_core::notice::is_unsafe),
                "{words:?}"
            );
            let lines = notice.body();
            let forged = lines
                .chars()
                .any(|letter| letter != '\n' && inoculate_core::notice::is_unsafe(letter));
            assert!(!forged, "{words:?}: {lines}");
        }
    }
}

/// Where a name is asked for, hostile words are refused before anything is done with them.
#[tokio::test]
async fn hostile_names_are_refused() {
    for words in HOSTILE {
        for pointer in [
            "/name",
            "/blast_radius/functions/0",
            "/faults/0/function",
            "/steady_state/0/name",
        ] {
            let mut experiment = build::experiment_value();
            *experiment.pointer_mut(pointer).unwrap() = json!(words);
            let world = build::shop();
            let id: RunId = "r".parse().unwrap();
            let status = executed(&world, &id, &experiment).await;
            assert_eq!(status, Status::Refused, "{pointer}: {words:?}");
            let run = world.ports().runs.load(&id).await.unwrap().unwrap();
            assert_eq!(
                run.ending.unwrap().cause,
                Cause::InvalidExperiment,
                "{pointer}: {words:?}"
            );
            assert_eq!(world.function(build::PAYMENTS).concurrency, None);
        }
    }
}

//! What to put back, and the rule by which it is put back.
//!
//! The record is written before the setting is touched. Restoring compares first: only a setting that still has the
//! value which the run set is put back, so that a deploy in between is never overwritten.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::names::FunctionName;
use crate::setting::{Setting, SettingValue};
use crate::shell;

/// One setting that a run changes, with the value to put back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UndoRecord {
    /// The number of the record in its run, from 0; the index of the fault in the experiment.
    pub number: u32,
    /// The function.
    pub function: FunctionName,
    /// The setting.
    pub setting: Setting,
    /// The value before the run.
    pub before: SettingValue,
    /// The value that the run sets.
    pub set: SettingValue,
    /// How far it is.
    pub state: UndoState,
    /// When the record was last changed.
    pub at: Timestamp,
}

/// How far an undo record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum UndoState {
    /// Written down; the setting may or may not have been changed.
    Intended,
    /// The setting was changed, and was read back.
    Applied,
    /// The rollback is putting the value from before back. Written before it does, so that a value which somebody else
    /// put back is told apart.
    Restoring,
    /// The value from before is back, and was read back.
    Restored,
    /// The setting was never changed.
    NotApplied,
    /// Somebody else changed the setting in the meantime; it was left as they set it.
    Foreign {
        /// The value that was found.
        found: SettingValue,
    },
    /// The function, or the event source mapping, does not exist any more.
    Gone,
}

impl UndoState {
    /// Whether nothing is left to do.
    pub fn is_settled(self) -> bool {
        match self {
            UndoState::Intended | UndoState::Applied | UndoState::Restoring => false,
            UndoState::Restored | UndoState::NotApplied | UndoState::Foreign { .. } | UndoState::Gone => true,
        }
    }
}

/// What rollback does next with a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UndoAction {
    /// Set the value from before.
    Restore,
    /// Record this state; nothing is to be changed.
    Settle(UndoState),
    /// Nothing: it is settled already.
    Nothing,
    /// Look again later: the setting is unchanged, but the step that changes it may still be at work.
    Wait,
}

/// How long the step that writes an undo record may go on to change the setting: longer than its function may run.
pub const IN_FLIGHT: SignedDuration = SignedDuration::from_secs(90);

/// What is known of the step that puts faults in place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Injector {
    /// It is over: the state machine has gone on to the rollback.
    Ended,
    /// It may be at work right now: the rollback was called from outside.
    MayBeRunning,
}

impl UndoRecord {
    /// Decides what to do from what is set now. Pure, and idempotent: the action after its own effect is to settle.
    ///
    /// A change that was written down but is not there counts as never made only when nobody can make it any more.
    pub fn action(&self, found: SettingValue, injector: Injector, now: Timestamp) -> UndoAction {
        let may_yet_apply = injector == Injector::MayBeRunning && now.duration_since(self.at) < IN_FLIGHT;
        match self.state {
            UndoState::Restored | UndoState::NotApplied | UndoState::Foreign { .. } | UndoState::Gone => {
                UndoAction::Nothing
            }
            UndoState::Intended | UndoState::Applied | UndoState::Restoring if found == self.set => UndoAction::Restore,
            UndoState::Intended if found == self.before && may_yet_apply => UndoAction::Wait,
            UndoState::Intended if found == self.before => UndoAction::Settle(UndoState::NotApplied),
            UndoState::Restoring if found == self.before => UndoAction::Settle(UndoState::Restored),
            // Also when it is the value from before: it was not this run that put it back.
            UndoState::Intended | UndoState::Applied | UndoState::Restoring => {
                UndoAction::Settle(UndoState::Foreign { found })
            }
        }
    }
}

impl UndoRecord {
    /// The command that puts the value from before back, for a person to type when Inoculate could not. Whatever the record
    /// holds, it is this command and no other.
    pub fn by_hand(&self) -> String {
        let function = shell::word(self.function.as_str());
        match (&self.setting, self.before) {
            (Setting::ReservedConcurrency, SettingValue::Executions(count)) => format!(
                "aws lambda put-function-concurrency --function-name {function} --reserved-concurrent-executions {count}"
            ),
            (Setting::Timeout, SettingValue::Seconds(secs)) => {
                format!("aws lambda update-function-configuration --function-name {function} --timeout {secs}")
            }
            (Setting::Memory, SettingValue::Megabytes(megabytes)) => {
                format!("aws lambda update-function-configuration --function-name {function} --memory-size {megabytes}")
            }
            (Setting::EventSource { source }, _) => format!(
                "aws lambda update-event-source-mapping --enabled --uuid $(aws lambda list-event-source-mappings \
                 --function-name {function} --event-source-arn {} --query 'EventSourceMappings[0].UUID' --output text)",
                shell::word(source)
            ),
            _ => format!("aws lambda delete-function-concurrency --function-name {function}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn record(before: u32, set: u32, state: UndoState) -> UndoRecord {
        UndoRecord {
            number: 0,
            function: "payments".parse().unwrap(),
            setting: Setting::Timeout,
            before: SettingValue::Seconds(before),
            set: SettingValue::Seconds(set),
            state,
            at: Timestamp::UNIX_EPOCH,
        }
    }

    fn unsettled() -> impl Strategy<Value = UndoState> {
        prop_oneof![
            Just(UndoState::Intended),
            Just(UndoState::Applied),
            Just(UndoState::Restoring)
        ]
    }

    proptest! {
        #[test]
        fn only_a_value_that_the_run_set_is_ever_overwritten(before in 1u32..9, set in 1u32..9, found in 1u32..9, state in unsettled()) {
            prop_assume!(before != set);
            let action = record(before, set, state).action(SettingValue::Seconds(found), Injector::Ended, Timestamp::UNIX_EPOCH);
            prop_assert_eq!(action == UndoAction::Restore, found == set);
        }

        #[test]
        fn after_restoring_it_settles(before in 1u32..9, set in 1u32..9, state in unsettled()) {
            prop_assume!(before != set);
            let record = record(before, set, state);
            let UndoAction::Settle(state) = record.action(record.before, Injector::Ended, record.at) else { panic!("not settled") };
            prop_assert!(state.is_settled());
            prop_assert_eq!(UndoRecord { state, ..record.clone() }.action(record.set, Injector::Ended, record.at), UndoAction::Nothing);
        }
    }

    /// A record is read as it was written, long after the experiment was checked.
    #[test]
    fn the_command_to_restore_by_hand_cannot_become_another_one() {
        let source = "arn:aws:sqs:$(touch /tmp/x);'`*";
        let record = UndoRecord {
            setting: Setting::EventSource { source: source.into() },
            before: SettingValue::Enabled(true),
            ..record(3, 1, UndoState::Applied)
        };
        let aws = r#"aws() { printf '%s\n' "$@"; }"#;
        let script = format!("{aws}\n{}", record.by_hand());
        let output = std::process::Command::new("/bin/sh")
            .args(["-c", &script])
            .output()
            .unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(
            said.contains("update-event-source-mapping\n--enabled\n--uuid\n"),
            "{said}"
        );
        let inner = record
            .by_hand()
            .replace("aws lambda update-event-source-mapping --enabled --uuid $(", "(");
        let output = std::process::Command::new("/bin/sh")
            .args(["-c", &format!("{aws}\n{inner}")])
            .output()
            .unwrap();
        let words: Vec<String> = String::from_utf8(output.stdout)
            .unwrap()
            .lines()
            .map(str::to_owned)
            .collect();
        let expected = [
            "lambda",
            "list-event-source-mappings",
            "--function-name",
            "payments",
            "--event-source-arn",
            source,
            "--query",
            "EventSourceMappings[0].UUID",
            "--output",
            "text",
        ];
        assert_eq!(words, expected);
    }

    #[test]
    fn only_the_rollback_itself_restores() {
        let found_before =
            |state| record(3, 1, state).action(SettingValue::Seconds(3), Injector::Ended, Timestamp::UNIX_EPOCH);
        let found = SettingValue::Seconds(3);
        assert_eq!(
            found_before(UndoState::Restoring),
            UndoAction::Settle(UndoState::Restored)
        );
        assert_eq!(
            found_before(UndoState::Applied),
            UndoAction::Settle(UndoState::Foreign { found })
        );
        assert_eq!(
            found_before(UndoState::Intended),
            UndoAction::Settle(UndoState::NotApplied)
        );
    }

    #[test]
    fn what_may_yet_be_applied_is_waited_for() {
        let record = record(3, 1, UndoState::Intended);
        let (soon, late) = (record.at + IN_FLIGHT / 2, record.at + IN_FLIGHT);
        let never = UndoAction::Settle(UndoState::NotApplied);
        assert_eq!(
            record.action(record.before, Injector::MayBeRunning, soon),
            UndoAction::Wait
        );
        assert_eq!(record.action(record.before, Injector::MayBeRunning, late), never);
        assert_eq!(record.action(record.before, Injector::Ended, soon), never);
        assert_eq!(
            record.action(record.set, Injector::MayBeRunning, soon),
            UndoAction::Restore
        );
    }

    #[test]
    fn a_foreign_change_is_reported_with_what_was_found() {
        let found = SettingValue::Seconds(7);
        let action = record(3, 1, UndoState::Applied).action(found, Injector::MayBeRunning, Timestamp::UNIX_EPOCH);
        assert_eq!(action, UndoAction::Settle(UndoState::Foreign { found }));
    }
}

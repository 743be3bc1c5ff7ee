//! Putting back what a run changed.
//!
//! Look, compare, set, read back. A setting that somebody else changed is left as it is.

use inoculate_core::error::{Code, Error, Result};
use inoculate_core::undo::{Injector, UndoAction, UndoRecord, UndoState};

use crate::Step;

/// What is to be done about a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// Nothing is left to do; record this state.
    Settled(UndoState),
    /// AWS is still carrying out a change, or the injection may still make it: look again in a moment.
    Pending,
    /// It still has the value that the run set.
    Changed,
}

/// How far a setting is that is being put back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Restored {
    /// Nothing is left to do; record this state.
    Settled(UndoState),
    /// AWS is still carrying out a change, or somebody else has just made one: look again in a moment.
    Pending,
}

impl Step {
    /// Looks at a setting that a run may have changed. Changes nothing.
    ///
    /// # Errors
    /// What AWS answers when the setting cannot be read.
    pub async fn look(&self, record: &UndoRecord, injector: Injector) -> Result<Look> {
        let reading = match self.ports.targets.read(&record.function, &record.setting).await {
            Ok(reading) => reading,
            Err(error) => {
                return Ok(match gone_or_busy(error)? {
                    Restored::Settled(state) => Look::Settled(state),
                    Restored::Pending => Look::Pending,
                });
            }
        };
        Ok(match record.action(reading.value, injector, self.ports.clock.now()) {
            UndoAction::Nothing => Look::Settled(record.state),
            UndoAction::Wait => Look::Pending,
            UndoAction::Settle(_) if reading.updating => Look::Pending,
            UndoAction::Settle(state) => Look::Settled(state),
            UndoAction::Restore => Look::Changed,
        })
    }

    /// Puts a setting back that still has the value which the run set. Idempotent.
    ///
    /// When somebody else changes the setting between the look and the change, theirs is kept, and the next look
    /// finds it.
    ///
    /// # Errors
    /// What AWS answers when the setting can be neither read nor written. A busy function is [`Restored::Pending`].
    pub async fn put_back(&self, record: &UndoRecord) -> Result<Restored> {
        let targets = &self.ports.targets;
        let UndoRecord {
            function,
            setting,
            set,
            before,
            ..
        } = record;
        if let Err(error) = targets.replace(function, setting, *set, *before).await {
            return gone_or_busy(error);
        }
        match targets.read(function, setting).await {
            Ok(after) if after.value == *before && !after.updating => Ok(Restored::Settled(UndoState::Restored)),
            Ok(_) => Ok(Restored::Pending),
            Err(error) => gone_or_busy(error),
        }
    }
}

fn gone_or_busy(error: Error) -> Result<Restored> {
    match error.code {
        Code::TargetNotFound => Ok(Restored::Settled(UndoState::Gone)),
        code if code.is_transient() => Ok(Restored::Pending),
        _ => Err(error),
    }
}

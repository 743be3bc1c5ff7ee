//! Putting back what a run changed.
//!
//! Compare, set, read back. A setting that somebody else changed is left as it is.

use inoculate_core::error::{Code, Error, Result};
use inoculate_core::undo::{Injector, UndoAction, UndoRecord, UndoState};

use crate::Step;

/// How far a setting is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Restored {
    /// Nothing is left to do; record this state.
    Settled(UndoState),
    /// AWS is still carrying out a change, somebody else has just made one, or the injection may still make it: try
    /// again in a moment.
    Pending,
}

impl Step {
    /// Puts one setting back, if it still has the value that the run set. Idempotent.
    ///
    /// When somebody else changes the setting between the look and the change, theirs is kept, and the next call
    /// finds it.
    ///
    /// # Errors
    /// What AWS answers when the setting can be neither read nor written. A busy function is [`Restored::Pending`].
    pub async fn restore(&self, record: &UndoRecord, injector: Injector) -> Result<Restored> {
        let targets = &self.ports.targets;
        let reading = match targets.read(&record.function, &record.setting).await {
            Ok(reading) => reading,
            Err(error) => return gone_or_busy(error),
        };
        match record.action(reading.value, injector, self.ports.clock.now()) {
            UndoAction::Nothing => Ok(Restored::Settled(record.state)),
            UndoAction::Wait => Ok(Restored::Pending),
            UndoAction::Settle(_) if reading.updating => Ok(Restored::Pending),
            UndoAction::Settle(state) => Ok(Restored::Settled(state)),
            UndoAction::Restore => {
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
                match targets.read(&record.function, &record.setting).await {
                    Ok(after) if after.value == record.before && !after.updating => {
                        Ok(Restored::Settled(UndoState::Restored))
                    }
                    Ok(_) => Ok(Restored::Pending),
                    Err(error) => gone_or_busy(error),
                }
            }
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

//! The kill switch, and what became of the runs that were under way.

use inoculate_core::error::Result;
use inoculate_core::names::RunId;
use inoculate_core::ports::Halt;
use serde_json::{Value, json};

use super::error;
use super::style::Style;
use super::text::{count, time, wrap};
use crate::connection::RollbackAnswer;
use crate::output::error_object;

/// What a halt did.
#[derive(Debug, Clone, PartialEq)]
pub struct Halted {
    /// The kill switch as it was set.
    pub halt: Halt,
    /// What became of every run that was under way.
    pub runs: Vec<Ended>,
}

/// What became of a run that was under way.
#[derive(Debug, Clone, PartialEq)]
pub struct Ended {
    /// The run.
    pub run_id: RunId,
    /// The last answer of the rollback function, which says that everything is back; or why it is not.
    pub outcome: Result<RollbackAnswer>,
}

impl Halted {
    /// For `--json`.
    pub fn json(&self) -> Value {
        let runs = self.runs.iter().map(|run| match &run.outcome {
            Ok(answer) => json!({ "run_id": run.run_id, "rollback": answer }),
            Err(error) => json!({ "run_id": run.run_id, "error": error_object(error) }),
        });
        json!({ "halt": self.halt, "runs": runs.collect::<Vec<_>>() })
    }
}

/// What a halt did. `resume` is the command that lifts it.
pub fn halted(halted: &Halted, resume: &str, style: Style) -> String {
    let mut lines = vec![wrap("halted: ", &halted.halt.reason)];
    for run in &halted.runs {
        lines.push(style.bold(run.run_id.as_str()));
        match &run.outcome {
            Ok(_) => lines.push(format!(
                "  {}; nothing of it is left in any target",
                style.good("rolled back")
            )),
            Err(error) => {
                lines.push(format!("  {}", style.bad("NOT ROLLED BACK, see to it")));
                lines.push(error::text(error, style));
            }
        }
    }
    let failed = halted.runs.iter().filter(|run| run.outcome.is_err()).count();
    let ended = match (halted.runs.len(), failed) {
        (0, _) => "no run was under way".to_owned(),
        (all, 0) => format!("{} ended", count(all, "run")),
        (all, failed) => format!("{failed} of {} not rolled back", count(all, "run")),
    };
    lines.push(wrap("", &format!("{ended}; nothing starts until `{resume}`")));
    lines.join("\n")
}

/// What was lifted, if anything.
pub fn resumed(lifted: Option<&Halt>) -> String {
    match lifted {
        Some(halt) => {
            let text = format!("lifted the halt of {}: {}", time(halt.since), halt.reason);
            format!("{}\nruns may start again", wrap("", &text))
        }
        None => "there was no halt; runs may start".to_owned(),
    }
}

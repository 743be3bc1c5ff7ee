//! Following a run until it is over.

use std::time::Duration;

use inoculate_core::error::Result;
use inoculate_core::names::RunId;
use inoculate_core::plan::Plan;
use inoculate_core::ports::{ExecutionState, Measured, Results};
use inoculate_core::run::{Event, JournalEntry, Phase, Run, Status};
use jiff::{SignedDuration, Timestamp};

use super::Context;
use crate::render;

/// How long to wait between two looks.
const PAUSE: Duration = Duration::from_secs(1);

/// How many looks in a row may fail for reasons that pass by themselves.
const PATIENCE: u32 = 30;

/// How long the record of a run may stand still after its execution is over. The rollback that follows the end of an
/// execution is an event away.
const GRACE: SignedDuration = SignedDuration::from_secs(30);

/// How long to wait for a record that an execution which is over did not write so far. Without one, nothing was changed.
const LATE_RECORD: SignedDuration = SignedDuration::from_secs(5);

/// How it ended.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum End {
    /// The record is closed and the execution is over.
    Closed,
    /// The execution is over and the record is still open, or was never there.
    LeftOpen(ExecutionState),
    /// Somebody pressed Ctrl-C. The run goes on.
    Interrupted,
}

/// Shows what happens in a run until it is over.
///
/// # Errors
/// What AWS answers, when it goes on answering so. The run itself goes on then.
pub(super) async fn follow(context: &Context<'_>, run: &RunId, plan: &Plan) -> Result<End> {
    let mut watcher = Watcher {
        context,
        plan,
        id: run,
        printed: 0,
        phase: None,
        last_news: context.aws.ports.clock.now(),
    };
    let end = tokio::select! {
        end = watcher.watch() => end,
        Ok(()) = tokio::signal::ctrl_c() => Ok(End::Interrupted),
    };
    context.output.status_line("");
    end
}

struct Watcher<'a> {
    context: &'a Context<'a>,
    plan: &'a Plan,
    id: &'a RunId,
    /// The number of the last journal entry that was printed.
    printed: u64,
    /// The phase of the last look.
    phase: Option<Phase>,
    /// When the record last changed.
    last_news: Timestamp,
}

impl Watcher<'_> {
    async fn watch(&mut self) -> Result<End> {
        let mut misses = 0;
        loop {
            match self.look().await {
                Ok(Some(end)) => return Ok(end),
                Ok(None) => misses = 0,
                Err(error) if error.code.is_transient() && misses < PATIENCE => misses += 1,
                Err(error) => return Err(error.context(format!("run {} goes on, but cannot be followed", self.id))),
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn look(&mut self) -> Result<Option<End>> {
        let ports = &self.context.aws.ports;
        // The execution first: when it is over, the record that is read after it is the last one that it wrote.
        let execution = self.context.aws.executions.state(self.id).await?;
        let run = ports.runs.load(self.id).await?;
        let now = ports.clock.now();
        if let Some(run) = &run {
            self.show_news(run).await?;
        }
        self.show_phase(run.as_ref(), now);
        Ok(end(run.as_ref(), execution, now.duration_since(self.last_news)))
    }

    /// Prints the entries of the journal that were not printed yet, with the measures that belong to them.
    async fn show_news(&mut self, run: &Run) -> Result<()> {
        if run.version <= self.printed {
            return Ok(());
        }
        let ports = &self.context.aws.ports;
        let journal = ports.runs.journal(self.id).await?;
        let results = ports.runs.results(self.id).await?;
        let output = self.context.output;
        for entry in journal.iter().filter(|entry| entry.number > self.printed) {
            output.progress(&render::journal::news(entry, run.opened_at, output.stderr));
            if let Some(measured) = measured(entry, &results) {
                output.progress(&render::findings::brief(&measured.findings, output.stderr));
            }
        }
        self.printed = journal.last().map_or(self.printed, |entry| entry.number);
        self.last_news = ports.clock.now();
        Ok(())
    }

    /// Every second on a terminal; elsewhere once a phase.
    fn show_phase(&mut self, run: Option<&Run>, now: Timestamp) {
        let output = self.context.output;
        let line = render::progress::line(run, self.plan, now, output.stderr);
        let phase = run.map(|run| run.phase);
        if output.stderr.terminal {
            output.status_line(&line);
        } else if phase != self.phase && phase != Some(Phase::Closed) {
            output.progress(&line);
        }
        self.phase = phase;
    }
}

/// What was measured for an entry of the journal.
fn measured<'a>(entry: &JournalEntry, results: &'a Results) -> Option<&'a Measured> {
    match &entry.event {
        Event::BaselineHeld => results.baseline.as_ref(),
        Event::Observed { round, .. } => {
            let index = usize::try_from(*round).ok()?.checked_sub(1)?;
            results.observations.get(index)
        }
        _ => None,
    }
}

/// Whether it is over. `quiet` is how long the record has not changed.
fn end(run: Option<&Run>, execution: Option<ExecutionState>, quiet: SignedDuration) -> Option<End> {
    let execution = execution.filter(|execution| !execution.running)?;
    match run {
        Some(run) if run.phase == Phase::Closed => Some(End::Closed),
        Some(run) if run.status == Status::RollbackFailed => Some(End::LeftOpen(execution)),
        Some(_) if quiet >= GRACE => Some(End::LeftOpen(execution)),
        None if quiet >= LATE_RECORD => Some(End::LeftOpen(execution)),
        Some(_) | None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::samples;

    fn execution(running: bool) -> Option<ExecutionState> {
        Some(ExecutionState {
            arn: "arn".into(),
            running,
            status: String::new(),
            error: None,
            cause: None,
        })
    }

    #[test]
    fn it_is_over_when_the_record_is_closed_and_the_execution_is_over() {
        let short = SignedDuration::from_secs(1);
        let closed = samples::upheld().run;
        let open = samples::running().run;
        let left = execution(false).map(End::LeftOpen);
        assert_eq!(end(Some(&closed), execution(false), short), Some(End::Closed));
        assert_eq!(end(Some(&closed), execution(true), GRACE), None);
        assert_eq!(end(Some(&open), execution(true), GRACE), None);
        assert_eq!(
            end(Some(&open), execution(false), short),
            None,
            "its rollback is on its way"
        );
        assert_eq!(end(Some(&open), execution(false), GRACE), left);
        assert_eq!(end(None, execution(false), LATE_RECORD), left);
        assert_eq!(end(None, execution(false), short), None);
        assert_eq!(end(None, None, GRACE), None, "a new execution is not visible at once");
    }

    #[test]
    fn a_failed_rollback_needs_no_waiting() {
        let failed = samples::rollback_failed().run;
        let end = end(Some(&failed), execution(false), SignedDuration::ZERO);
        assert_eq!(end, execution(false).map(End::LeftOpen));
    }

    #[test]
    fn measures_belong_to_the_entry_that_tells_of_them() {
        let details = samples::upheld();
        let shown = |entry: &JournalEntry| measured(entry, &details.results).is_some();
        let names: Vec<&str> = details
            .journal
            .iter()
            .filter(|entry| shown(entry))
            .map(|entry| entry.event.name())
            .collect();
        assert_eq!(names, ["baseline_held", "observed", "observed"]);
    }
}

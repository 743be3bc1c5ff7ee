//! Following a run until it is over.

#[cfg(unix)]
use std::task::Poll;
use std::time::Duration;

use inoculate_core::error::Result;
use inoculate_core::experiment::Experiment;
use inoculate_core::names::RunId;
use inoculate_core::plan::Plan;
use inoculate_core::ports::{ExecutionState, Measured, Results};
use inoculate_core::run::{Event, JournalEntry, Phase, Run, Status};
use jiff::{SignedDuration, Timestamp};

use super::{Context, live};
use crate::output::Output;
use crate::render;
use crate::terminal::Raw;

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

/// Shows what happens in a run until it is over: drawn on a terminal at which somebody sits, else line by line.
///
/// # Errors
/// What AWS answers, when it goes on answering so. The run itself goes on then.
pub(super) async fn follow(context: &Context<'_>, id: &RunId) -> Result<End> {
    let output = context.output;
    let is_drawn = output.stderr.terminal && !output.json;
    if let Some(raw) = is_drawn.then(|| Raw::enter().ok()).flatten() {
        return live::follow(context, id, raw).await;
    }
    let mut lines = Lines {
        output,
        plan: None,
        phase: None,
    };
    let end = tokio::select! {
        end = until_over(context, id, |look| lines.show(&look)) => end,
        () = interrupted() => Ok(End::Interrupted),
    };
    output.status(&[]);
    end
}

/// Comes when somebody wants the command to end: Ctrl-C, or the terminal or the CI job that it belongs to ends. Listens from the
/// call on, not only once it is waited for: until then, a signal would end the process on the spot.
#[cfg(unix)]
pub(super) fn interrupted() -> impl Future<Output = ()> {
    use tokio::signal::unix::{Signal, SignalKind, signal};
    let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
    // What cannot be listened to never comes.
    let mut signals: Vec<Signal> = kinds.into_iter().filter_map(|kind| signal(kind).ok()).collect();
    std::future::poll_fn(
        move |context| match signals.iter_mut().any(|signal| signal.poll_recv(context).is_ready()) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        },
    )
}

/// Comes when somebody wants the command to end: Ctrl-C, the only way on other systems.
#[cfg(not(unix))]
pub(super) async fn interrupted() {
    if tokio::signal::ctrl_c().await.is_err() {
        // What cannot be listened to never comes.
        std::future::pending().await
    }
}

/// One look at a run.
pub(super) struct Look<'a> {
    /// Its record, once there is one.
    pub(super) run: Option<&'a Run>,
    /// What is new in it since the look before.
    pub(super) news: Option<News>,
    /// When it was looked at.
    pub(super) now: Timestamp,
}

/// What is recorded of a run whose record has changed.
pub(super) struct News {
    /// The entries of the journal that are new.
    pub(super) entries: Vec<JournalEntry>,
    /// All that was measured.
    pub(super) results: Results,
    /// The experiment; absent when it could not be read.
    pub(super) experiment: Option<Experiment>,
}

/// Looks at a run every second until it is over, and shows each look.
///
/// # Errors
/// What AWS answers, when it goes on answering so. The run itself goes on then.
pub(super) async fn until_over(context: &Context<'_>, id: &RunId, mut show: impl FnMut(Look<'_>)) -> Result<End> {
    let mut watcher = Watcher {
        context,
        id,
        seen: 0,
        experiment: None,
        last_news: context.aws.ports.clock.now(),
    };
    let mut misses = 0;
    loop {
        match watcher.look(&mut show).await {
            Ok(Some(end)) => return Ok(end),
            Ok(None) => misses = 0,
            Err(error) if error.code.is_transient() && misses < PATIENCE => misses += 1,
            Err(error) => return Err(error.context(format!("run {id} goes on, but cannot be followed"))),
        }
        tokio::time::sleep(PAUSE).await;
    }
}

struct Watcher<'a> {
    context: &'a Context<'a>,
    id: &'a RunId,
    /// The number of the last journal entry that was seen.
    seen: u64,
    /// The experiment, once it was read: it does not change.
    experiment: Option<Experiment>,
    /// When the record last changed.
    last_news: Timestamp,
}

impl Watcher<'_> {
    async fn look(&mut self, show: &mut impl FnMut(Look<'_>)) -> Result<Option<End>> {
        let ports = &self.context.aws.ports;
        // The execution first: when it is over, the record that is read after it is the last one that it wrote.
        let execution = self.context.aws.executions.state(self.id).await?;
        let run = ports.runs.load(self.id).await?;
        let news = match &run {
            Some(run) if run.version > self.seen => Some(self.news().await?),
            _ => None,
        };
        let now = ports.clock.now();
        let run = run.as_ref();
        show(Look { run, news, now });
        Ok(end(run, execution, now.duration_since(self.last_news)))
    }

    async fn news(&mut self) -> Result<News> {
        let ports = &self.context.aws.ports;
        if self.experiment.is_none() {
            self.experiment = ports.runs.experiment(self.id).await?;
        }
        let mut entries = ports.runs.journal(self.id).await?;
        let results = ports.runs.results(self.id).await?;
        entries.retain(|entry| entry.number > self.seen);
        self.seen = entries.last().map_or(self.seen, |entry| entry.number);
        self.last_news = ports.clock.now();
        Ok(News {
            entries,
            results,
            experiment: self.experiment.clone(),
        })
    }
}

/// Line by line, for logs and for terminals at which nobody sits.
struct Lines<'a> {
    output: &'a Output,
    plan: Option<Plan>,
    /// The phase of the last look.
    phase: Option<Phase>,
}

impl Lines<'_> {
    fn show(&mut self, look: &Look<'_>) {
        if let (Some(run), Some(news)) = (look.run, &look.news) {
            self.plan = news.experiment.as_ref().map(Plan::of);
            self.show_news(run, news);
        }
        self.show_phase(look.run, look.now);
    }

    /// The new entries of the journal, with the measures that belong to them.
    fn show_news(&mut self, run: &Run, news: &News) {
        let output = self.output;
        for entry in &news.entries {
            output.progress(&render::journal::news(entry, run.opened_at, output.stderr));
            if let Some(measured) = measured(entry, &news.results) {
                output.progress(&render::findings::brief(&measured.findings, output.stderr));
            }
        }
    }

    /// Every second on a terminal; elsewhere once a phase.
    fn show_phase(&mut self, run: Option<&Run>, now: Timestamp) {
        let output = self.output;
        let line = render::progress::line(run, self.plan.as_ref(), now, output.stderr);
        let phase = run.map(|run| run.phase);
        if output.stderr.terminal {
            output.status(&[line]);
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

//! The sweep: every minute, whatever is left of runs that nobody looks after any more, and whatever takes too long.
//!
//! It goes by the list of open runs. What a run may leave behind is found by its record: its undo records, and the leases of
//! its functions. Whatever a run makes outside of its functions from now on belongs into [`turn`], too, or, where no record
//! tells of it, into a search of its own at the end of [`sweep`], like that for [`strays`].

use std::time::Duration;

use futures_util::future::join_all;
use inoculate_core::error::{Code, Error, Result};
use inoculate_core::experiment::Experiment;
use inoculate_core::names::RunId;
use inoculate_core::ports::Halt;
use inoculate_core::run::{Phase, Run, Status};
use inoculate_core::sweep::{Care, Execution, Sight, care};
use inoculate_core::undo::Injector;
use inoculate_step::{Next, Step, log};
use jiff::{SignedDuration, Timestamp};
use tracing::Instrument;

use crate::strays::delete_strays;
use crate::{Output, PAUSE, close_without_verdict, roll_back};

/// The word in the log by which an alarm knows a sweep that left something undone. A test holds the template to it.
pub const SWEEP_FAILED: &str = "sweep_failed";

/// How long a sweep goes on. The next one comes after a minute, and the function may run for two.
const BUDGET: SignedDuration = SignedDuration::from_secs(50);
/// How long one look at one run may take, and the look for stray alarms, so that what AWS does not answer for one holds up no
/// other for long.
const LONGEST_TURN: Duration = Duration::from_secs(20);
/// How many runs are looked at together.
const AT_ONCE: usize = 10;

/// What came of one look at a run.
enum Turn {
    /// It is at work, or over.
    LeftAlone,
    /// Nothing of it is left in any target.
    Settled,
    /// AWS is still carrying out a change, or the injection may still make one.
    Pending(Vec<String>),
    /// What could be done is done, but without knowing all that there is to know.
    Blind(Error),
}

/// What came of a sweep.
#[derive(Default)]
struct Swept {
    left_alone: usize,
    settled: usize,
    /// Alarms that runs had left, and that are deleted.
    strays: usize,
    /// Runs that want another look, and why.
    again: Vec<(RunId, String)>,
    /// What was left undone, in words. A person may be needed.
    failed: Vec<String>,
}

/// Looks after every open run: oldest first, one look each before any gets another, until nothing is left to do or the time
/// is up. Idempotent, and may run at the same time as any other rollback.
///
/// Never an error: Lambda would try it again and then keep it as a lost signal, while the next sweep is a minute away. What
/// is left undone is in `pending`, and in the log as [`SWEEP_FAILED`], which raises an alarm when it goes on.
pub(crate) async fn sweep(step: &Step) -> Output {
    let until = step.ports.clock.now() + BUDGET;
    let mut swept = Swept::default();
    look_after_runs(step, until, &mut swept).await;
    match in_time(delete_strays(step)).await {
        Ok((deleted, failed)) => {
            swept.strays = deleted;
            if let Some(error) = failed {
                swept.fail("an alarm that a run left", &error);
            }
        }
        Err(error) => swept.fail("the alarms that runs left", &error),
    }
    swept.output()
}

async fn look_after_runs(step: &Step, until: Timestamp, swept: &mut Swept) {
    let clock = &step.ports.clock;
    let mut waiting = match step.ports.runs.open().await {
        Ok(open) => open,
        Err(error) => {
            swept.fail("the open runs cannot be listed", &error);
            Vec::new()
        }
    };
    let halt = if waiting.is_empty() {
        None
    } else {
        halt(step, swept).await
    };
    loop {
        for some in waiting.chunks(AT_ONCE) {
            if clock.now() >= until {
                let late = |id: &RunId| (id.clone(), "the sweep had no time for it".to_owned());
                swept.again.extend(some.iter().map(late));
                continue;
            }
            let turns = join_all(
                some.iter()
                    .map(|id| in_time(turn(step, id, halt.as_ref())).instrument(log::about(id))),
            )
            .await;
            for (id, turn) in some.iter().zip(turns) {
                swept.take(id, turn);
            }
        }
        if swept.again.is_empty() || clock.now() + SignedDuration::from_secs(1) >= until {
            return;
        }
        clock.sleep(PAUSE).await;
        waiting = swept.again.drain(..).map(|(id, _)| id).collect();
    }
}

/// The kill switch, while it stands. If it cannot be read, runs are looked after without it.
async fn halt(step: &Step, swept: &mut Swept) -> Option<Halt> {
    match step.ports.library.halt().await {
        Ok(halt) => halt,
        Err(error) => {
            swept.fail("the kill switch cannot be read", &error);
            None
        }
    }
}

async fn in_time<T>(turn: impl Future<Output = Result<T>>) -> Result<T> {
    let late = |_| Err(Error::new(Code::Unavailable, "AWS took too long to answer"));
    tokio::time::timeout(LONGEST_TURN, turn).await.unwrap_or_else(late)
}

/// Looks at one run and does what is to be done about it.
async fn turn(step: &Step, id: &RunId, halt: Option<&Halt>) -> Result<Turn> {
    let Some(run) = step.ports.runs.load(id).await? else {
        return Ok(Turn::LeftAlone);
    };
    if run.phase == Phase::Closed {
        return Ok(Turn::LeftAlone);
    }
    let (execution, trouble) = execution(step, &run).await;
    let (experiment, unread) = experiment(step, &run).await;
    let sight = Sight {
        now: step.ports.clock.now(),
        execution,
        experiment: experiment.as_ref(),
        halt,
    };
    let turn = match care(&run, &sight) {
        Care::LeaveAlone => Turn::LeftAlone,
        Care::RollBack(ending) => {
            let output = roll_back(step, id, &ending, Injector::MayBeRunning).await?;
            settled_or_pending(&output)
        }
        Care::Close(ending) => {
            let output = roll_back(step, id, &ending, Injector::MayBeRunning).await?;
            let turn = settled_or_pending(&output);
            if output.settled {
                close_without_verdict(step, id, output).await?;
            }
            turn
        }
    };
    Ok(match (turn, trouble.or(unread)) {
        (Turn::LeftAlone | Turn::Settled, Some(error)) => Turn::Blind(error),
        (turn, _) => turn,
    })
}

fn settled_or_pending(output: &Output) -> Turn {
    if output.settled {
        Turn::Settled
    } else {
        Turn::Pending(output.pending.clone())
    }
}

/// The execution of a run, and why it is not known.
async fn execution(step: &Step, run: &Run) -> (Execution, Option<Error>) {
    let Some(arn) = &run.execution_arn else {
        return (Execution::Unknown, None);
    };
    let Some(executions) = &step.ports.executions else {
        let error = Error::internal("this function is not connected to Step Functions");
        return (Execution::Unknown, Some(error));
    };
    match executions.state_of(arn).await {
        Ok(Some(state)) => (Execution::Found(state), None),
        Ok(None) => (Execution::Gone, None),
        Err(error) => (Execution::Unknown, Some(error)),
    }
}

/// The experiment of a run, and why it is not known.
async fn experiment(step: &Step, run: &Run) -> (Option<Experiment>, Option<Error>) {
    match step.ports.runs.experiment(&run.id).await {
        Ok(experiment) => (experiment, None),
        Err(error) => (None, Some(error)),
    }
}

impl Swept {
    fn take(&mut self, id: &RunId, turn: Result<Turn>) {
        match turn {
            Ok(Turn::LeftAlone) => self.left_alone += 1,
            Ok(Turn::Settled) => self.settled += 1,
            Ok(Turn::Pending(what)) => self.again.push((id.clone(), what.join(", "))),
            Ok(Turn::Blind(error)) => self.fail(&format!("run {id}"), &error),
            Err(error) if error.code.is_transient() => self.again.push((id.clone(), error.to_string())),
            // The rollback has said it in the log itself, in words of its own.
            Err(error) if error.code == Code::RollbackFailed => self.failed.push(format!("run {id}: {error}")),
            Err(error) => self.fail(&format!("run {id}"), &error),
        }
    }

    fn fail(&mut self, what: &str, error: &Error) {
        tracing::error!(what, code = error.code.name(), %error, "{SWEEP_FAILED}");
        self.failed.push(format!("{what}: {error}"));
    }

    /// What is still pending now is left to the next sweep.
    fn output(mut self) -> Output {
        for (id, why) in std::mem::take(&mut self.again) {
            tracing::error!(run_id = %id, why, "{SWEEP_FAILED}");
            self.failed.push(format!("run {id}: {why}"));
        }
        let mut detail = format!(
            "{} left alone, {} rolled back, {} left undone",
            self.left_alone,
            self.settled,
            self.failed.len()
        );
        if self.strays > 0 {
            detail = format!("{detail}, {} stray alarms deleted", self.strays);
        }
        if self.left_alone + self.settled + self.failed.len() + self.strays > 0 {
            tracing::info!(detail, "swept");
        }
        Output {
            run_id: "-".to_owned(),
            next: Next::End,
            settled: self.failed.is_empty(),
            status: Status::Running,
            pending: self.failed,
            detail,
            recovery_secs: 0,
        }
    }
}

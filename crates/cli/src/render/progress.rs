//! How far a run is, in one line.

use inoculate_core::plan::Plan;
use inoculate_core::run::{Phase, Run, Status};
use jiff::Timestamp;

use super::style::Style;
use super::text::{clock, secs_between};

/// The phase of a run, how long it has lasted, and how long it still takes at most.
pub fn line(run: Option<&Run>, plan: Option<&Plan>, now: Timestamp, style: Style) -> String {
    let Some(run) = run else {
        return "  waiting for the run to be recorded".to_owned();
    };
    let stage = Stage::of(run, plan);
    let what = match run.status {
        Status::RollbackFailed => style.bad(stage.what),
        _ => style.bold(stage.what),
    };
    format!("  {what} {}", stage.time(now))
}

/// What a run is doing, since when, and for how many seconds at most when that is planned.
pub(super) struct Stage {
    pub(super) what: &'static str,
    since: Timestamp,
    planned: Option<u32>,
}

impl Stage {
    /// How much of it is over, from 0 to 1; `None` when nobody knows.
    pub(super) fn share(&self, now: Timestamp) -> Option<f64> {
        let planned = f64::from(self.planned?).max(1.0);
        let elapsed = now.duration_since(self.since).as_secs_f64();
        Some((elapsed / planned).clamp(0.0, 1.0))
    }

    /// How long it has lasted, and how long it still takes at most.
    pub(super) fn time(&self, now: Timestamp) -> String {
        let elapsed = secs_between(self.since, now).max(0);
        let Some(planned) = self.planned.map(i64::from) else {
            return clock(elapsed);
        };
        let left = planned - elapsed;
        let left = if left > 0 {
            format!("at most {} left", clock(left))
        } else {
            "about to end".to_owned()
        };
        format!("{} of {}, {left}", clock(elapsed), clock(planned))
    }

    pub(super) fn of(run: &Run, plan: Option<&Plan>) -> Stage {
        let (what, since, planned) = stage(run, plan);
        Stage { what, since, planned }
    }
}

fn stage(run: &Run, plan: Option<&Plan>) -> (&'static str, Timestamp, Option<u32>) {
    let secs = |of: fn(&Plan) -> u32| plan.map(of);
    let rollback = run.rollback_at.unwrap_or(run.opened_at);
    match run.phase {
        Phase::Opened => ("baseline", run.opened_at, secs(|plan| plan.baseline_secs)),
        Phase::Steady | Phase::Injecting => ("putting faults in place", run.opened_at, None),
        Phase::Injected => {
            let since = run.injected_at.unwrap_or(run.opened_at);
            ("faults in place", since, secs(|plan| plan.injection_secs))
        }
        Phase::RollingBack if run.status == Status::RollbackFailed => ("rollback failed, trying again", rollback, None),
        Phase::RollingBack => ("rolling back", rollback, None),
        Phase::RolledBack => {
            let since = run.rolled_back_at.unwrap_or(rollback);
            let recovers = run.injected_at.is_some();
            ("recovery", since, secs(|plan| plan.recovery_secs).filter(|_| recovers))
        }
        Phase::Closed => ("closed", run.closed_at.unwrap_or(rollback), None),
    }
}

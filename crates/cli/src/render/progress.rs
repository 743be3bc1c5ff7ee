//! How far a run is, in one line.

use inoculate_core::plan::Plan;
use inoculate_core::run::{Phase, Run, Status};
use jiff::Timestamp;

use super::style::Style;
use super::text::{clock, secs_between};

/// The phase of a run, how long it has lasted, and how long it still takes at most.
pub fn line(run: Option<&Run>, plan: &Plan, now: Timestamp, style: Style) -> String {
    let Some(run) = run else {
        return "  waiting for the run to be recorded".to_owned();
    };
    let (what, since, planned) = stage(run, plan);
    let what = match run.status {
        Status::RollbackFailed => style.bad(what),
        _ => style.bold(what),
    };
    let elapsed = secs_between(since, now).max(0);
    match planned {
        Some(planned) => {
            let left = i64::from(planned) - elapsed;
            let left = if left > 0 {
                format!("at most {} left", clock(left))
            } else {
                "about to end".to_owned()
            };
            format!("  {what} {} of {}, {left}", clock(elapsed), clock(planned.into()))
        }
        None => format!("  {what} {}", clock(elapsed)),
    }
}

/// What a run is doing, since when, and for how many seconds at most when that is planned.
fn stage<'a>(run: &Run, plan: &Plan) -> (&'a str, Timestamp, Option<u32>) {
    let rollback = run.rollback_at.unwrap_or(run.opened_at);
    match run.phase {
        Phase::Opened => ("baseline", run.opened_at, Some(plan.baseline_secs)),
        Phase::Steady | Phase::Injecting => ("putting faults in place", run.opened_at, None),
        Phase::Injected => {
            let since = run.injected_at.unwrap_or(run.opened_at);
            ("faults in place", since, Some(plan.injection_secs))
        }
        Phase::RollingBack if run.status == Status::RollbackFailed => ("rollback failed, trying again", rollback, None),
        Phase::RollingBack => ("rolling back", rollback, None),
        Phase::RolledBack => {
            let since = run.rolled_back_at.unwrap_or(rollback);
            let recovers = run.injected_at.is_some();
            ("recovery", since, recovers.then_some(plan.recovery_secs))
        }
        Phase::Closed => ("closed", run.closed_at.unwrap_or(rollback), None),
    }
}

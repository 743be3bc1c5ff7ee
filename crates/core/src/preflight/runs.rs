//! How many runs are under way.
//!
//! Two that start at once may not see each other: neither is recorded yet, and the list of open runs is a second late. So this
//! is asked twice: before a run is recorded, when every other run counts, and at the end of its baseline, when the list has
//! caught up and only those count that were recorded before it. Of two that took the last place, the earlier one goes on.

use jiff::Timestamp;

use super::{Guard, Preflight};
use crate::deployment::Limits;
use crate::error::Result;
use crate::names::RunId;
use crate::ports::Ports;
use crate::run::{Phase, Run, Status};

pub(super) async fn check(ports: &Ports, run_id: &RunId, limits: Option<&Limits>, found: &mut Preflight) -> Result<()> {
    let Some(limits) = limits else {
        found.not_checked(Guard::TooManyRuns, super::limits::UNKNOWN);
        return Ok(());
    };
    let Some(mine) = found.answered(ports.runs.load(run_id).await)? else {
        return Ok(());
    };
    let recorded = mine.map(|run| run.opened_at);
    let Some(ahead) = found.answered(ahead(ports, run_id, recorded, limits.max_runs).await)? else {
        return Ok(());
    };
    match too_many(&ahead, limits) {
        Some(detail) => found.refuse(Guard::TooManyRuns, detail),
        None => {
            let detail = format!(
                "{} other under way, at most {} runs at once",
                ahead.len(),
                limits.max_runs
            );
            found.pass(Guard::TooManyRuns, detail);
        }
    }
    Ok(())
}

/// Why a run may not go on, when so many are ahead of it.
pub fn too_many(ahead: &[RunId], limits: &Limits) -> Option<String> {
    let most = usize::try_from(limits.max_runs).unwrap_or(usize::MAX);
    if ahead.len() < most {
        return None;
    }
    let names: Vec<&str> = ahead.iter().map(RunId::as_str).collect();
    Some(format!(
        "this deployment allows {most} at once (MaxRunsAtOnce), and as many are under way already: {}; wait for one, or end one \
         with `inoculate abort`",
        names.join(", ")
    ))
}

/// The other runs that are under way and were recorded before this one; every other when this one is not recorded yet. At most
/// so many, oldest first. One that is being refused injects nothing and does not count.
///
/// # Errors
/// What the table answers.
pub async fn ahead(ports: &Ports, run_id: &RunId, recorded: Option<Timestamp>, most: u32) -> Result<Vec<RunId>> {
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let mut ahead = Vec::new();
    for id in ports.runs.open().await? {
        if ahead.len() >= most {
            break;
        }
        if id == *run_id {
            continue;
        }
        // The list may be late, the record is not.
        let Some(other) = ports.runs.load(&id).await? else {
            continue;
        };
        let earlier = recorded.is_none_or(|mine| (other.opened_at, &other.id) < (mine, run_id));
        if earlier && counts(&other) {
            ahead.push(id);
        }
    }
    Ok(ahead)
}

fn counts(run: &Run) -> bool {
    let refused = run
        .ending
        .as_ref()
        .is_some_and(|ending| ending.status == Status::Refused);
    run.phase != Phase::Closed && !refused
}

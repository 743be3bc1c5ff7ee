//! Alarms that runs made for themselves and that nobody deleted.
//!
//! No record tells of them, since their names follow from the run. So they are looked for among the alarms of CloudWatch: an
//! alarm can outlast the record of its run.

use std::collections::BTreeMap;

use inoculate_core::error::{Error, Result};
use inoculate_core::names::RunId;
use inoculate_core::run_alarms::{MadeAlarm, is_stray, prefix, run_of};
use inoculate_step::Step;

/// Deletes the alarms of runs that are over. Says how many that were, and what kept others from being deleted: one run that
/// fails keeps no other.
pub(crate) async fn delete_strays(step: &Step) -> Result<(usize, Option<Error>)> {
    let stack = &step.ports.stack;
    let made = step.ports.alarms.made(&prefix(stack)).await?;
    let now = step.ports.clock.now();
    let mut by_run: BTreeMap<RunId, Vec<MadeAlarm>> = BTreeMap::new();
    // Whoever would be no stray even without its run needs no look at the run.
    for alarm in made.into_iter().filter(|alarm| is_stray(alarm, None, now)) {
        if let Some(run_id) = run_of(stack, &alarm.name) {
            by_run.entry(run_id).or_default().push(alarm);
        }
    }
    let (mut deleted, mut failed) = (0, None);
    for (run_id, alarms) in by_run {
        match delete_strays_of(step, &run_id, &alarms).await {
            Ok(count) => deleted += count,
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    Ok((deleted, failed))
}

async fn delete_strays_of(step: &Step, run_id: &RunId, alarms: &[MadeAlarm]) -> Result<usize> {
    let run = step.ports.runs.load(run_id).await?;
    let now = step.ports.clock.now();
    let strays = alarms.iter().filter(|alarm| is_stray(alarm, run.as_ref(), now));
    let names: Vec<String> = strays.map(|alarm| alarm.name.clone()).collect();
    if !names.is_empty() {
        step.ports.alarms.delete(&names).await?;
        tracing::warn!(%run_id, alarms = names.join(", "), "deleted alarms that the run had left");
    }
    Ok(names.len())
}

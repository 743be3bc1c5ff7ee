//! The leases of a run: what they say to the layer in each stage, and how they are renewed.
//!
//! A lease is changed only if it is still as it was read. A step that turns one to the role `fault` reads it, then sees
//! that the run may still inject, then writes; a rollback records that it began, then writes to every lease. So whichever
//! of the two writes first makes the other one fail, and no fault comes back after a rollback.

use inoculate_core::error::{Code, Error, Result};
use inoculate_core::experiment::Experiment;
use inoculate_core::layer::Stage;
use inoculate_core::lease::{Lease, LeaseRole, Terms};
use inoculate_core::run::{Run, TargetFunction};
use jiff::{SignedDuration, Timestamp};

use crate::Step;

/// How much longer a lease lasts than the window after which it is renewed or given back, while there are no faults.
pub const SLACK: SignedDuration = SignedDuration::from_secs(120);

/// How much longer a lease with faults lasts than the round after which it is renewed: the time for a look and a retry.
const FAULT_SLACK: SignedDuration = SignedDuration::from_secs(30);

/// How much longer than planned faults may last if nobody takes them away.
const OVERTIME: SignedDuration = SignedDuration::from_secs(10);

/// How often a lease is read again that changed between reading and writing.
const TRIES: u32 = 5;

/// What the lease of a function says to the layer; `None` when the run does without.
///
/// # Errors
/// [`Code::InvalidExperiment`] when a fault cannot be said, which validation finds before.
pub fn terms(experiment: &Experiment, run: &Run, function: &TargetFunction, stage: Stage) -> Result<Option<Terms>> {
    if !experiment.uses_layer() {
        return Ok(None);
    }
    let mut faults = Vec::new();
    let of_function = experiment
        .faults
        .iter()
        .filter(|fault| fault.function() == &function.name);
    for fault in of_function.filter(|_| stage == Stage::Injection) {
        let said = fault
            .for_lease()
            .map_err(|reason| Error::new(Code::InvalidExperiment, reason))?;
        faults.extend(said);
    }
    Ok(Some(Terms {
        stage,
        // A name may come again after months; its time does not.
        salt: format!("{}@{}", run.id, run.opened_at),
        percent: experiment.blast_radius.percent,
        key: experiment.blast_radius.key.clone(),
        faults,
    }))
}

/// When a lease ends that was written while faults are there: some time after the next look, and never much later than
/// the faults may last or the time window is open.
pub fn fault_expiry(experiment: &Experiment, run: &Run, now: Timestamp) -> Timestamp {
    let next = now + experiment.windows.round.signed() + FAULT_SLACK;
    let since = run.injecting_at.unwrap_or(now);
    let planned = since + experiment.blast_radius.longest.signed();
    next.min(run.closes_at.map_or(planned, |closes| planned.min(closes)) + OVERTIME)
}

/// The role of a lease while faults are there.
pub fn injecting_role(experiment: &Experiment, function: &TargetFunction) -> LeaseRole {
    if experiment.blast_radius.functions.contains(&function.name) {
        LeaseRole::Fault
    } else {
        LeaseRole::Observe
    }
}

impl Step {
    /// The lease of a function, if the run holds it.
    ///
    /// # Errors
    /// What the table answers.
    pub async fn held_lease(&self, run: &Run, function: &TargetFunction) -> Result<Option<Lease>> {
        let found = self.ports.leases.read(&function.arn).await?;
        Ok(found.filter(|lease| lease.run_id == run.id && lease.role != LeaseRole::Released))
    }

    /// Makes a lease that the run holds say that there are no faults any more, until `expires`. Idempotent; does nothing
    /// where the run holds no lease, or one that says nothing to the layer.
    ///
    /// # Errors
    /// [`Code::Conflict`] when others keep changing it, or what the table answers.
    pub async fn end_faults(&self, run: &Run, function: &TargetFunction, expires: Timestamp) -> Result<()> {
        for _ in 0..TRIES {
            let Some(found) = self.held_lease(run, function).await? else {
                return Ok(());
            };
            let Some(terms) = &found.terms else { return Ok(()) };
            let ended = Lease {
                role: LeaseRole::Observe,
                expires_at_ms: expires.as_millisecond(),
                terms: Some(Terms {
                    stage: Stage::Recovery,
                    faults: vec![],
                    ..terms.clone()
                }),
                ..found.clone()
            };
            match self.ports.leases.renew(&found, &ended).await {
                Err(error) if error.code == Code::LeaseHeld => {}
                outcome => return outcome,
            }
        }
        let message = format!(
            "the lease of {} changed {TRIES} times while its faults were ended",
            function.name
        );
        Err(Error::new(Code::Conflict, message))
    }

    /// Gives all leases of a run back. Idempotent.
    ///
    /// # Errors
    /// What the table answers.
    pub async fn release_leases(&self, run: &Run) -> Result<()> {
        for function in &run.functions {
            self.ports.leases.release(&function.arn, &run.id).await?;
        }
        Ok(())
    }
}

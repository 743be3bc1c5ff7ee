//! The functions of a run: are they there, ready, allowed and free?

use super::{Guard, Preflight};
use crate::error::Result;
use crate::lease::Availability;
use crate::names::{FunctionName, RunId};
use crate::ports::Ports;

pub(super) async fn check(ports: &Ports, name: &FunctionName, run_id: &RunId, found: &mut Preflight) -> Result<()> {
    let Some(described) = found.answered(ports.targets.describe(name).await)? else {
        return Ok(());
    };
    let Some(function) = described else {
        let detail = format!("there is no function {name} in this account and region");
        found.refuse(Guard::TargetMissing, detail);
        return Ok(());
    };
    if !function.allowed {
        let detail =
            format!("function {name} does not allow experiments; its owner allows them with the tag inoculate=allow");
        found.refuse(Guard::NotAllowed, detail);
    }
    if !function.ready {
        let detail = format!("function {name} is not active or is being updated; try again when it is");
        found.refuse(Guard::NotReady, detail);
    }
    let lease = found.answered(ports.leases.read(&function.arn).await)?;
    if let Some(lease) = lease.flatten()
        && lease.availability(run_id, ports.clock.now()) == Availability::Held
    {
        found.refuse(Guard::Leased, leased(name, &lease.run_id));
    }
    found.functions.push(function);
    Ok(())
}

/// The words for a function that another run holds.
pub fn leased(function: &FunctionName, holder: &RunId) -> String {
    format!("function {function} belongs to run {holder}; wait for it, or end it with `inoculate abort {holder}`")
}

//! The leases on functions.

use async_trait::async_trait;
use inoculate_core::error::{Code, Error, Result};
use inoculate_core::lease::{Lease, LeaseRole, is_renewal, next_fence};
use inoculate_core::names::RunId;
use inoculate_core::ports::{LeaseRequest, Leases, Taken};
use inoculate_core::run::SCHEMA_VERSION;

use super::World;

#[async_trait]
impl Leases for World {
    async fn take(&self, request: &LeaseRequest) -> Result<Taken> {
        self.change(|state| {
            let found = state.leases.get(&request.function_arn);
            let fence = match (next_fence(request, found), found) {
                (Some(fence), _) => fence,
                (None, Some(found)) => return Ok(Taken::No { found: found.clone() }),
                (None, None) => unreachable!("a lease that is not there can be taken"),
            };
            let lease = Lease {
                schema_version: SCHEMA_VERSION,
                function: request.function.clone(),
                function_arn: request.function_arn.clone(),
                run_id: request.run_id.clone(),
                fence,
                role: LeaseRole::Observe,
                expires_at_ms: request.expires_at_ms,
                terms: request.terms.clone(),
            };
            state.leases.insert(request.function_arn.clone(), lease);
            Ok(Taken::Yes { fence })
        })
    }

    async fn renew(&self, found: &Lease, to: &Lease) -> Result<()> {
        self.change(|state| match state.leases.get_mut(&found.function_arn) {
            Some(held) if held == found && is_renewal(found, to) => {
                *held = to.clone();
                Ok(())
            }
            Some(held) if held == to && is_renewal(found, to) => Ok(()),
            _ => {
                let message = format!(
                    "run {} does not hold the lease of {} as it was read",
                    to.run_id, to.function
                );
                Err(Error::new(Code::LeaseHeld, message))
            }
        })
    }

    async fn release(&self, function_arn: &str, run_id: &RunId) -> Result<()> {
        self.change(|state| {
            if let Some(found) = state.leases.get_mut(function_arn)
                && holds(found, run_id)
            {
                found.role = LeaseRole::Released;
            }
            Ok(())
        })
    }

    async fn read(&self, function_arn: &str) -> Result<Option<Lease>> {
        Ok(self.look(|state| state.leases.get(function_arn).cloned()))
    }
}

fn holds(lease: &Lease, run_id: &RunId) -> bool {
    lease.role != LeaseRole::Released && &lease.run_id == run_id
}

//! The leases on functions.

use async_trait::async_trait;
use inoculate_core::error::{Code, Error, Result};
use inoculate_core::lease::{Lease, LeaseRole};
use inoculate_core::names::RunId;
use inoculate_core::ports::{LeaseRequest, Leases, Taken};
use inoculate_core::run::SCHEMA_VERSION;

use super::World;

#[async_trait]
impl Leases for World {
    async fn take(&self, request: &LeaseRequest) -> Result<Taken> {
        self.change(|state| {
            let found = state.leases.get(&request.function_arn);
            let fence = match found {
                None => 1,
                Some(found) if found.role == LeaseRole::Released => found.fence + 1,
                Some(found) if found.run_id == request.run_id => found.fence,
                Some(found) if request.take_over.as_ref() == Some(found) => found.fence + 1,
                Some(found) => return Ok(Taken::No { found: found.clone() }),
            };
            let lease = Lease {
                schema_version: SCHEMA_VERSION,
                function: request.function.clone(),
                function_arn: request.function_arn.clone(),
                run_id: request.run_id.clone(),
                fence,
                role: LeaseRole::Observe,
                expires_at_ms: request.expires_at_ms,
            };
            state.leases.insert(request.function_arn.clone(), lease);
            Ok(Taken::Yes { fence })
        })
    }

    async fn renew(&self, lease: &Lease) -> Result<()> {
        self.change(|state| match state.leases.get_mut(&lease.function_arn) {
            Some(found) if holds(found, &lease.run_id) && found.fence == lease.fence => {
                found.role = lease.role;
                found.expires_at_ms = lease.expires_at_ms;
                Ok(())
            }
            _ => {
                let message = format!("run {} no longer holds the lease of {}", lease.run_id, lease.function);
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

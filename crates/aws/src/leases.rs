//! The leases on functions. Every write has a condition on what was read, so that a late writer changes nothing.

use async_trait::async_trait;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use inoculate_core::error::{Code, Error, Result};
use inoculate_core::lease::{Lease, LeaseRole};
use inoculate_core::names::RunId;
use inoculate_core::ports::{LeaseRequest, Leases, Taken};
use inoculate_core::run::SCHEMA_VERSION;

use crate::keys::{self, Key};
use crate::table::{Table, attribute, item, key_item, number, text};

/// How often a lease is read again that changed between reading and writing.
const TRIES: u32 = 3;

/// The leases in the table.
#[derive(Debug, Clone)]
pub(crate) struct DynamoLeases {
    table: Table,
}

/// Whether the world was still as it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// The lease is written.
    Written,
    /// Somebody else was faster; nothing is written.
    Refused,
}

impl DynamoLeases {
    pub(crate) fn new(table: Table) -> Self {
        DynamoLeases { table }
    }

    /// Writes a lease if the item is still the one that was read.
    async fn replace(&self, found: Option<&Lease>, lease: &Lease) -> Result<Outcome> {
        let item = item(&Key::lease(&lease.function_arn), lease)?;
        let request = self
            .table
            .client
            .put_item()
            .table_name(&self.table.name)
            .set_item(Some(item));
        let request = match found {
            None => request
                .condition_expression("attribute_not_exists(#pk)")
                .expression_attribute_names("#pk", keys::PK),
            Some(found) => request
                .condition_expression("#run = :run AND #fence = :fence AND #role = :role AND #expires = :expires")
                .expression_attribute_names("#run", keys::RUN_ID)
                .expression_attribute_names("#fence", keys::FENCE)
                .expression_attribute_names("#role", keys::ROLE)
                .expression_attribute_names("#expires", keys::EXPIRES_AT_MS)
                .expression_attribute_values(":run", text(found.run_id.as_str()))
                .expression_attribute_values(":fence", number(found.fence))
                .expression_attribute_values(":role", attribute(&found.role)?)
                .expression_attribute_values(":expires", number(found.expires_at_ms)),
        };
        let Err(error) = request.send().await else {
            return Ok(Outcome::Written);
        };
        if error
            .as_service_error()
            .is_some_and(PutItemError::is_conditional_check_failed_exception)
        {
            return Ok(Outcome::Refused);
        }
        let what = format!("the lease of {}", lease.function);
        Err(self.table.service.error(self.table.doing("taking", &what), error))
    }

    /// Changes a lease that `run` holds. The caller adds what to change and further conditions.
    fn change(&self, function_arn: &str, run: &RunId) -> UpdateItemFluentBuilder {
        let request = self.table.client.update_item().table_name(&self.table.name);
        request
            .set_key(Some(key_item(&Key::lease(function_arn))))
            .expression_attribute_names("#run", keys::RUN_ID)
            .expression_attribute_names("#role", keys::ROLE)
            .expression_attribute_values(":run", text(run.as_str()))
    }

    /// Sends a change; a condition that did not hold is no error.
    async fn send(&self, change: UpdateItemFluentBuilder, what: &str) -> Result<Outcome> {
        let Err(error) = change.send().await else {
            return Ok(Outcome::Written);
        };
        if error
            .as_service_error()
            .is_some_and(UpdateItemError::is_conditional_check_failed_exception)
        {
            return Ok(Outcome::Refused);
        }
        Err(self.table.service.error(self.table.doing("changing", what), error))
    }
}

/// The fence number with which a request may write over what was found; `None` when it may not. Pure.
fn next_fence(request: &LeaseRequest, found: Option<&Lease>) -> Option<u64> {
    let Some(found) = found else { return Some(1) };
    let released = found.role == LeaseRole::Released;
    if !released && found.run_id == request.run_id {
        Some(found.fence)
    } else if released || request.take_over.as_ref() == Some(found) {
        Some(found.fence.saturating_add(1))
    } else {
        None
    }
}

#[async_trait]
impl Leases for DynamoLeases {
    async fn take(&self, request: &LeaseRequest) -> Result<Taken> {
        for _ in 0..TRIES {
            let found = self.read(&request.function_arn).await?;
            let fence = match (next_fence(request, found.as_ref()), &found) {
                (Some(fence), _) => fence,
                (None, Some(found)) => return Ok(Taken::No { found: found.clone() }),
                (None, None) => continue,
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
            if self.replace(found.as_ref(), &lease).await? == Outcome::Written {
                return Ok(Taken::Yes { fence });
            }
        }
        let message = format!(
            "the lease of {} changed {TRIES} times while it was being taken",
            request.function
        );
        Err(Error::new(Code::Throttled, message))
    }

    async fn renew(&self, lease: &Lease) -> Result<()> {
        let change = self
            .change(&lease.function_arn, &lease.run_id)
            .update_expression("SET #role = :role, #expires = :expires")
            .condition_expression("#run = :run AND #fence = :fence AND #role <> :released")
            .expression_attribute_names("#fence", keys::FENCE)
            .expression_attribute_names("#expires", keys::EXPIRES_AT_MS)
            .expression_attribute_values(":role", attribute(&lease.role)?)
            .expression_attribute_values(":expires", number(lease.expires_at_ms))
            .expression_attribute_values(":fence", number(lease.fence))
            .expression_attribute_values(":released", attribute(&LeaseRole::Released)?);
        match self.send(change, &format!("the lease of {}", lease.function)).await? {
            Outcome::Written => Ok(()),
            Outcome::Refused => {
                let message = format!("run {} no longer holds the lease of {}", lease.run_id, lease.function);
                Err(Error::new(Code::LeaseHeld, message))
            }
        }
    }

    async fn release(&self, function_arn: &str, run_id: &RunId) -> Result<()> {
        let change = self
            .change(function_arn, run_id)
            .update_expression("SET #role = :released")
            .condition_expression("#run = :run")
            .expression_attribute_values(":released", attribute(&LeaseRole::Released)?);
        self.send(change, &format!("the lease of {function_arn}")).await?;
        Ok(())
    }

    async fn read(&self, function_arn: &str) -> Result<Option<Lease>> {
        let what = format!("the lease of {function_arn}");
        self.table.get(&Key::lease(function_arn), &what).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(name: &str) -> RunId {
        name.parse().unwrap()
    }

    fn lease(run_id: &str, role: LeaseRole) -> Lease {
        Lease {
            schema_version: 1,
            function: "f".parse().unwrap(),
            function_arn: "arn".into(),
            run_id: run(run_id),
            fence: 7,
            role,
            expires_at_ms: 1,
        }
    }

    #[test]
    fn the_fence_rises_with_every_taking_but_not_for_the_holder() {
        let renewed = Lease {
            expires_at_ms: 2,
            ..lease("other", LeaseRole::Fault)
        };
        for (found, take_over, expected) in [
            (None, None, Some(1)),
            (Some(lease("me", LeaseRole::Observe)), None, Some(7)),
            (Some(lease("me", LeaseRole::Released)), None, Some(8)),
            (Some(lease("other", LeaseRole::Released)), None, Some(8)),
            (Some(lease("other", LeaseRole::Fault)), None, None),
            (
                Some(lease("other", LeaseRole::Fault)),
                Some(lease("other", LeaseRole::Fault)),
                Some(8),
            ),
            (Some(lease("other", LeaseRole::Fault)), Some(renewed), None),
        ] {
            let request = LeaseRequest {
                function: "f".parse().unwrap(),
                function_arn: "arn".into(),
                run_id: run("me"),
                expires_at_ms: 9,
                take_over,
            };
            let fence = next_fence(&request, found.as_ref());
            assert_eq!(fence, expected, "{found:?} {request:?}");
        }
    }
}

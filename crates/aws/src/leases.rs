//! The leases on functions. Every write has a condition on what was read, so that a late writer changes nothing.

use async_trait::async_trait;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use inoculate_core::error::{Code, Error, Result};
use inoculate_core::lease::{Lease, LeaseRole, is_renewal, next_fence};
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
                .condition_expression(format!(
                    "#run = :run AND #fence = :fence AND #role = :role AND #expires = :expires AND {}",
                    match &found.terms {
                        Some(_) => "#stage = :stage",
                        None => "attribute_not_exists(#stage)",
                    }
                ))
                .expression_attribute_names("#run", keys::RUN_ID)
                .expression_attribute_names("#fence", keys::FENCE)
                .expression_attribute_names("#role", keys::ROLE)
                .expression_attribute_names("#expires", keys::EXPIRES_AT_MS)
                .expression_attribute_values(":run", text(found.run_id.as_str()))
                .expression_attribute_values(":fence", number(found.fence))
                .expression_attribute_values(":role", attribute(&found.role)?)
                .expression_attribute_names("#stage", keys::STAGE)
                .expression_attribute_values(":expires", number(found.expires_at_ms)),
        };
        let request = match found.and_then(|found| found.terms.as_ref()) {
            Some(terms) => request.expression_attribute_values(":stage", attribute(&terms.stage)?),
            None => request,
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
        Err(self.table.service.error(self.table.doing("writing", &what), error))
    }
}

/// Whether a lease is the one that was to be written, as far as writes have conditions on it.
fn is_written(now: &Lease, to: &Lease) -> bool {
    let stage = |lease: &Lease| lease.terms.as_ref().map(|terms| terms.stage);
    (&now.run_id, now.fence, now.role, now.expires_at_ms, stage(now))
        == (&to.run_id, to.fence, to.role, to.expires_at_ms, stage(to))
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
                terms: request.terms.clone(),
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

    async fn renew(&self, found: &Lease, to: &Lease) -> Result<()> {
        if is_renewal(found, to) {
            if self.replace(Some(found), to).await? == Outcome::Written {
                return Ok(());
            }
            // A retry inside the SDK, after an answer that was lost, meets what it has written itself.
            if self
                .read(&to.function_arn)
                .await?
                .is_some_and(|now| is_written(&now, to))
            {
                return Ok(());
            }
        }
        let message = format!(
            "run {} does not hold the lease of {} as it was read",
            to.run_id, to.function
        );
        Err(Error::new(Code::LeaseHeld, message))
    }

    async fn release(&self, function_arn: &str, run_id: &RunId) -> Result<()> {
        let change = self.table.client.update_item().table_name(&self.table.name);
        let change = change
            .set_key(Some(key_item(&Key::lease(function_arn))))
            .update_expression("SET #role = :released")
            .condition_expression("#run = :run")
            .expression_attribute_names("#run", keys::RUN_ID)
            .expression_attribute_names("#role", keys::ROLE)
            .expression_attribute_values(":run", text(run_id.as_str()))
            .expression_attribute_values(":released", attribute(&LeaseRole::Released)?);
        let Err(error) = change.send().await else { return Ok(()) };
        let not_held = UpdateItemError::is_conditional_check_failed_exception;
        if error.as_service_error().is_some_and(not_held) {
            return Ok(());
        }
        let what = format!("the lease of {function_arn}");
        Err(self.table.service.error(self.table.doing("releasing", &what), error))
    }

    async fn read(&self, function_arn: &str) -> Result<Option<Lease>> {
        let what = format!("the lease of {function_arn}");
        self.table.get(&Key::lease(function_arn), &what).await
    }
}

//! The table: what attaching recorded, and what the layer wrote.

use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use futures_util::future::try_join_all;
use inoculate_core::attach::port::Trace;
use inoculate_core::attach::record::{Record, SCHEMA_VERSION};
use inoculate_core::error::{Code, Error, Result};
use inoculate_core::layer::SKETCH_SHARDS;
use inoculate_core::names::{FunctionName, RunId};

use super::AwsAttachments;
use crate::keys::{self, Key};
use crate::table::{item, key_item, number};

impl AwsAttachments {
    pub(super) async fn load(&self, function_arn: &str) -> Result<Option<Record>> {
        let what = format!("what was attached to {function_arn}");
        let found: Option<Record> = self.table.get(&Key::attached(function_arn), &what).await?;
        if let Some(record) = &found
            && record.schema_version > SCHEMA_VERSION
        {
            let message = format!("{what} was recorded by a later version of Inoculate");
            return Err(Error::internal(message).help("use that version, or a later one"));
        }
        Ok(found)
    }

    pub(super) async fn save(&self, record: &Record) -> Result<()> {
        let item = item(&Key::attached(&record.function_arn), record)?;
        let request = self
            .table
            .client
            .put_item()
            .table_name(&self.table.name)
            .set_item(Some(item));
        let request = if record.version <= 1 {
            request
                .condition_expression("attribute_not_exists(#pk)")
                .expression_attribute_names("#pk", keys::PK)
        } else {
            request
                .condition_expression("#version = :before")
                .expression_attribute_names("#version", keys::VERSION)
                .expression_attribute_values(":before", number(record.version - 1))
        };
        let Err(error) = request.send().await else {
            return Ok(());
        };
        let refused = error
            .as_service_error()
            .is_some_and(PutItemError::is_conditional_check_failed_exception);
        if !refused {
            let what = format!("what is attached to {}", record.function_arn);
            return Err(self.table.service.error(self.table.doing("writing", &what), error));
        }
        // The answer to a write of our own may have been lost.
        match self.load(&record.function_arn).await? {
            Some(found) if found == *record => Ok(()),
            _ => Err(overtaken(record)),
        }
    }

    pub(super) async fn delete(&self, record: &Record) -> Result<()> {
        let request = self.table.client.delete_item().table_name(&self.table.name);
        let request = request
            .set_key(Some(key_item(&Key::attached(&record.function_arn))))
            .condition_expression("attribute_not_exists(#pk) OR #version = :version")
            .expression_attribute_names("#pk", keys::PK)
            .expression_attribute_names("#version", keys::VERSION)
            .expression_attribute_values(":version", number(record.version));
        let Err(error) = request.send().await else {
            return Ok(());
        };
        if error
            .as_service_error()
            .is_some_and(DeleteItemError::is_conditional_check_failed_exception)
        {
            return Err(overtaken(record));
        }
        let what = format!("what was attached to {}", record.function_arn);
        Err(self.table.service.error(self.table.doing("deleting", &what), error))
    }

    pub(super) async fn heard(&self, run: &RunId, function: &FunctionName) -> Result<Vec<Trace>> {
        // A name has no `#`, so the prefix is that of one function.
        let prefix = format!("{function}#");
        let what = format!("what the layer of {function} wrote of run {run}");
        let shards = (0..SKETCH_SHARDS).map(async |shard| {
            let partition = Key::sketches(run, shard);
            self.table.all::<Trace>(&partition, &prefix, &what).await
        });
        let written = try_join_all(shards).await?;
        Ok(written.into_iter().flatten().collect())
    }
}

fn overtaken(record: &Record) -> Error {
    let message = format!(
        "what is attached to {} was recorded by somebody else at the same moment",
        record.function_arn
    );
    Error::new(Code::Conflict, message).help("does somebody else attach or detach it? try again in a moment")
}

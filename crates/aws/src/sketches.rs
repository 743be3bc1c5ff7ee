//! What the layers wrote: the sketches of a run, spread over partitions that are read side by side.

use async_trait::async_trait;
use futures_util::future::try_join_all;
use inoculate_core::error::Result;
use inoculate_core::layer::{SKETCH_SHARDS, Stage};
use inoculate_core::names::RunId;
use inoculate_core::ports::Sketches;
use inoculate_core::seen::{LayerProblems, Written};

use crate::keys;
use crate::table::{Item, Table, attribute, read, text};

/// What the layers wrote to the table.
#[derive(Debug, Clone)]
pub(crate) struct DynamoSketches {
    table: Table,
}

impl DynamoSketches {
    pub(crate) fn new(table: Table) -> Self {
        DynamoSketches { table }
    }

    /// The items of one partition that are about a stage, or about problems.
    async fn partition(&self, run_id: &RunId, shard: u8, stage: Stage) -> Result<Vec<Item>> {
        // Not consistent: half the price, and what was written a second ago may come with the next look.
        let query = self.table.client.query().table_name(&self.table.name);
        let query = query
            .key_condition_expression("#pk = :pk")
            .filter_expression("#stage = :stage OR attribute_exists(#problems)")
            .expression_attribute_names("#pk", keys::PK)
            .expression_attribute_names("#stage", keys::STAGE)
            .expression_attribute_names("#problems", keys::PROBLEMS)
            .expression_attribute_values(":pk", text(keys::Key::sketches(run_id, shard)))
            .expression_attribute_values(":stage", attribute(&stage)?);
        let mut pages = query.into_paginator().items().send();
        let mut found = Vec::new();
        while let Some(item) = pages.next().await {
            let doing = || {
                self.table
                    .doing("reading", &format!("what the layer saw of run {run_id}"))
            };
            found.push(item.map_err(|error| self.table.service.error(doing(), error))?);
        }
        Ok(found)
    }
}

#[async_trait]
impl Sketches for DynamoSketches {
    async fn written(&self, run_id: &RunId, stage: Stage) -> Result<Written> {
        let shards = (0..SKETCH_SHARDS).map(|shard| self.partition(run_id, shard, stage));
        let mut written = Written::default();
        for item in try_join_all(shards).await?.into_iter().flatten() {
            add(&mut written, item);
        }
        Ok(written)
    }
}

/// Functions under test write these items, so one that is not understood must not end the run.
fn add(written: &mut Written, item: Item) {
    let arn = item.get(keys::FUNCTION_ARN).and_then(|arn| arn.as_s().ok()).cloned();
    if item.contains_key(keys::PROBLEMS) {
        written.problems.extend(read(item, "a problem of the layer"));
        return;
    }
    match read(item, "what the layer saw") {
        Ok(record) => written.sketches.push(record),
        Err(error) => written.problems.push(LayerProblems {
            function_arn: arn.unwrap_or_default(),
            problems: vec![error.to_string()],
        }),
    }
}

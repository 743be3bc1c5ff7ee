//! Saved experiments and the kill switch.

use async_trait::async_trait;
use inoculate_core::error::{Error, Result};
use inoculate_core::experiment::Experiment;
use inoculate_core::names::ExperimentName;
use inoculate_core::ports::{Halt, Library};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::keys::Key;
use crate::table::{Table, item, key_item};

/// An experiment in the table: as JSON text, so that it comes back exactly as it was written. Native attributes would
/// lose the order of fields and cannot hold every number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StoredExperiment {
    experiment: String,
}

impl StoredExperiment {
    /// The stored form of an experiment.
    pub(crate) fn of(experiment: &Experiment) -> Result<Self> {
        let text = serde_json::to_string(experiment)
            .map_err(|error| Error::internal(format!("cannot write experiment {}: {error}", experiment.name)))?;
        Ok(StoredExperiment { experiment: text })
    }

    /// What is stored. `what` says in an error what was read.
    pub(crate) fn parse<T: DeserializeOwned>(&self, what: &str) -> Result<T> {
        serde_json::from_str(&self.experiment).map_err(|error| {
            let help = "the item was not written by Inoculate, or by a much later version";
            Error::internal(format!("cannot understand {what}: {error}")).help(help)
        })
    }
}

/// Saved experiments and the kill switch in the table.
#[derive(Debug, Clone)]
pub(crate) struct DynamoLibrary {
    table: Table,
}

impl DynamoLibrary {
    pub(crate) fn new(table: Table) -> Self {
        DynamoLibrary { table }
    }
}

#[async_trait]
impl Library for DynamoLibrary {
    async fn experiment(&self, name: &ExperimentName) -> Result<Option<serde_json::Value>> {
        let what = format!("the saved experiment {name}");
        let stored: Option<StoredExperiment> = self.table.get(&Key::experiment(name), &what).await?;
        stored.map(|stored| stored.parse(&what)).transpose()
    }

    async fn save_experiment(&self, experiment: &Experiment) -> Result<()> {
        let item = item(&Key::experiment(&experiment.name), &StoredExperiment::of(experiment)?)?;
        self.table
            .put(item, &format!("the experiment {}", experiment.name))
            .await
    }

    async fn halt(&self) -> Result<Option<Halt>> {
        self.table.get(&Key::halt(), "the kill switch").await
    }

    async fn set_halt(&self, halt: Option<&Halt>) -> Result<()> {
        let what = "the kill switch";
        if let Some(halt) = halt {
            return self.table.put(item(&Key::halt(), halt)?, what).await;
        }
        let request = self.table.client.delete_item().table_name(&self.table.name);
        let answer = request.set_key(Some(key_item(&Key::halt()))).send().await;
        answer.map_err(|error| self.table.service.error(self.table.doing("lifting", what), error))?;
        Ok(())
    }
}

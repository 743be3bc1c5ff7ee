//! The alarms that a run makes for itself.
//!
//! They are there before the first fault, and go when everything is back. Their names follow from the run and its experiment, so
//! nothing is recorded of them. What a step that dies leaves behind, the sweep finds by its name.

use inoculate_core::error::Result;
use inoculate_core::experiment::Experiment;
use inoculate_core::run::Run;
use inoculate_core::run_alarms;

use crate::Step;

impl Step {
    /// Makes the alarms of a run. Idempotent.
    ///
    /// # Errors
    /// What CloudWatch answers. Those before the one that failed are made.
    pub async fn make_alarms(&self, run: &Run, experiment: &Experiment) -> Result<()> {
        for alarm in run_alarms::of_run(&self.ports.stack, &run.id, experiment) {
            self.ports.alarms.make(&alarm).await?;
        }
        Ok(())
    }

    /// Deletes the alarms of a run. Idempotent. Asks nothing of CloudWatch when the experiment has none.
    ///
    /// # Errors
    /// What CloudWatch answers.
    pub async fn delete_alarms(&self, run: &Run, experiment: &Experiment) -> Result<()> {
        let names = run_alarms::names_of_run(&self.ports.stack, &run.id, experiment);
        if names.is_empty() {
            return Ok(());
        }
        self.ports.alarms.delete(&names).await
    }
}

//! Telling people and programs what happened in a run. Nothing depends on it, and nothing waits for it for long.

use inoculate_core::experiment::Experiment;
use inoculate_core::notice::{News, Notice, PATIENCE};
use inoculate_core::run::Run;
use tokio::time::timeout;

use crate::Step;

impl Step {
    /// Tells whoever listens. `run` is the record after what happened.
    ///
    /// A failure is logged and otherwise without effect, and so is an answer that does not come within [`PATIENCE`]. Nothing
    /// that ends a fault may come after this: it can take that long.
    pub async fn tell(&self, run: &Run, news: &News) {
        let telling = async {
            let experiment = self.experiment_if_readable(run).await;
            let now = self.ports.clock.now();
            let notice = Notice::of_run(&self.ports.stack, news, run, experiment.as_ref(), now);
            self.ports.notices.publish(&notice).await
        };
        match timeout(PATIENCE, telling).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(run_id = %run.id, %error, "not everybody could be told"),
            Err(_) => tracing::warn!(run_id = %run.id, "not everybody could be told in time"),
        }
    }

    /// What a notice says more when it is there. People are told without it, too.
    async fn experiment_if_readable(&self, run: &Run) -> Option<Experiment> {
        let experiment = self.ports.runs.experiment(&run.id).await;
        experiment.unwrap_or_else(|error| {
            tracing::warn!(run_id = %run.id, %error, "a notice does without the experiment");
            None
        })
    }
}

//! What the layers wrote.

use async_trait::async_trait;
use inoculate_core::error::Result;
use inoculate_core::layer::Stage;
use inoculate_core::names::RunId;
use inoculate_core::ports::Sketches;
use inoculate_core::seen::Written;

use super::World;

#[async_trait]
impl Sketches for World {
    async fn written(&self, run_id: &RunId, stage: Stage) -> Result<Written> {
        let mut written = self
            .look(|state| state.written.get(run_id).cloned())
            .unwrap_or_default();
        written.sketches.retain(|record| record.stage == stage);
        Ok(written)
    }
}

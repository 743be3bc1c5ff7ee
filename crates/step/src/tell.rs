//! Telling people how a run ended. Nothing depends on it.

use inoculate_core::judge::Verdict;
use inoculate_core::ports::Evaluation;
use inoculate_core::run::Run;

use crate::Step;

impl Step {
    /// Tells whoever listens. A failure is logged and otherwise without effect.
    pub async fn tell(&self, run: &Run, evaluation: &Evaluation) {
        let Evaluation { verdict, recovered, .. } = evaluation;
        // A system that does not come back is worth more attention than any verdict.
        let alarming = match recovered {
            Some(Verdict::Deviated) => ", not recovered",
            _ => "",
        };
        let subject = format!("Inoculate: {} {} {verdict}{alarming}", run.experiment, run.status);
        let body = serde_json::json!({
            "run_id": run.id,
            "experiment": run.experiment,
            "status": run.status,
            "verdict": verdict,
            "grounds": evaluation.grounds,
            "because": evaluation.because,
            "recovered": recovered,
            "ending": run.ending,
        });
        if let Err(error) = self.ports.notices.publish(&subject, &format!("{body:#}")).await {
            tracing::warn!(run_id = %run.id, %error, "nobody could be told");
        }
    }
}

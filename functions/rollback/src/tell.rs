//! What a rollback tells people, after it has done what it can.

use inoculate_core::notice::{News, is_early};
use inoculate_core::run::Run;
use inoculate_step::Step;

/// What happened in a rollback that people are to be told of, in the order in which it happened.
#[derive(Default)]
pub(crate) struct ToTell {
    /// The run, if this rollback is the one that began, and ended it early.
    began: Option<Run>,
    then: Vec<(Run, News)>,
}

impl ToTell {
    /// This rollback began. Those that find it begun tell nobody: most of them come because AWS takes its time.
    pub(crate) fn began(&mut self, run: &Run) {
        if run.ending.as_ref().is_some_and(is_early) {
            self.began = Some(run.clone());
        }
    }

    /// This happened then.
    pub(crate) fn then(&mut self, run: &Run, news: News) {
        self.then.push((run.clone(), news));
    }

    /// Tells all of it. `settled`: nothing of the run is left in any target now.
    pub(crate) async fn tell(self, step: &Step, settled: bool) {
        if let Some(run) = self.began {
            step.tell(&run, &News::EndsEarly { settled }).await;
        }
        for (run, news) in self.then {
            step.tell(&run, &news).await;
        }
    }
}

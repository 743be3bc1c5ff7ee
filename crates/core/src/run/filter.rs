//! Which runs a list shows.

use jiff::Timestamp;

use super::{Run, Status};
use crate::names::ExperimentName;

/// Which runs a list shows: those for which everything that is asked here holds. Asks for nothing by default.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RunFilter {
    /// One of these; any when empty.
    pub statuses: Vec<Status>,
    /// Of this experiment.
    pub experiment: Option<ExperimentName>,
    /// Recorded at this time or later.
    pub since: Option<Timestamp>,
    /// Recorded before this time.
    pub until: Option<Timestamp>,
}

impl RunFilter {
    /// Whether a run is to be shown.
    pub fn admits(&self, run: &Run) -> bool {
        let of_status = self.statuses.is_empty() || self.statuses.contains(&run.status);
        let of_experiment = self.experiment.as_ref();
        let of_experiment = of_experiment.is_none_or(|name| name.as_str() == run.experiment);
        of_status && of_experiment && !self.is_past(run) && self.until.is_none_or(|until| run.opened_at < until)
    }

    /// Whether a run was recorded before everything that is to be shown: in a list with the newest first, none of the runs
    /// after this one is.
    pub fn is_past(&self, run: &Run) -> bool {
        self.since.is_some_and(|since| run.opened_at < since)
    }
}

//! What ends a run early, and keeps it from starting.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::alarm::{AbortAlarm, MAX_ABORT_ALARMS};
use super::time_window::TimeWindow;

/// What ends a run early, and keeps it from starting.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Guards {
    /// CloudWatch alarms, by name. A run does not start while one is in ALARM and is aborted when one goes there.
    #[serde(default)]
    #[schemars(length(max = 20), inner(length(min = 1, max = 255)))]
    pub alarms: Vec<String>,
    /// Alarms that the run makes for itself when the faults begin and deletes with them: when one goes to ALARM, the run is
    /// aborted. They may look at points from shortly before the faults.
    // Left out while there is none, so that what was written before has the same digest.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = MAX_ABORT_ALARMS))]
    pub abort_when: Vec<AbortAlarm>,
    /// What the judge may end the injection for. `harm`: as soon as a measure is established as deviated. `never`: the faults
    /// stay for the longest time whatever they do; alarms, the kill switch and people still end the run.
    // Left out as long as it is the default, so that what was written before has the same digest.
    #[serde(default, skip_serializing_if = "StopOn::is_default")]
    #[schemars(extend("default" = StopOn::default()))]
    pub stop_on: StopOn,
    /// When the injection may end early although nothing is wrong. `established`: as soon as every measure is established as
    /// upheld, with faults that were met. Without it, the faults stay for the longest time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_when: Option<StopWhen>,
    /// When a run may start and go on. It starts only while one of these is open, and ends when none is any more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub windows: Vec<TimeWindow>,
    /// A run may start at any time, also in production, where it is weekdays from 9 to 17 without this.
    #[serde(default, skip_serializing_if = "is_false")]
    pub any_time: bool,
}

fn is_false(value: &bool) -> bool {
    !value
}

impl Guards {
    /// Whether nothing is written.
    pub(super) fn is_empty(&self) -> bool {
        *self == Guards::default()
    }
}

/// What the judge may end the injection for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StopOn {
    /// A measure that is established as deviated.
    #[default]
    Harm,
    /// Nothing that is measured.
    Never,
}

impl StopOn {
    fn is_default(&self) -> bool {
        *self == StopOn::default()
    }
}

/// When the injection may end early although nothing is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StopWhen {
    /// Every measure is established as upheld.
    Established,
}

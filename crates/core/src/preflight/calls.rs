//! The calls that faults are about: do they pass through the layer?

use super::{Guard, Preflight};
use crate::experiment::{Experiment, Fault};

/// Refuses what could never be injected. A function whose configuration does not tell keeps nothing from starting: its layer
/// tells the run.
pub(super) fn check(experiment: &Experiment, found: &mut Preflight) {
    for fault in &experiment.faults {
        let Fault::Dependency { function, calls, .. } = fault else {
            continue;
        };
        let Some(known) = found.functions.iter().find(|known| &known.name == function) else {
            continue;
        };
        let Some(passing) = &known.calls else {
            let detail = format!("whether the calls of {function} pass through its layer cannot be seen from outside");
            found.not_checked(Guard::CallsNotPassing, detail);
            continue;
        };
        if let Some(obstacle) = passing.obstacle(calls) {
            let doctor = format!("`inoculate doctor {function}` says what passes");
            found.refuse(
                Guard::CallsNotPassing,
                format!("function {function} {obstacle}; {doctor}"),
            );
        }
    }
}

//! The name of a run that nobody named.

use std::hash::{BuildHasher, RandomState};

use inoculate_core::error::{Error, Result};
use inoculate_core::names::{ExperimentName, RunId};
use jiff::Timestamp;

/// Digits at the end of a run id, so that two runs of the same second differ.
const SUFFIX_DIGITS: usize = 6;

/// Room for the name of the experiment: a run id has at most 80 characters.
const NAME_ROOM: usize = 80 - "-20260102-030405-".len() - SUFFIX_DIGITS;

/// A random number. The standard library seeds each `RandomState` from the operating system.
pub fn random() -> u64 {
    RandomState::new().hash_one(0)
}

/// The experiment, the time to the second (UTC) and a random suffix: `throttle-20260102-030405-9f3c2a`.
///
/// # Errors
/// Never for a valid name; [`inoculate_core::error::Code::Internal`] otherwise.
pub fn generate(experiment: &ExperimentName, now: Timestamp, random: u64) -> Result<RunId> {
    let name: String = experiment.as_str().chars().take(NAME_ROOM).collect();
    let time = now.strftime("%Y%m%d-%H%M%S");
    let suffix = random % 16_u64.pow(SUFFIX_DIGITS as u32);
    let id = format!("{name}-{time}-{suffix:0SUFFIX_DIGITS$x}");
    id.parse()
        .map_err(|error| Error::internal(format!("a generated run id is not valid: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_named_after_experiment_time_and_chance() {
        let id = |name: &str, random| {
            let now: Timestamp = "2026-01-02T03:04:05.6Z".parse().unwrap();
            generate(&name.parse().unwrap(), now, random).unwrap().to_string()
        };
        assert_eq!(id("throttle", 0x9f3c2a), "throttle-20260102-030405-9f3c2a");
        assert_eq!(id("throttle", 0), "throttle-20260102-030405-000000");
        let longest = id(&"x".repeat(64), u64::MAX);
        assert_eq!(longest.len(), 80);
        assert!(longest.ends_with("x-20260102-030405-ffffff"));
    }

    #[test]
    fn chance_differs() {
        assert_ne!(random(), random());
    }
}

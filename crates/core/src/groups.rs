//! Which group a request belongs to: decided by arithmetic, so that every function of a run decides alike without
//! talking to anyone.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The two groups of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Group {
    /// Requests without the fault.
    Control,
    /// Requests with the fault.
    Experimental,
}

/// What a request was told apart by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyKind {
    /// A field of the event that the experiment names: an order or a customer. The same along a call chain.
    Field,
    /// The root of the tracing header. The same along a call chain.
    TraceRoot,
    /// The id of the request. Different in every function, so groups do not hold along a call chain.
    RequestId,
}

/// The group of a key: experimental with a probability of `percent`, always the same for the same salt and key.
///
/// `percent` is from 0 to 100; anything else, `NaN` included, counts as 0, since a broken number must not widen the
/// blast radius. The salt is new for every run, so that no customer is always the unlucky one.
///
/// The hash is SHA-256 over the length of the salt, the salt and the key; its first 64 bits, as a fraction of all
/// values, are compared with the percentage.
pub fn group_of(salt: &str, key: &str, percent: f64) -> Group {
    if !(0.0..=100.0).contains(&percent) {
        return Group::Control;
    }
    let mut hash = Sha256::new();
    hash.update((salt.len() as u64).to_be_bytes());
    hash.update(salt.as_bytes());
    hash.update(key.as_bytes());
    let digest = hash.finalize();
    let head = digest
        .iter()
        .take(8)
        .fold(0u64, |head, byte| head << 8 | u64::from(*byte));
    // 53 bits, so that every value is a float without rounding, below 1.
    let fraction = (head >> 11) as f64 / (1u64 << 53) as f64;
    if fraction * 100.0 < percent {
        Group::Experimental
    } else {
        Group::Control
    }
}

/// The root of an X-Ray tracing header: `Root=1-5759e988-bd862e3fe1be46a994272793;Parent=...;Sampled=1`.
///
/// Source: <https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html#xray-concepts-tracingheader>
pub fn trace_root(header: &str) -> Option<&str> {
    header
        .split(';')
        .find_map(|part| part.trim().strip_prefix("Root="))
        .filter(|root| !root.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_same_key_is_always_in_the_same_group(salt in ".{0,40}", key in ".{0,80}", percent in 0.0..=100.0f64) {
            prop_assert_eq!(group_of(&salt, &key, percent), group_of(&salt, &key, percent));
        }

        #[test]
        fn more_percent_never_takes_a_key_out(salt in ".{0,40}", key in ".{0,80}", low in 0.0..=100.0f64, more in 0.0..=100.0f64) {
            let high = (low + more).min(100.0);
            if group_of(&salt, &key, low) == Group::Experimental {
                prop_assert_eq!(group_of(&salt, &key, high), Group::Experimental);
            }
        }

        #[test]
        fn none_at_0_and_all_at_100(salt in ".{0,40}", key in ".{0,80}") {
            prop_assert_eq!(group_of(&salt, &key, 0.0), Group::Control);
            prop_assert_eq!(group_of(&salt, &key, 100.0), Group::Experimental);
        }

        #[test]
        fn a_broken_percentage_injects_nothing(percent in prop_oneof![Just(f64::NAN), Just(f64::INFINITY), -1e9..0.0, 100.1..1e9]) {
            prop_assert_eq!(group_of("salt", "key", percent), Group::Control);
        }
    }

    #[test]
    fn the_percentage_is_met_within_sampling_error() {
        const KEYS: u32 = 100_000;
        for percent in [0.1, 1.0, 5.0, 50.0, 99.0] {
            let keys = (0..KEYS).filter(|key| group_of("salt", &key.to_string(), percent) == Group::Experimental);
            let (share, expected) = (keys.count() as f64 / f64::from(KEYS), percent / 100.0);
            let deviation = (expected * (1.0 - expected) / f64::from(KEYS)).sqrt();
            assert!(
                (share - expected).abs() < 5.0 * deviation,
                "{percent} percent became {share}"
            );
        }
    }

    #[test]
    fn another_salt_chooses_other_keys() {
        let chosen = |salt: &str| {
            (0..1000)
                .filter(|k| group_of(salt, &k.to_string(), 50.0) == Group::Experimental)
                .collect::<Vec<_>>()
        };
        let (one, other) = (chosen("one"), chosen("other"));
        let both = one.iter().filter(|key| other.contains(key)).count();
        assert!(
            (180..=320).contains(&both),
            "{both} of 1000 keys are in both, about 250 were expected"
        );
    }

    #[test]
    fn salt_and_key_do_not_run_into_each_other() {
        let differs = (0..64).any(|n| group_of(&format!("a{n}"), "b", 50.0) != group_of("a", &format!("{n}b"), 50.0));
        assert!(differs);
    }

    #[test]
    fn the_hash_never_changes() {
        // Two versions of the layer in one call chain must agree; these values are the contract.
        let groups: String = (0..32)
            .map(|key| {
                if group_of("salt", &key.to_string(), 50.0) == Group::Experimental {
                    'E'
                } else {
                    'c'
                }
            })
            .collect();
        assert_eq!(groups, "EEcccEEEccEEEccEcEEEcEEccEEcccEE");
    }

    #[test]
    fn the_root_of_a_tracing_header_is_found() {
        for (header, root) in [
            (
                "Root=1-5759e988-bd86;Parent=53995c3f42cd8ad8;Sampled=1",
                Some("1-5759e988-bd86"),
            ),
            ("Self=1-1-1; Root=1-2-3", Some("1-2-3")),
            ("Parent=1;Sampled=0", None),
            ("Root=", None),
            ("", None),
        ] {
            assert_eq!(trace_root(header), root, "{header}");
        }
    }
}

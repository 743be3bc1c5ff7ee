//! The permission of one run to touch one function.
//!
//! A function belongs to one run at a time. A lease ends at an absolute time, so that a run which dies gives its
//! functions free by itself. The fence number rises with every taking, so that a late writer can be told apart.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::names::{FunctionName, RunId};

/// What the holder of a lease may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LeaseRole {
    /// The run watches the function.
    Observe,
    /// The run may have faults in the function.
    Fault,
    /// Nobody holds it. The item stays, so that the fence number keeps rising.
    Released,
}

/// The lease of one function.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// The layout of this record.
    pub schema_version: u32,
    /// The function.
    pub function: FunctionName,
    /// The ARN of the function, without version or alias.
    pub function_arn: String,
    /// The run that holds it.
    pub run_id: RunId,
    /// Rises by one with every taking of the lease.
    pub fence: u64,
    /// What the holder may do.
    pub role: LeaseRole,
    /// When it ends, in milliseconds since 1970.
    pub expires_at_ms: i64,
}

/// Whether a run may take a lease that it found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Availability {
    /// Nobody holds it, or the run itself does.
    Free,
    /// Another run holds it.
    Held,
    /// Another run held it and it ran out: it may be taken over once that run's undo records are settled.
    Expired,
}

impl Lease {
    /// Whether `run` may take this lease at `now`.
    pub fn availability(&self, run: &RunId, now: Timestamp) -> Availability {
        if self.role == LeaseRole::Released || &self.run_id == run {
            Availability::Free
        } else if now.as_millisecond() < self.expires_at_ms {
            Availability::Held
        } else {
            Availability::Expired
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_is_free_held_or_expired() {
        let lease = |role| Lease {
            schema_version: 1,
            function: "payments".parse().unwrap(),
            function_arn: "arn".into(),
            run_id: "a".parse().unwrap(),
            fence: 1,
            role,
            expires_at_ms: 10_000,
        };
        let at = |ms| Timestamp::from_millisecond(ms).unwrap();
        let (mine, other): (RunId, RunId) = ("a".parse().unwrap(), "b".parse().unwrap());
        for (role, run, now, expected) in [
            (LeaseRole::Fault, &mine, 99_999, Availability::Free),
            (LeaseRole::Fault, &other, 9_999, Availability::Held),
            (LeaseRole::Observe, &other, 9_999, Availability::Held),
            (LeaseRole::Fault, &other, 10_000, Availability::Expired),
            (LeaseRole::Released, &other, 0, Availability::Free),
        ] {
            assert_eq!(lease(role).availability(run, at(now)), expected, "{role:?} {run} {now}");
        }
    }
}

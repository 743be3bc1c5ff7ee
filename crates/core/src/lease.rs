//! The permission of one run to touch one function.
//!
//! A function belongs to one run at a time. A lease ends at an absolute time, so that a run which dies gives its
//! functions free by itself. The fence number rises with every taking, so that a late writer can be told apart.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::layer::{LeaseFault, Stage};
use crate::names::{FunctionName, RunId};
use crate::ports::LeaseRequest;

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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
    /// What it says to the layer; `None` when the run does without.
    #[serde(flatten)]
    pub terms: Option<Terms>,
}

/// What a lease says to the layer of its function. The layer reads it as [`crate::layer::LayerLease`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Terms {
    /// The window of the run that requests are counted in.
    pub stage: Stage,
    /// What makes the groups of this run others than those of the next.
    pub salt: String,
    /// How many percent of the requests are in the experimental group.
    pub percent: f64,
    /// The field of the event that requests are told apart by, as a JSON pointer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The faults of the experimental group; none but with the role `fault`.
    #[serde(default)]
    pub faults: Vec<LeaseFault>,
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

/// The fence number with which a request may write over what was found; `None` when it may not.
pub fn next_fence(request: &LeaseRequest, found: Option<&Lease>) -> Option<u64> {
    let Some(found) = found else { return Some(1) };
    let released = found.role == LeaseRole::Released;
    if !released && found.run_id == request.run_id {
        Some(found.fence)
    } else if released || request.take_over.as_ref() == Some(found) {
        Some(found.fence.saturating_add(1))
    } else {
        None
    }
}

/// Whether a lease may be renewed so: the same function, run and taking, and not given back.
pub fn is_renewal(found: &Lease, to: &Lease) -> bool {
    let same = |of: fn(&Lease) -> (&str, &RunId, u64)| of(found) == of(to);
    found.role != LeaseRole::Released && same(|lease| (&lease.function_arn, &lease.run_id, lease.fence))
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
            terms: None,
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

    fn held(run_id: &str, role: LeaseRole) -> Lease {
        Lease {
            schema_version: 1,
            function: "f".parse().unwrap(),
            function_arn: "arn".into(),
            run_id: run_id.parse().unwrap(),
            fence: 7,
            role,
            expires_at_ms: 1,
            terms: None,
        }
    }

    #[test]
    fn the_fence_rises_with_every_taking_but_not_for_the_holder() {
        let renewed = Lease {
            expires_at_ms: 2,
            ..held("other", LeaseRole::Fault)
        };
        for (found, take_over, expected) in [
            (None, None, Some(1)),
            (Some(held("me", LeaseRole::Observe)), None, Some(7)),
            (Some(held("me", LeaseRole::Released)), None, Some(8)),
            (Some(held("other", LeaseRole::Released)), None, Some(8)),
            (Some(held("other", LeaseRole::Fault)), None, None),
            (
                Some(held("other", LeaseRole::Fault)),
                Some(held("other", LeaseRole::Fault)),
                Some(8),
            ),
            (Some(held("other", LeaseRole::Fault)), Some(renewed), None),
        ] {
            let request = LeaseRequest {
                function: "f".parse().unwrap(),
                function_arn: "arn".into(),
                run_id: "me".parse().unwrap(),
                expires_at_ms: 9,
                take_over,
                terms: None,
            };
            let fence = next_fence(&request, found.as_ref());
            assert_eq!(fence, expected, "{found:?} {request:?}");
        }
    }

    #[test]
    fn the_layer_understands_what_the_orchestrator_writes() {
        let faults = vec![LeaseFault {
            matches: vec![],
            fault: crate::fault::InvocationFault::Crash {
                at: crate::fault::At::Before,
            },
        }];
        let terms = Terms {
            stage: Stage::Injection,
            salt: "s".into(),
            percent: 12.5,
            key: Some("/order_id".into()),
            faults: faults.clone(),
        };
        let lease = Lease {
            terms: Some(terms),
            ..held("me", LeaseRole::Fault)
        };
        let item = serde_json::to_value(&lease).unwrap();
        assert_eq!(serde_json::from_value::<Lease>(item.clone()).unwrap(), lease);
        let read = crate::layer::read(&item, "arn").unwrap().unwrap();
        assert_eq!((read.lease().percent, &read.lease().faults), (12.5, &faults));

        let silent = Lease { terms: None, ..lease };
        let item = serde_json::to_value(&silent).unwrap();
        assert_eq!(serde_json::from_value::<Lease>(item.clone()).unwrap(), silent);
        assert_eq!(crate::layer::read(&item, "arn"), Ok(None));
    }
}

//! What the orchestrator tells the layer with a lease, and what the layer decides from that.
//!
//! The lease of a function is one item of the table. What the layer needs of it are the fields of [`LayerLease`]. It
//! is read whole or not at all: what is not understood, or of a later schema version, injects nothing. Fields that
//! are not known are ignored.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::fault::{FaultPlan, InvocationFault, Match, check_pointer};
use crate::groups::{Group, KeyKind, group_of, trace_root};
use crate::lease::LeaseRole;
use crate::names::RunId;

/// The layout of the lease, and of what the layer writes.
pub const SCHEMA_VERSION: u32 = 1;

/// How many partitions the sketches of a run are spread over.
pub const SKETCH_SHARDS: u8 = 16;

/// The window of a run in which something was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Before the faults.
    Baseline,
    /// While there are faults.
    Injection,
    /// After the faults.
    Recovery,
}

impl Stage {
    /// The stage as keys have it.
    pub fn name(self) -> &'static str {
        match self {
            Stage::Baseline => "baseline",
            Stage::Injection => "injection",
            Stage::Recovery => "recovery",
        }
    }
}

/// A fault, and the events that meet it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeaseFault {
    /// All of these must hold. None: every event.
    #[serde(default, rename = "match")]
    pub matches: Vec<Match>,
    /// The fault.
    pub fault: InvocationFault,
}

/// What a lease says to the layer. The JSON form is that of the attributes of the item.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LayerLease {
    /// The layout of this item.
    pub schema_version: u32,
    /// The function, without version or alias.
    pub function_arn: String,
    /// The run that holds the lease.
    pub run_id: RunId,
    /// Rises with every taking of the lease.
    pub fence: u64,
    /// What the run may do.
    pub role: LeaseRole,
    /// The window of the run that requests are counted in.
    pub stage: Stage,
    /// What makes the groups of this run others than those of the next.
    pub salt: String,
    /// How many percent of the requests are in the experimental group.
    pub percent: f64,
    /// The field of the event that requests are told apart by, as a JSON pointer.
    #[serde(default)]
    pub key: Option<String>,
    /// The faults of the experimental group.
    #[serde(default)]
    pub faults: Vec<LeaseFault>,
    /// When the lease ends, in milliseconds since 1970.
    pub expires_at_ms: u64,
    /// How often the layer should read this again, in milliseconds.
    #[serde(default)]
    pub poll_ms: Option<u64>,
}

/// Why a lease is ignored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Written by a later version of the orchestrator.
    #[error("schema version {0} is later than {SCHEMA_VERSION}")]
    Version(u64),
    /// Written for another function.
    #[error("it is for another function: {0}")]
    Function(String),
    /// Not a lease, or one with a mistake.
    #[error("it is not understood: {0}")]
    Invalid(String),
}

/// A lease that was read and found good.
#[derive(Debug, Clone, PartialEq)]
pub struct ReadLease {
    lease: LayerLease,
    plan: FaultPlan,
}

/// Reads the item of a function's lease. `None` if it says nothing to the layer: nobody holds the lease, or a run
/// that does not use the layer.
///
/// # Errors
/// When the lease has to be ignored.
pub fn read(item: &Value, function_arn: &str) -> Result<Option<ReadLease>, Refused> {
    let invalid = |reason: &str| Err(Refused::Invalid(reason.to_owned()));
    let Some(version) = item.get("schema_version").and_then(Value::as_u64) else {
        return invalid("schema_version is missing or no whole number");
    };
    if version > u64::from(SCHEMA_VERSION) {
        return Err(Refused::Version(version));
    }
    if item.get("role").is_some_and(|role| role == "released") || item.get("stage").is_none() {
        return Ok(None);
    }
    let lease: LayerLease =
        serde_json::from_value(item.clone()).map_err(|error| Refused::Invalid(error.to_string()))?;
    if lease.function_arn != function_arn {
        return Err(Refused::Function(lease.function_arn));
    }
    ReadLease::new(lease).map(Some)
}

/// The run that should hear why the item of a lease was refused. Read from the item as it is, since a refused lease has
/// no other form. `None` if the item names no run, or one that has ended as far as can be told: a lease that lies
/// there after its run is nobody's problem.
pub fn run_to_tell(item: &Value, now_ms: u64) -> Option<RunId> {
    let released = item.get("role").is_some_and(|role| role == "released");
    let expires_at_ms = item.get("expires_at_ms").and_then(Value::as_u64);
    if released || expires_at_ms.is_some_and(|end| end <= now_ms) {
        return None;
    }
    item.get("run_id")?.as_str()?.parse().ok()
}

impl ReadLease {
    /// Checks a lease.
    ///
    /// # Errors
    /// When it has a mistake.
    pub fn new(lease: LayerLease) -> Result<ReadLease, Refused> {
        let invalid = |reason: String| Refused::Invalid(reason);
        if !(0.0..=100.0).contains(&lease.percent) {
            return Err(invalid(format!(
                "percent should be from 0 to 100, not {}",
                lease.percent
            )));
        }
        if !(1..=256).contains(&lease.salt.len()) {
            return Err(invalid("salt should have 1 to 256 bytes".to_owned()));
        }
        if lease.role == LeaseRole::Fault && lease.stage != Stage::Injection {
            return Err(invalid(format!("there are no faults in stage {}", lease.stage.name())));
        }
        let mut pointers = lease.key.iter().map(|key| check_pointer(key));
        let checked = pointers.try_for_each(|checked| checked);
        let mut matches = lease.faults.iter().flat_map(|fault| &fault.matches);
        let checked = checked.and_then(|()| matches.try_for_each(Match::validate));
        checked.map_err(|error| invalid(error.to_string()))?;
        let faults = lease.faults.iter().map(|fault| fault.fault.clone()).collect();
        let plan = FaultPlan::new(faults).map_err(|error| invalid(error.to_string()))?;
        Ok(ReadLease { lease, plan })
    }

    /// The lease.
    pub fn lease(&self) -> &LayerLease {
        &self.lease
    }

    /// Why fewer requests than the lease asks for may meet a fault, if the owner's cap makes it so.
    pub fn capped_by(&self, caps: &Caps) -> Option<String> {
        let lease = &self.lease;
        let capped = lease.role == LeaseRole::Fault && !lease.faults.is_empty() && lease.percent > caps.max_percent;
        capped.then(|| {
            format!(
                "the owner allows at most {} percent, and the run asks for {}",
                caps.max_percent, lease.percent
            )
        })
    }

    /// Whether the event has to be looked at.
    pub fn needs_event(&self) -> bool {
        self.lease.key.is_some() || self.lease.faults.iter().any(|fault| !fault.matches.is_empty())
    }

    /// Whether another reading of the lease allows the same: only the time it ends, or how often to read it, differ.
    pub fn allows_the_same(&self, other: &ReadLease) -> bool {
        let renewed = LayerLease {
            expires_at_ms: other.lease.expires_at_ms,
            poll_ms: other.lease.poll_ms,
            ..self.lease.clone()
        };
        renewed == other.lease
    }

    /// Whether the lease counts: it has not ended, and was read not longer than `max_stale_ms` ago.
    pub fn is_valid(&self, at: &Moment) -> bool {
        let age = at.now_ms.checked_sub(at.read_at_ms);
        at.now_ms < self.lease.expires_at_ms && age.is_some_and(|age| age <= at.max_stale_ms)
    }
}

/// The time that counts for a lease, in milliseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Now.
    pub now_ms: u64,
    /// When the lease was read: before it was asked for.
    pub read_at_ms: u64,
    /// How old what was read may be.
    pub max_stale_ms: u64,
}

/// What the owner of the function allows, whatever a lease says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Caps {
    /// No faults, and no groups.
    pub disabled: bool,
    /// The largest percent of requests that may meet a fault.
    pub max_percent: f64,
}

/// What a request can be told apart by.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Material<'a> {
    /// The event, if [`ReadLease::needs_event`] and it is JSON.
    pub event: Option<&'a Value>,
    /// The X-Ray tracing header.
    pub trace: Option<&'a str>,
    /// The request id.
    pub request_id: &'a str,
}

/// What happens to one request.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// The group it is counted in. The same in every function of the run that knows the same key.
    pub group: Group,
    /// What it was told apart by.
    pub key: KeyKind,
    /// The faults it meets.
    pub faults: FaultPlan,
}

/// Decides about one request. `None` if the lease does not count (any more): the request passes unseen.
///
/// A cap of the owner keeps faults from requests, but does not move them to the other group: groups have to be the
/// same in all functions of a call chain.
pub fn decide(read: &ReadLease, at: &Moment, caps: &Caps, request: &Material<'_>) -> Option<Decision> {
    let lease = &read.lease;
    if caps.disabled || lease.role == LeaseRole::Released || !read.is_valid(at) {
        return None;
    }
    let (key, text) = key_of(lease, request);
    let group = group_of(&lease.salt, &text, lease.percent);
    let allowed = group_of(&lease.salt, &text, lease.percent.min(caps.max_percent)) == Group::Experimental;
    let faults = if lease.role == LeaseRole::Fault && allowed {
        faults_for(read, request.event)
    } else {
        FaultPlan::default()
    };
    Some(Decision { group, key, faults })
}

fn key_of(lease: &LayerLease, request: &Material<'_>) -> (KeyKind, String) {
    let field = lease.key.as_deref().and_then(|key| request.event?.pointer(key));
    match field {
        Some(Value::String(text)) if !text.is_empty() => return (KeyKind::Field, text.clone()),
        Some(Value::Number(number)) => return (KeyKind::Field, number.to_string()),
        // Nothing that tells one customer from another.
        _ => {}
    }
    match request.trace.and_then(trace_root) {
        Some(root) => (KeyKind::TraceRoot, root.to_owned()),
        None => (KeyKind::RequestId, request.request_id.to_owned()),
    }
}

/// The faults whose matches all hold. An event that is not JSON matches nothing.
fn faults_for(read: &ReadLease, event: Option<&Value>) -> FaultPlan {
    let meets = |matches: &[Match]| matches.iter().all(|test| event.is_some_and(|event| test.holds(event)));
    let met: Vec<bool> = read.lease.faults.iter().map(|fault| meets(&fault.matches)).collect();
    if met.iter().all(|met| *met) {
        return read.plan.clone();
    }
    read.plan.filtered(|place| met.get(place) == Some(&true))
}

/// A function's ARN without version or alias: the lease is for all of them.
pub fn unqualified(function_arn: &str) -> &str {
    // arn:aws:lambda:region:account:function:name:qualifier
    let end = function_arn
        .match_indices(':')
        .nth(6)
        .map_or(function_arn.len(), |(at, _)| at);
    &function_arn[..end]
}

/// The key of the lease of a function: partition and sort key.
pub fn lease_key(function_arn: &str) -> (String, &'static str) {
    (format!("TARGET#{function_arn}"), "LEASE")
}

/// The key of what one environment of a function saw in one stage of a run: partition and sort key. The partition is
/// one of [`SKETCH_SHARDS`], by a hash of the environment.
pub fn sketch_key(run: &RunId, function: &str, environment: &str, stage: Stage) -> (String, String) {
    (
        sketch_partition(run, environment),
        format!("{function}#{environment}#{}", stage.name()),
    )
}

/// The key of what one environment of a function could not do for a run: partition and sort key. It is in the
/// partition of the sketches of that environment, so whoever reads those has read it.
pub fn problems_key(run: &RunId, function: &str, environment: &str) -> (String, String) {
    (
        sketch_partition(run, environment),
        format!("{function}#{environment}#problems"),
    )
}

fn sketch_partition(run: &RunId, environment: &str) -> String {
    let hash = Sha256::digest(environment.as_bytes());
    let shard = hash.first().copied().unwrap_or_default() % SKETCH_SHARDS;
    format!("RUN#{run}#SKETCH#{shard}")
}

#[cfg(test)]
mod tests;

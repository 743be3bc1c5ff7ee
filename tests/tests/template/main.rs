//! Contract tests over the templates: what nothing else would notice until a deployment, or an incident.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test says what it found by panicking"
)]

mod inoculate;
mod packages;
mod permissions;

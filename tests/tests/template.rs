//! Contract tests over the templates: what nothing else would notice until a deployment, or an incident.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test says what it found by panicking"
)]

#[path = "template/dashboard.rs"]
mod dashboard;
#[path = "template/inoculate.rs"]
mod inoculate;
#[path = "template/layer.rs"]
mod layer;
#[path = "template/packages.rs"]
mod packages;
#[path = "template/permissions.rs"]
mod permissions;
#[path = "template/telling.rs"]
mod telling;

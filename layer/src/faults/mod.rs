//! The invocation faults: how they act.
//!
//! What they are is plain data in [`inoculate_core::fault`]. How they act on the exchange between runtime and Runtime
//! API is in [`crate::event`] and [`crate::answer`]; the parts that need no exchange are here, one file each.

pub mod corruption;
pub mod delay;
pub mod payload;
pub mod pressure;

pub use inoculate_core::fault::{
    At, Corruption, Delay, Delivery, FaultKind, FaultPlan, Handler, InvocationFault as Fault, PlanError,
};

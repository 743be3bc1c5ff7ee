//! The calls of a function to AWS, through the layer.

mod boto3;
pub(crate) mod caller;
mod faults;
mod forwarding;
mod large;
mod lease;
mod node;
mod observed;
mod outage;
mod rotation;
mod rust;
pub(crate) mod scene;
mod sdk;
mod variables;

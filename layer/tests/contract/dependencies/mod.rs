//! The calls of a function to AWS, through the layer.

pub(crate) mod caller;
mod faults;
mod forwarding;
mod large;
mod lease;
mod observed;
mod rotation;
mod rust;
mod scene;
mod sdk;
mod variables;

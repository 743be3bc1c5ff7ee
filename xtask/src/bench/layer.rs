//! What the layer costs an invocation and a call to AWS, and how fast it follows a lease.
//!
//! The measuring is done by the benchmarks of the layer itself.

use crate::bench::figures;
use crate::error::Error;

pub(crate) fn print() -> Result<(), Error> {
    figures::print("layer", "inoculate-layer", &["idle", "lease"])
}

/// What it adds to a call.
pub(crate) fn print_dependencies() -> Result<(), Error> {
    figures::print("dependencies", "inoculate-layer", &["dependencies"])
}

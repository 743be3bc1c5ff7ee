//! What the layer costs an invocation, and how fast it follows a lease.
//!
//! The measuring is done by the benchmarks of the layer itself.

use crate::bench::figures;
use crate::error::Error;

pub(crate) fn print() -> Result<(), Error> {
    figures::print("layer", "inoculate-layer", &["idle", "lease"])
}

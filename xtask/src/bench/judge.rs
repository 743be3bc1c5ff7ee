//! How often the judge is wrong, how long it takes to find an effect, and what judging costs.
//!
//! The measuring is done by the benchmark of the core itself. It fails when there are clearly more false alarms than there may
//! be.

use crate::bench::figures;
use crate::error::Error;

pub(crate) fn print() -> Result<(), Error> {
    figures::print("judge", "inoculate-core", &["judge"])
}

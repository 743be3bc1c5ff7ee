//! Experiments of Chaos Toolkit in, and journals of Chaos Toolkit out. Nothing is read or written here.
//!
//! | look in | for |
//! |---|---|
//! | [`import`](import()) | the whole way in: a file of Chaos Toolkit to a [`Draft`] |
//! | [`parts`] | each part of the file, and what became of it |
//! | `variables` | its configuration, and `${name}` in its texts |
//! | `activity` | its activities: who provides them, with which arguments |
//! | `actions` | the actions that become faults: a table |
//! | `probes` | the probes that become measures or alarms: a table |
//! | `tolerance` | its tolerances as limits |
//! | `windows` | how long the parts of a run take |
//! | `yaml` | a value as YAML with comments |
//! | [`journal`](journal()) | the way out: a run as a journal |
//!
//! The format: <https://chaostoolkit.org/reference/api/experiment/> and <https://chaostoolkit.org/reference/api/journal/>.

mod actions;
mod activity;
mod import;
mod journal;
pub mod parts;
mod probes;
#[cfg(test)]
mod tests;
mod tolerance;
mod variables;
mod windows;
mod yaml;

pub use import::{Draft, Given, Source, import, read};
pub use journal::journal;

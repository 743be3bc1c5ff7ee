//! What people read. Pure functions from data to text of at most 80 columns; nothing here reads, asks or prints.

pub mod attach;
mod calls;
pub mod doctor;
pub mod error;
pub mod findings;
pub mod github;
pub mod halt;
pub mod import;
pub mod init;
pub mod journal;
pub mod junit;
pub mod list;
pub mod live;
pub mod markdown;
pub mod plan;
pub mod problems;
pub mod progress;
pub mod run;
pub mod schedule;
mod sizing;
pub mod style;
pub mod suite;
pub mod text;

#[cfg(test)]
pub(crate) mod samples;
#[cfg(test)]
mod tests;

//! The Lambda layer: a proxy between a function and the Lambda Runtime API that can inject faults.
//!
//! The runtime of a function asks the Runtime API for the next event and posts its answer there. The layer stands
//! between the two, so that it can meet each invocation without a change to the code under test. While no experiment
//! is active it passes everything on as it comes. It must never be the outage: whatever is missing or broken on its
//! side, the function runs as if the layer were not there.
//!
//! | look in | for |
//! |---|---|
//! | [`proxy`] | the listener, and which request goes which way |
//! | [`upstream`], [`body`] | connections to the true Runtime API; bodies that stream |
//! | [`intercept`] | the seam: what decides about an invocation, and what it gets to see |
//! | [`agent`] | what decides: the lease, read beside the handler, and what was seen, written beside it |
//! | [`known`], [`dynamo`] | what is known of the lease and for how long; the table |
//! | [`tally`], [`problems`], [`outbox`] | what was seen; what could not be done; when that is written |
//! | [`faults`] | what can go wrong on purpose, as plain data and small functions |
//! | [`event`], [`answer`] | how the faults act on events on their way in and answers on their way out |
//! | [`dependencies`] | the calls of the function to AWS and other hosts, which pass through here if the owner wants that |
//! | [`calls`] | those calls, counted while an invocation is watched |
//! | [`exec`], [`child`] | `inoculate-layer exec -- COMMAND...` |
//! | [`extension`], [`probe`] | the same as an external extension on AWS, and how the wrapper script finds it |
//! | [`config`], [`log`] | the environment variables, and one JSON line for everything worth knowing |
//!
//! The contract: <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>

pub mod agent;
pub mod answer;
mod asker;
pub mod body;
pub mod calls;
pub mod child;
pub mod clock;
pub mod command;
pub mod config;
pub mod dependencies;
mod dial;
pub mod dynamo;
pub mod event;
pub mod exec;
pub mod extension;
pub mod faults;
pub mod flight;
pub mod intercept;
pub mod known;
pub mod log;
mod missing;
pub mod outbox;
pub mod probe;
pub mod problems;
pub mod proxy;
pub mod route;
pub mod tally;
pub mod upstream;
mod wait;

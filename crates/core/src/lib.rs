//! What Inoculate knows and decides, with nothing that touches the world.
//!
//! This crate is pure: no AWS, no async runtime, no clock, no randomness. Side effects are named here as
//! [`ports`] and live in `inoculate-aws`; control flow lives in the state machine.
//!
//! | look in | for |
//! |---|---|
//! | [`experiment`] | what a person writes: hypothesis, faults, blast radius, steady state |
//! | [`expression`] | the words in an expression of metric maths |
//! | [`read`] | reading it strictly: every mistake, with its line, at once |
//! | [`run`] | one execution of an experiment: phases, transitions, journal |
//! | [`run_alarms`] | the alarms that runs make for themselves: their names, and which are strays |
//! | [`details`] | everything that is recorded of one run |
//! | [`setting`], [`undo`] | control-plane settings a fault changes, and how they are put back |
//! | [`lease`] | the permission of one run to touch one function |
//! | [`groups`] | which group a request belongs to |
//! | [`fault`] | what can go wrong on purpose in one invocation, and in the calls that it makes |
//! | [`service`] | the services of AWS whose calls can go wrong |
//! | [`host`] | the hosts that functions call |
//! | [`layer`] | what the layer is told by a lease, and what it decides from that |
//! | [`sketch`] | what the layer saw: counts and durations per group, which add up |
//! | [`calls`] | what the layer saw of the calls to other services |
//! | [`seen`] | what the layers wrote of a run, added up |
//! | [`sequential`] | intervals that may be looked at all the time |
//! | [`ranks`] | two samples compared by their ranks |
//! | [`judge`] | points and tolerances in, verdict and reason out |
//! | [`plan`] | what a run would touch, for how long, at what cost |
//! | [`sizing`] | whether a run will have enough data to tell |
//! | [`schedule`] | when a saved experiment starts by itself, and which starts come too late |
//! | [`suite`] | which of several experiments may run at the same time |
//! | [`shell`] | words of commands that people copy |
//! | [`sweep`] | whether a run is at work, over time, or left behind by its execution |
//! | [`preflight`] | what keeps a run from starting |
//! | [`deployment`] | the caps of the account, and the roles of the steps |
//! | [`hours`] | whether time windows are open, until when, and when they open again |
//! | [`permissions`] | what the roles must be allowed for a run, and what IAM says of it |
//! | [`notice`] | what people and programs are told of a run, in words and as an event |
//! | [`words`] | what is recorded of a run, in words |
//! | [`emf`] | the metrics that are written about runs |
//! | [`ports`] | the outside world in the words of this crate |
//! | [`attach`] | adding the layer to a function, and taking it away again |
//! | [`error`] | one error type, one stable code per cause |

pub mod attach;
pub mod calls;
pub mod deployment;
pub mod details;
pub mod emf;
pub mod error;
pub mod experiment;
pub mod expression;
pub mod fault;
pub mod groups;
pub mod host;
pub mod hours;
pub mod judge;
pub mod layer;
pub mod lease;
pub mod names;
pub mod notice;
pub mod passing;
pub mod permissions;
pub mod plan;
pub mod ports;
pub mod preflight;
pub mod ranks;
pub mod read;
pub mod run;
pub mod run_alarms;
pub mod schedule;
mod schema;
pub mod seen;
pub mod sequential;
pub mod service;
pub mod setting;
pub mod shell;
pub mod sizing;
pub mod sketch;
pub mod span;
pub mod suite;
pub mod sweep;
pub mod undo;
pub mod words;

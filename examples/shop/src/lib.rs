//! A small shop to run experiments on: `checkout` charges a customer through `payments` and writes the order down.
//!
//! There are two versions of checkout. [`naive`] is what many teams write first; [`hardened`] is built to live
//! through a failing `payments`. They differ in nothing else, so an experiment that tells them apart has found a
//! real difference. Nothing here knows of Inoculate.
//!
//! Start reading at [`order`], then [`naive`] and [`hardened`]; [`aws`] connects them to the real services.

pub mod aws;
pub mod error;
pub mod handler;
pub mod hardened;
pub mod metrics;
pub mod naive;
pub mod order;
pub mod payments;
pub mod policy;
pub mod ports;
pub mod tally;
pub mod traffic;

#[cfg(test)]
mod fakes;

//! What tests of Inoculate are made of. This page says how to write one.
//!
//! # A test without AWS
//! Make a [`World`], take its [`Ports`](inoculate_core::ports::Ports), call what is to be tested, look at the world:
//!
//! ```
//! use inoculate_core::setting::{Setting, SettingValue};
//! use inoculate_tests::build;
//!
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! let world = build::shop();
//! let ports = world.ports();
//!
//! let payments = build::name("shop-payments");
//! let (from, to) = (SettingValue::Unreserved, SettingValue::Executions(0));
//! ports.targets.replace(&payments, &Setting::ReservedConcurrency, from, to).await.unwrap();
//!
//! assert_eq!(world.function("shop-payments").concurrency, Some(0));
//! # });
//! ```
//!
//! | module | for |
//! |---|---|
//! | [`memory`] | [`World`]: every port in memory, with a clock that stands until it is moved |
//! | [`build`] | valid experiments, runs and changes, to be altered in the one respect that a test is about |
//! | [`fail`] | failing any call before or after its effect, and the list of calls to make cases from |
//! | [`machine`] | the state machine without Step Functions: the five steps in the order of the file |
//! | [`terminal`] | a process in a pseudo terminal, its screen, and keys |
//! | [`template`] | the CloudFormation templates as values |
//! | [`documents`] | the commands that the documents tell people to type |
//! | [`policy`] | what IAM says of the policies in a template |
//! | [`contract`] | what every implementation of the ports must do; run against memory and the local stack |
//!
//! # A test of everything that can fail
//! Run once and count the calls; then, for each of them, run again in a fresh world with this one call failing:
//!
//! ```
//! use inoculate_core::error::Code;
//! use inoculate_core::setting::{Setting, SettingValue};
//! use inoculate_tests::{build, fail::{Failing, How}};
//!
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! async fn step(ports: &inoculate_core::ports::Ports) -> inoculate_core::error::Result<()> {
//!     let payments = build::name("shop-payments");
//!     let (from, to) = (SettingValue::Unreserved, SettingValue::Executions(0));
//!     ports.targets.replace(&payments, &Setting::ReservedConcurrency, from, to).await
//! }
//!
//! let rehearsal = Failing::over(build::shop().ports());
//! step(&rehearsal.ports()).await.unwrap();
//!
//! for call in rehearsal.calls() {
//!     for how in How::BOTH {
//!         let world = build::shop();
//!         let failing = Failing::over(world.ports());
//!         failing.fail_call(call.number, how, Code::Unavailable);
//!         assert!(step(&failing.ports()).await.is_err(), "{call} {how:?}");
//!         step(&failing.ports()).await.unwrap(); // again, as the state machine does
//!         assert_eq!(world.function("shop-payments").concurrency, Some(0), "{call} {how:?}");
//!     }
//! }
//! # });
//! ```
//!
//! # Rules
//! - A test waits for a condition, never for a time: [`eventually`] asks until it holds.
//! - Nothing reads the real clock; [`World::advance`] moves the one there is.
//! - A rule for every input is a property test, a rule with cases is a table, what people read is a snapshot.
//! - What a port must do is tested in [`contract`], for memory and AWS at once, so that the fake cannot lie.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a helper of a test fails the test"
)]

pub mod build;
pub mod contract;
pub mod documents;
pub mod fail;
pub mod machine;
pub mod memory;
pub mod policy;
pub mod template;
pub mod terminal;

pub use memory::World;

use std::task::Poll;
use std::time::Duration;

/// Ends one poll of a future and begins the next: where somebody else may come in between, in futures that a test polls by hand.
pub async fn turn() {
    let mut been_here = false;
    std::future::poll_fn(|context| {
        if std::mem::replace(&mut been_here, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Asks until there is an answer, and returns it. Fails the test after a minute.
pub async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, mut ask: impl FnMut() -> F) -> T {
    const PAUSE: Duration = Duration::from_millis(25);
    for _ in 0..2_400 {
        if let Some(answer) = ask().await {
            return answer;
        }
        tokio::time::sleep(PAUSE).await;
    }
    panic!("not within a minute: {what}");
}

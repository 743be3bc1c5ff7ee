//! Attaching, looking and detaching: in memory, where anything can be made to fail, and the command on the local stack.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test says what it found by panicking"
)]

#[path = "attach/command.rs"]
mod command;
#[path = "attach/failing.rs"]
mod failing;
#[path = "attach/looking.rs"]
mod looking;
#[path = "attach/scene.rs"]
mod scene;
#[path = "attach/sharing.rs"]
mod sharing;

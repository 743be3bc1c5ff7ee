//! Python's `awslambdaric`.

use super::installed::{python, sources};
use super::{Client, cases, events, follows_a_lease, is_untouched};

pub(crate) fn client() -> Client {
    let python = python().python().to_str().unwrap().to_owned();
    let arguments = ["-m", "awslambdaric", "handler.handle"];
    Client {
        command: std::iter::once(python).chain(arguments.map(str::to_owned)).collect(),
        directory: sources("python"),
    }
}

#[tokio::test]
async fn it_is_untouched() {
    is_untouched(&client(), events).await;
}

#[tokio::test]
async fn it_meets_every_fault() {
    cases::meets_every_fault(&client()).await;
}

#[tokio::test]
async fn it_is_killed_before_its_event() {
    cases::is_killed_before_its_event(&client()).await;
}

#[tokio::test]
async fn it_follows_a_lease() {
    follows_a_lease(&client()).await;
}

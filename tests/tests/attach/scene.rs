//! An account in memory with a deployed stack and a shop, beside a world with runs and leases.

use std::sync::Arc;

use inoculate_core::attach::configuration::Variables;
use inoculate_core::attach::doctor::{Check, Health, Subject, examine};
use inoculate_core::attach::{Access, Mode, Outcome, Step, attaching, detaching};
use inoculate_core::error::Result;
use inoculate_core::ports::Ports;
use inoculate_tests::build;
use inoculate_tests::memory::{Account, World};

/// The function under test.
pub(crate) const SHOP: &str = "shop";
pub(crate) const ROLE: &str = "arn:aws:iam::123456789012:role/shop-role";
pub(crate) const POLICY: &str = "arn:aws:iam::123456789012:policy/inoculate-layer";
pub(crate) const ARN: &str = "arn:aws:lambda:eu-west-1:123456789012:function:shop";

pub(crate) struct Scene {
    pub(crate) account: Arc<Account>,
    pub(crate) world: Arc<World>,
    ports: Ports,
}

/// Everything of an account that attaching may change.
#[derive(Debug, PartialEq)]
pub(crate) struct Snapshot {
    functions: Vec<(String, Vec<String>, Variables)>,
    roles: Vec<(String, Vec<String>)>,
    records: usize,
}

impl Scene {
    /// A shop with a layer and variables of its own.
    pub(crate) fn new() -> Scene {
        let account = Account::new();
        account.change(|state| {
            state.deploy("inoculate", "x86_64");
            let shop = state.add(SHOP);
            shop.layers = vec!["arn:aws:lambda:eu-west-1:123456789012:layer:deps:7".to_owned()];
            shop.variables = [("KEY".to_owned(), "secret".to_owned())].into_iter().collect();
        });
        let world = World::new();
        let ports = world.ports();
        Scene { account, world, ports }
    }

    pub(crate) fn access(&self) -> Access<'_> {
        Access {
            stack: "inoculate",
            options: "",
            attachments: &*self.account,
            leases: &*self.ports.leases,
            runs: &*self.ports.runs,
            clock: &*self.ports.clock,
        }
    }

    pub(crate) async fn attach(&self, function: &str) -> Result<Outcome> {
        let mode = Mode::Change("1m".parse().unwrap());
        attaching::attach(&self.access(), &build::name(function), &[], mode).await
    }

    pub(crate) async fn detach(&self, function: &str) -> Result<Outcome> {
        self.detach_with(function, false).await
    }

    pub(crate) async fn detach_with(&self, function: &str, force: bool) -> Result<Outcome> {
        let mode = Mode::Change("1m".parse().unwrap());
        detaching::detach(&self.access(), &build::name(function), mode, force).await
    }

    pub(crate) async fn examine(&self) -> Vec<Check> {
        examine(&self.access(), &build::name(SHOP)).await.unwrap()
    }

    /// What one check found.
    pub(crate) async fn health(&self, subject: Subject) -> (Health, String) {
        let checks = self.examine().await;
        let check = checks.into_iter().find(|check| check.check == subject).unwrap();
        (check.result, check.detail)
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        self.account.change(|state| Snapshot {
            functions: state
                .functions
                .iter()
                .map(|(name, now)| (name.to_string(), now.layers.clone(), now.variables.clone()))
                .collect(),
            roles: state
                .roles
                .iter()
                .map(|(name, policies)| (name.clone(), policies.iter().cloned().collect()))
                .collect(),
            records: state.records.len(),
        })
    }

    /// The calls since the last question.
    pub(crate) fn calls(&self) -> Vec<&'static str> {
        self.account.change(|state| std::mem::take(&mut state.calls))
    }
}

/// The steps of an outcome that changed something.
pub(crate) fn steps(outcome: Outcome) -> Vec<Step> {
    match outcome {
        Outcome::Changed { steps, .. } => steps,
        other => panic!("nothing was changed: {other:?}"),
    }
}

/// What an outcome says that stays.
pub(crate) fn left(outcome: Outcome) -> String {
    let (Outcome::Changed { left, .. } | Outcome::WouldChange { left, .. } | Outcome::Unchanged { left }) = outcome
    else {
        panic!("refused: {outcome:?}")
    };
    left.into_iter().map(|note| note.detail).collect::<Vec<_>>().join("; ")
}

//! The contract of attaching, in two worlds; see `ports.rs`.

#![expect(clippy::expect_used, clippy::panic, reason = "a helper of a test fails the test")]

use std::sync::Arc;

use async_trait::async_trait;
use inoculate_core::attach::configuration::{Consent, LayerVersion};
use inoculate_core::attach::port::{Attachments, Trace};
use inoculate_core::names::FunctionName;
use inoculate_tests::contract::attach::{self as contract, Fixture, NewFunction};
use inoculate_tests::every_rule_of_attaching;
use inoculate_tests::memory::Account;

#[path = "ports_attach/aws.rs"]
mod aws_fixture;

use aws_fixture::OnStack;

struct Memory(Arc<Account>);

impl Memory {
    fn new() -> Self {
        Memory(Account::new())
    }
}

#[async_trait]
impl Fixture for Memory {
    fn attachments(&self) -> &dyn Attachments {
        &*self.0
    }

    fn unique(&self, word: &str) -> String {
        // Each test has a world of its own; within it, a count tells things apart.
        let count = |state: &mut inoculate_tests::memory::AccountState| {
            state.functions.len() + state.layers.len() + state.policies.len()
        };
        format!("{word}-{}", self.0.change(count))
    }

    async fn make_function(&self, new: &NewFunction) -> (String, String) {
        self.0.change(|state| {
            state.roles.entry(new.role.clone()).or_default();
            let function = state.add(new.name.as_str());
            function.role = format!("arn:aws:iam::123456789012:role/service/{}", new.role);
            function.layers.clone_from(&new.layers);
            let variables = new.variables.iter();
            function.variables = variables
                .map(|(name, value)| (name.to_string(), value.to_string()))
                .collect();
            if new.tag != Some("allow") {
                function.consent = Consent::NotGiven;
            }
            (function.arn.clone(), function.role.clone())
        })
    }

    async fn publish_layer(&self, name: &str, architecture: &str) -> String {
        self.0.change(|state| {
            let versions = state.layers.entry(name.to_owned()).or_default();
            let number = versions.len() + 1;
            let arn = format!("arn:aws:lambda:eu-west-1:123456789012:layer:{name}:{number}");
            let architectures = vec![architecture.to_owned()];
            let version = LayerVersion { arn, architectures };
            versions.insert(0, version);
            versions[0].arn.clone()
        })
    }

    async fn make_policy(&self, name: &str) -> String {
        let arn = format!("arn:aws:iam::123456789012:policy/{name}");
        self.0.change(|state| state.policies.insert(arn.clone()));
        arn
    }

    fn table_arn(&self) -> String {
        "arn:aws:dynamodb:eu-west-1:123456789012:table/inoculate".to_owned()
    }

    async fn write_trace(&self, run: &str, function: &FunctionName, trace: &Trace) {
        let key = (run.parse().expect("the name of a run"), function.clone());
        self.0
            .change(|state| state.traces.entry(key).or_default().push(trace.clone()));
    }
}

mod memory {
    macro_rules! in_memory {
        ($($rule:ident)*) => {
            $(#[tokio::test]
            async fn $rule() {
                super::contract::$rule(&super::Memory::new()).await;
            })*
        };
    }

    super::every_rule_of_attaching!(in_memory);
}

mod aws {
    macro_rules! on_aws {
        ($($rule:ident)*) => {
            $(#[tokio::test]
            async fn $rule() {
                super::contract::$rule(&super::OnStack::new().await).await;
            })*
        };
    }

    super::every_rule_of_attaching!(on_aws);
}

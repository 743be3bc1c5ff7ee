//! The parts of an AWS account that attaching touches: functions, layers, roles, and the records in the table.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use inoculate_core::attach::configuration::{
    Configuration, Consent, LayerVersion, Package, State, TABLE, Variables, role_name,
};
use inoculate_core::attach::merge::Change;
use inoculate_core::attach::port::{Attachments, RoleUser, Simulated, Trace, Updated};
use inoculate_core::attach::record::Record;
use inoculate_core::error::{Code, Error, Result};
use inoculate_core::names::{FunctionName, RunId};

use crate::fail::How;

/// An account in memory. A test may read and change any of it by [`Account::change`].
#[derive(Default)]
pub struct Account(Mutex<AccountState>);

/// Everything in an [`Account`].
#[derive(Default)]
pub struct AccountState {
    /// The functions.
    pub functions: BTreeMap<FunctionName, Configuration>,
    /// The versions of layers by name, newest first.
    pub layers: BTreeMap<String, Vec<LayerVersion>>,
    /// The ARNs of the managed policies of roles, by the name of the role.
    pub roles: BTreeMap<String, BTreeSet<String>>,
    /// The managed policies that there are. Each allows the use of the table.
    pub policies: BTreeSet<String>,
    /// What attaching recorded, by the ARN of the function.
    pub records: BTreeMap<String, Record>,
    /// What environments wrote.
    pub traces: BTreeMap<(RunId, FunctionName), Vec<Trace>>,
    /// For how many looks an update is under way. No time unless a test says so.
    pub updates_take: u32,
    /// What comes of every update, if it is not that it succeeds.
    pub updates_end: Option<State>,
    /// What Lambda says of every new configuration, if it does not like any.
    pub refuses: Option<String>,
    /// What somebody else does right before every update.
    pub meanwhile: Option<Meanwhile>,
    /// Which call fails, counted from 1, and how.
    pub fails: Option<(usize, How, Code)>,
    /// The calls that were made.
    pub calls: Vec<&'static str>,
    revision: u64,
    under_way: BTreeMap<FunctionName, u32>,
}

/// What somebody else does.
pub type Meanwhile = Box<dyn FnMut(&mut AccountState) + Send>;

impl Account {
    /// An empty account.
    pub fn new() -> Arc<Account> {
        Arc::default()
    }

    /// Looks at the account, or changes it as somebody else would.
    pub fn change<T>(&self, change: impl FnOnce(&mut AccountState) -> T) -> T {
        change(&mut self.lock())
    }

    /// A function as it is now. Fails the test when there is none.
    pub fn function(&self, name: &str) -> Configuration {
        let name: FunctionName = name.parse().unwrap();
        self.change(|state| state.functions[&name].clone())
    }

    fn lock(&self) -> MutexGuard<'_, AccountState> {
        self.0.lock().expect("no test panics while it holds the lock")
    }

    /// Carries out a call, and fails it before or after its effect if a test says so.
    fn call<T>(&self, name: &'static str, call: impl FnOnce(&mut AccountState) -> Result<T>) -> Result<T> {
        let mut state = self.lock();
        state.calls.push(name);
        let error = |code| Error::new(code, format!("{name} failed because a test said so"));
        match state.fails.filter(|(number, ..)| *number == state.calls.len()) {
            Some((_, How::Before, code)) => Err(error(code)),
            Some((_, How::After, code)) => {
                // Whatever came of it, the caller does not learn it.
                drop(call(&mut state));
                Err(error(code))
            }
            None => call(&mut state),
        }
    }
}

impl AccountState {
    /// A function that allows experiments, in a role of its own: python on x86_64, no layers, no variables.
    pub fn add(&mut self, name: &str) -> &mut Configuration {
        let role = format!("{name}-role");
        self.roles.entry(role.clone()).or_default();
        let function = Configuration {
            arn: format!("arn:aws:lambda:eu-west-1:123456789012:function:{name}"),
            package: Package::Zip,
            runtime: "python3.13".to_owned(),
            architecture: "x86_64".to_owned(),
            layers: Vec::new(),
            variables: Variables::default(),
            role: format!("arn:aws:iam::123456789012:role/{role}"),
            consent: Consent::Given,
            revision: self.next_revision(),
            state: State::Ready,
        };
        self.functions
            .entry(name.parse().unwrap())
            .insert_entry(function)
            .into_mut()
    }

    /// Deploys a stack: the next version of its layer, for this processor, and its policy. Returns the ARN of the version.
    pub fn deploy(&mut self, stack: &str, architecture: &str) -> String {
        let policy = format!("arn:aws:iam::123456789012:policy/{stack}-layer");
        self.policies.insert(policy);
        let versions = self.layers.entry(format!("{stack}-layer")).or_default();
        let number = versions.len() + 1;
        let arn = format!("arn:aws:lambda:eu-west-1:123456789012:layer:{stack}-layer:{number}");
        let version = LayerVersion {
            arn: arn.clone(),
            architectures: vec![architecture.to_owned()],
        };
        versions.insert(0, version);
        arn
    }

    /// Changes a function as a deploy does: it has another revision then.
    pub fn redeploy(&mut self, name: &FunctionName, change: impl FnOnce(&mut Configuration)) {
        let revision = self.next_revision();
        let function = self.functions.get_mut(name).unwrap();
        change(function);
        function.revision = revision;
    }

    fn next_revision(&mut self) -> String {
        self.revision += 1;
        format!("revision-{}", self.revision)
    }

    fn role(&mut self, arn: &str) -> Result<&mut BTreeSet<String>> {
        let name = role_name(arn);
        let role = self.roles.get_mut(name);
        role.ok_or_else(|| Error::new(Code::TargetNotFound, format!("there is no role {name}")))
    }

    /// Whether the record that is there is the one that a write follows.
    fn ensure_version(&self, function_arn: &str, version: u64) -> Result<()> {
        let found = self.records.get(function_arn).map_or(0, |record| record.version);
        if found == version {
            return Ok(());
        }
        let message = format!("the record of {function_arn} has the version {found}, not {version}");
        Err(Error::new(Code::Conflict, message))
    }
}

#[async_trait]
impl Attachments for Account {
    async fn read(&self, function: &FunctionName) -> Result<Option<Configuration>> {
        self.call("read", |state| {
            let Some(mut found) = state.functions.get(function).cloned() else {
                return Ok(None);
            };
            if let Some(left) = state.under_way.get_mut(function).filter(|left| **left > 0) {
                *left -= 1;
                found.state = State::Updating;
            }
            Ok(Some(found))
        })
    }

    async fn update(&self, function: &FunctionName, revision: &str, change: &Change) -> Result<Updated> {
        self.call("update", |state| {
            if let Some(mut meanwhile) = state.meanwhile.take() {
                meanwhile(state);
                state.meanwhile = Some(meanwhile);
            }
            let found = state.functions.get(function);
            let found = found.ok_or_else(|| Error::new(Code::TargetNotFound, format!("there is no {function}")))?;
            if found.revision != revision {
                return Ok(Updated::Stale);
            }
            if let Some(said) = state.refuses.clone() {
                return Ok(Updated::Refused { said });
            }
            if state.under_way.get(function).is_some_and(|left| *left > 0) {
                return Err(Error::new(Code::TargetBusy, format!("{function} is being updated")));
            }
            let end = state.updates_end.clone();
            state.redeploy(function, |now| {
                now.layers = change.layers.clone().unwrap_or_else(|| now.layers.clone());
                now.variables = change.variables.clone().unwrap_or_else(|| now.variables.clone());
                now.state = end.unwrap_or(State::Ready);
            });
            let takes = state.updates_take;
            state.under_way.insert(function.clone(), takes);
            Ok(Updated::Accepted)
        })
    }

    async fn layer_versions(&self, layer: &str) -> Result<Vec<LayerVersion>> {
        self.call("layer_versions", |state| {
            Ok(state.layers.get(layer).cloned().unwrap_or_default())
        })
    }

    async fn role_policies(&self, role: &str) -> Result<Vec<String>> {
        self.call("role_policies", |state| Ok(state.role(role)?.iter().cloned().collect()))
    }

    async fn attach_policy(&self, role: &str, policy: &str) -> Result<()> {
        self.call("attach_policy", |state| {
            let missing = |what| Error::new(Code::StackMissing, format!("there is no {what}"));
            if !state.policies.contains(policy) {
                return Err(missing(policy));
            }
            let policies = state.role(role).map_err(|_| missing(role))?;
            policies.insert(policy.to_owned());
            Ok(())
        })
    }

    async fn detach_policy(&self, role: &str, policy: &str) -> Result<()> {
        self.call("detach_policy", |state| {
            if let Ok(policies) = state.role(role) {
                policies.remove(policy);
            }
            Ok(())
        })
    }

    async fn may(&self, role: &str, actions: &[&str], _: &str) -> Result<Simulated> {
        self.call("may", |state| {
            Ok(if state.role(role)?.is_empty() {
                let actions = actions.iter().map(ToString::to_string).collect();
                Simulated::Denied { actions }
            } else {
                Simulated::Allowed
            })
        })
    }

    async fn functions_with_role(&self, role: &str) -> Result<Vec<RoleUser>> {
        self.call("functions_with_role", |state| {
            let users = state.functions.iter().filter(|(_, function)| function.role == role);
            let users = users.map(|(name, function)| RoleUser {
                name: name.to_string(),
                arn: function.arn.clone(),
                layers: function.layers.clone(),
                table: function.variables.get(TABLE).map(str::to_owned),
            });
            Ok(users.collect())
        })
    }

    async fn record(&self, function_arn: &str) -> Result<Option<Record>> {
        self.call("record", |state| Ok(state.records.get(function_arn).cloned()))
    }

    async fn save_record(&self, record: &Record) -> Result<()> {
        self.call("save_record", |state| {
            state.ensure_version(&record.function_arn, record.version - 1)?;
            state.records.insert(record.function_arn.clone(), record.clone());
            Ok(())
        })
    }

    async fn delete_record(&self, record: &Record) -> Result<()> {
        self.call("delete_record", |state| {
            if state.records.contains_key(&record.function_arn) {
                state.ensure_version(&record.function_arn, record.version)?;
                state.records.remove(&record.function_arn);
            }
            Ok(())
        })
    }

    async fn traces(&self, run: &RunId, function: &FunctionName) -> Result<Vec<Trace>> {
        let key = (run.clone(), function.clone());
        self.call("traces", |state| {
            Ok(state.traces.get(&key).cloned().unwrap_or_default())
        })
    }
}

//! Functions, alarms, people, saved experiments and executions.

use async_trait::async_trait;
use inoculate_core::error::{Code, Error, Result};
use inoculate_core::experiment::Experiment;
use inoculate_core::names::{ExperimentName, FunctionName, RunId};
use inoculate_core::notice::Notice;
use inoculate_core::permissions::{Deed, Simulated};
use inoculate_core::ports::{
    self, AlarmState, Alarms, ExecutionState, ExecutionStates, Executions, Function, Halt, Library, Notices,
    Permissions, Targets,
};
use inoculate_core::run_alarms::{MadeAlarm, NewAlarm};
use inoculate_core::setting::{Reading, Setting, SettingValue};
use jiff::Timestamp;
use serde_json::Value;

use super::{FunctionState, Mapping, State, World, execution_arn};

#[async_trait]
impl Targets for World {
    async fn describe(&self, function: &FunctionName) -> Result<Option<Function>> {
        Ok(self.look(|state| {
            let found = state.functions.get(function)?;
            Some(Function {
                name: function.clone(),
                arn: found.arn.clone(),
                ready: found.updating_until <= state.now,
                allowed: found.tags.get("inoculate").is_some_and(|tag| tag == "allow"),
                tags: found.tags.clone(),
                calls: found.calls.clone(),
            })
        }))
    }

    async fn read(&self, function: &FunctionName, setting: &Setting) -> Result<Reading> {
        self.look(|state| {
            let found = find(state, function)?;
            let updating = *setting != Setting::ReservedConcurrency && state.now < found.updating_until;
            Ok(Reading {
                value: found.value(function, setting)?,
                updating,
            })
        })
    }

    async fn mapping(&self, function: &FunctionName, source: &str) -> Result<ports::Mapping> {
        self.look(|state| {
            let mapping = find(state, function)?.mapping(function, source)?;
            Ok(ports::Mapping {
                arn: format!("arn:aws:lambda:eu-west-1:123456789012:event-source-mapping:{function}"),
                allowed: mapping.allowed,
            })
        })
    }

    async fn replace(
        &self,
        function: &FunctionName,
        setting: &Setting,
        from: SettingValue,
        to: SettingValue,
    ) -> Result<()> {
        self.change(|state| {
            let found = find(state, function)?;
            let now = found.value(function, setting)?;
            if now == to {
                return Ok(());
            }
            if now != from {
                let message = format!("the {setting} of {function} is {now}, not {from}");
                return Err(Error::new(Code::Conflict, message));
            }
            let takes_time = *setting != Setting::ReservedConcurrency;
            if takes_time && state.now < found.updating_until {
                return Err(Error::new(Code::TargetBusy, format!("{function} is being updated")));
            }
            let done = state.now + state.updates_take;
            if let Some(found) = state.functions.get_mut(function) {
                found.set(setting, to)?;
                if takes_time {
                    found.updating_until = done;
                }
            }
            Ok(())
        })
    }
}

fn find<'a>(state: &'a State, function: &FunctionName) -> Result<&'a FunctionState> {
    let found = state.functions.get(function);
    found.ok_or_else(|| Error::new(Code::TargetNotFound, format!("there is no function {function}")))
}

impl FunctionState {
    fn value(&self, function: &FunctionName, setting: &Setting) -> Result<SettingValue> {
        Ok(match setting {
            Setting::ReservedConcurrency => self
                .concurrency
                .map_or(SettingValue::Unreserved, SettingValue::Executions),
            Setting::Timeout => SettingValue::Seconds(self.timeout_secs),
            Setting::Memory => SettingValue::Megabytes(self.memory_mb),
            Setting::EventSource { source } => SettingValue::Enabled(self.mapping(function, source)?.enabled),
        })
    }

    fn mapping(&self, function: &FunctionName, source: &str) -> Result<&Mapping> {
        let found = self.sources.get(source);
        found.ok_or_else(|| Error::new(Code::TargetNotFound, format!("{function} gets no events from {source}")))
    }

    fn set(&mut self, setting: &Setting, value: SettingValue) -> Result<()> {
        match (setting, value) {
            (Setting::ReservedConcurrency, SettingValue::Unreserved) => self.concurrency = None,
            (Setting::ReservedConcurrency, SettingValue::Executions(count)) => self.concurrency = Some(count),
            (Setting::Timeout, SettingValue::Seconds(secs)) => self.timeout_secs = secs,
            (Setting::Memory, SettingValue::Megabytes(megabytes)) => self.memory_mb = megabytes,
            (Setting::EventSource { source }, SettingValue::Enabled(enabled)) => {
                if let Some(mapping) = self.sources.get_mut(source) {
                    mapping.enabled = enabled;
                }
            }
            (setting, value) => return Err(Error::internal(format!("{value} is no value of {setting}"))),
        }
        Ok(())
    }
}

#[async_trait]
impl Alarms for World {
    async fn states(&self, names: &[String]) -> Result<Vec<AlarmState>> {
        let mut asked = Vec::new();
        for name in names {
            if !asked.contains(name) {
                asked.push(name.clone());
            }
        }
        Ok(self.look(|state| {
            asked
                .iter()
                .filter_map(|name| state.alarms.get(name).cloned())
                .collect()
        }))
    }

    async fn make(&self, alarm: &NewAlarm) -> Result<()> {
        if alarm.when.limit().is_none() {
            return Err(Error::new(Code::InvalidExperiment, "an alarm needs one limit"));
        }
        self.change(|state| {
            let new = || AlarmState {
                name: alarm.name.clone(),
                in_alarm: false,
                reason: "Unchecked: Initial alarm creation".to_owned(),
            };
            state.alarms.entry(alarm.name.clone()).or_insert_with(new);
            let made = (alarm.clone(), state.now);
            state.made_alarms.insert(alarm.name.clone(), made);
        });
        Ok(())
    }

    async fn delete(&self, names: &[String]) -> Result<()> {
        self.change(|state| {
            for name in names {
                state.alarms.remove(name);
                state.made_alarms.remove(name);
            }
        });
        Ok(())
    }

    async fn made(&self, prefix: &str) -> Result<Vec<MadeAlarm>> {
        let made = |(name, (_, changed_at)): (&String, &(NewAlarm, Timestamp))| MadeAlarm {
            name: name.clone(),
            changed_at: *changed_at,
        };
        Ok(self.look(|state| {
            let alarms = state.made_alarms.iter().filter(|(name, _)| name.starts_with(prefix));
            alarms.map(made).collect()
        }))
    }
}

#[async_trait]
impl Notices for World {
    async fn publish(&self, notice: &Notice) -> Result<()> {
        self.change(|state| state.notices.push(notice.clone()));
        Ok(())
    }
}

#[async_trait]
impl Library for World {
    async fn experiment(&self, name: &ExperimentName) -> Result<Option<Value>> {
        Ok(self.look(|state| state.experiments.get(name).cloned()))
    }

    async fn save_experiment(&self, experiment: &Experiment) -> Result<()> {
        let value = serde_json::to_value(experiment).map_err(|error| Error::internal(error.to_string()))?;
        self.change(|state| state.experiments.insert(experiment.name.clone(), value));
        Ok(())
    }

    async fn halt(&self) -> Result<Option<Halt>> {
        Ok(self.look(|state| state.halt.clone()))
    }

    async fn set_halt(&self, halt: Option<&Halt>) -> Result<()> {
        self.change(|state| state.halt = halt.cloned());
        Ok(())
    }
}

#[async_trait]
impl Executions for World {
    async fn start(&self, run_id: &RunId, input: &Value) -> Result<String> {
        self.change(|state| match state.executions.get(run_id) {
            Some((found, with)) if found.running && with == input => Ok(found.arn.clone()),
            Some(_) => Err(Error::new(
                Code::Conflict,
                format!("there is an execution {run_id} already"),
            )),
            None => {
                let arn = execution_arn(run_id);
                let execution = ExecutionState {
                    arn: arn.clone(),
                    running: true,
                    status: "RUNNING".to_owned(),
                    error: None,
                    cause: None,
                };
                state.executions.insert(run_id.clone(), (execution, input.clone()));
                Ok(arn)
            }
        })
    }

    async fn state(&self, run_id: &RunId) -> Result<Option<ExecutionState>> {
        Ok(self.look(|state| state.executions.get(run_id).map(|(execution, _)| execution.clone())))
    }

    async fn stop(&self, run_id: &RunId, cause: &str) -> Result<()> {
        self.change(|state| match state.executions.get_mut(run_id) {
            Some((execution, _)) if execution.running => {
                execution.running = false;
                execution.status = "ABORTED".to_owned();
                execution.cause = Some(cause.to_owned());
                Ok(())
            }
            Some(_) => Ok(()),
            None => Err(Error::new(Code::RunNotFound, format!("there is no execution {run_id}"))),
        })
    }
}

#[async_trait]
impl Permissions for World {
    async fn may(&self, role: &str, deed: &Deed) -> Result<Simulated> {
        self.look(|state| {
            if let Some(key) = &state.simulation_lacks {
                return Ok(Simulated::Depends { on: vec![key.clone()] });
            }
            let is_denied = |action: &&&str| state.denied.contains(&(role.to_owned(), (**action).to_string()));
            let actions: Vec<String> = deed.actions.iter().filter(is_denied).map(ToString::to_string).collect();
            Ok(if actions.is_empty() {
                Simulated::Allowed
            } else {
                Simulated::Denied { actions }
            })
        })
    }
}

#[async_trait]
impl ExecutionStates for World {
    async fn state_of(&self, execution_arn: &str) -> Result<Option<ExecutionState>> {
        Ok(self.look(|state| {
            let mut executions = state.executions.values().map(|(execution, _)| execution);
            executions.find(|execution| execution.arn == execution_arn).cloned()
        }))
    }
}

//! What there is and what should be there in, the new configuration or a reason out. Pure.
//!
//! Entries of others are never changed, moved or taken away.

use super::configuration::{Configuration, Consent, LayerVersion, Ours, TABLE, Variables, WRAPPER, WRAPPER_PATH};
use super::record::{Added, Record};
use super::refusal::Refusal;
use super::{Note, Step};
use crate::passing::{self, DEPENDENCIES, Dependency};

/// How many layers a function may have.
///
/// Source: <https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>
pub const MOST_LAYERS: usize = 5;
/// How large an environment may be. Same source.
pub const MOST_BYTES: usize = 4096;

/// What to send to Lambda. What is `None` stays as it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Change {
    /// All layers.
    pub layers: Option<Vec<String>>,
    /// All variables.
    pub variables: Option<Variables>,
}

impl Change {
    /// Whether nothing is to be changed.
    pub fn is_empty(&self) -> bool {
        self.layers.is_none() && self.variables.is_none()
    }

    fn between(now: &Configuration, layers: Vec<String>, variables: Variables) -> Change {
        Change {
            layers: (layers != now.layers).then_some(layers),
            variables: (variables != now.variables).then_some(variables),
        }
    }
}

/// What attaching does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addition {
    /// What changes, for people. Nothing: everything is there already.
    pub steps: Vec<Step>,
    /// What is sent to Lambda.
    pub change: Change,
    /// Whether the role gets the policy.
    pub policy: bool,
    /// What to write down before. As it was when there is nothing to do.
    pub record: Record,
}

/// What detaching does to the function itself. The policy is decided by who else needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removal {
    /// What changes, for people.
    pub steps: Vec<Step>,
    /// What is sent to Lambda.
    pub change: Change,
    /// What stays though one could think otherwise, and why.
    pub left: Vec<Note>,
}

/// What keeps the layer from a function, whatever the layer is like: all reasons at once.
pub fn obstacles(now: &Configuration, ours: &Ours) -> Vec<Refusal> {
    let mut found = Vec::new();
    if now.consent == Consent::NotGiven {
        found.push(Refusal::not_allowed(now));
    }
    if let Some(how) = now.enclosed() {
        // The slot for the wrapper and the layers do not matter there.
        found.push(Refusal::enclosed(how, now, ours));
        return found;
    }
    if let Some(taken) = now.variables.get(WRAPPER).filter(|value| *value != WRAPPER_PATH) {
        found.push(Refusal::wrapper_taken(taken));
    }
    found.extend(other_stack(now, ours).map(Refusal::other_stack));
    found
}

/// The other stack that is attached: its table is named, and its layer is there.
fn other_stack<'a>(now: &'a Configuration, ours: &Ours) -> Option<&'a str> {
    let table = now.variables.get(TABLE).filter(|table| *table != ours.table)?;
    let layer = format!(":layer:{table}-layer:");
    now.layers.iter().any(|arn| arn.contains(&layer)).then_some(table)
}

/// What attaching does to a function in whose way [`obstacles`] found nothing. An older version of our layer is replaced
/// in its place.
///
/// # Errors
/// Every reason why it cannot be done.
pub fn add(
    now: &Configuration,
    has_policy: bool,
    ours: &Ours,
    version: &LayerVersion,
    dependencies: &[Dependency],
    record: Option<&Record>,
) -> Result<Addition, Vec<Refusal>> {
    let mut addition = Addition {
        steps: Vec::new(),
        change: Change::default(),
        policy: !has_policy,
        record: record.cloned().unwrap_or_else(|| Record::new(&now.arn)),
    };
    let layers = add_layer(now, ours, version, &mut addition);
    let variables = add_variables(now, ours, dependencies, &mut addition);
    if !has_policy {
        addition.steps.push(Step::Policy {
            role: now.role.clone(),
            policy: ours.policy.clone(),
            attached: true,
        });
        addition.record.roles.insert(now.role.clone());
    }
    let refusals = limits(now, version, &layers, &variables);
    if !refusals.is_empty() {
        return Err(refusals);
    }
    addition.change = Change::between(now, layers, variables);
    Ok(addition)
}

/// The layers with ours among them.
fn add_layer(now: &Configuration, ours: &Ours, version: &LayerVersion, addition: &mut Addition) -> Vec<String> {
    let layers = with_layer(now, ours, Some(&version.arn), true);
    if layers != now.layers {
        let present = ours_in(now, ours);
        // Whatever version of ours is there, it is there by an attach that is on record, so the first one counts.
        let recorded = addition.record.layer.take();
        let before = recorded.map_or(present.clone(), |added| added.before);
        addition.record.layer = Some(Added {
            set: version.arn.clone(),
            before: present.as_ref().and(before),
        });
        addition.steps.push(Step::Layer {
            from: present,
            to: Some(version.arn.clone()),
        });
    }
    layers
}

/// The variables with ours among them.
fn add_variables(now: &Configuration, ours: &Ours, dependencies: &[Dependency], addition: &mut Addition) -> Variables {
    let mut variables = now.variables.clone();
    let mut wanted = vec![(WRAPPER, WRAPPER_PATH.to_owned()), (TABLE, ours.table.clone())];
    if !dependencies.is_empty() {
        let named = now.variables.get(DEPENDENCIES).unwrap_or_default();
        wanted.push((DEPENDENCIES, passing::with(named, dependencies)));
    }
    for (name, value) in wanted {
        let current = now.variables.get(name).map(str::to_owned);
        if current.as_ref() == Some(&value) {
            continue;
        }
        variables.set(name, Some(&value));
        addition.steps.push(Step::Variable {
            name: name.to_owned(),
            from: current.clone(),
            to: Some(value.clone()),
        });
        // What is there by an attach that is on record was not there before the first.
        let recorded = addition.record.variables.remove(name);
        let added = Added {
            set: value,
            before: match recorded {
                Some(recorded) if Some(&recorded.set) == current.as_ref() => recorded.before,
                _ => current,
            },
        };
        addition.record.variables.insert(name.to_owned(), added);
    }
    variables
}

/// The limits of Lambda, for what would be changed.
fn limits(now: &Configuration, version: &LayerVersion, layers: &[String], variables: &Variables) -> Vec<Refusal> {
    let mut found = Vec::new();
    if !version.runs_on(&now.architecture) {
        found.push(Refusal::architecture(now, version));
    }
    if layers.len() > MOST_LAYERS && layers != now.layers {
        found.push(Refusal::too_many_layers(now));
    }
    if variables.bytes() > MOST_BYTES && *variables != now.variables {
        found.push(Refusal::environment_too_large(variables.bytes()));
    }
    found
}

/// The first version of our layer in a function.
fn ours_in(now: &Configuration, ours: &Ours) -> Option<String> {
    now.layers.iter().find(|arn| ours.is_layer(arn)).cloned()
}

/// The layers with this version in the place of ours. Without ours, it is added at the end, or not at all.
fn with_layer(now: &Configuration, ours: &Ours, version: Option<&str>, add: bool) -> Vec<String> {
    let mut version = version;
    let mut layers = Vec::new();
    for arn in &now.layers {
        if ours.is_layer(arn) {
            layers.extend(version.take().map(str::to_owned));
        } else {
            layers.push(arn.clone());
        }
    }
    if add {
        layers.extend(version.map(str::to_owned));
    }
    layers
}

/// What detaching does to a function. With a record, what was there before comes back where the value is still ours;
/// without one, only what is unmistakably ours is taken away.
pub fn remove(now: &Configuration, ours: &Ours, record: Option<&Record>) -> Removal {
    let mut removal = Removal {
        steps: Vec::new(),
        change: Change::default(),
        left: Vec::new(),
    };
    let layers = without_layer(now, ours, record, &mut removal);
    let other = other_stack(now, ours).filter(|_| record.is_none());
    let told = other.map(|stack| Note::new(format!("what the stack {stack} attached stays")));
    removal.left.extend(told);
    let mut variables = now.variables.clone();
    // What stands in the list of services may be of anybody, so without a record it stays.
    for (name, value) in [
        (WRAPPER, Some(WRAPPER_PATH)),
        (TABLE, Some(ours.table.as_str())),
        (DEPENDENCIES, None),
    ] {
        let Some(current) = now.variables.get(name) else {
            continue;
        };
        let is_of_other = name == WRAPPER && other.is_some();
        let fate = match record {
            Some(record) => by_record(record, name, current),
            None if Some(current) == value && !is_of_other => Fate::Becomes(None),
            None => Fate::Stays(None),
        };
        match fate {
            Fate::Stays(why) => removal.left.extend(why.map(Note::new)),
            Fate::Becomes(before) => {
                variables.set(name, before);
                removal.steps.push(Step::Variable {
                    name: name.to_owned(),
                    from: Some(current.to_owned()),
                    to: before.map(str::to_owned),
                });
            }
        }
    }
    removal.change = Change::between(now, layers, variables);
    removal
}

/// What becomes of a variable.
enum Fate<'a> {
    /// It gets the value from before, or is taken away.
    Becomes(Option<&'a str>),
    /// It is left as it is, for this reason if there is something to say.
    Stays(Option<String>),
}

/// Puts back what was there before, where the value is still the one that was set.
fn by_record<'a>(record: &'a Record, name: &str, current: &str) -> Fate<'a> {
    match record.variables.get(name) {
        Some(added) if added.set == current => Fate::Becomes(added.before.as_deref()),
        Some(added) if added.before.as_deref() == Some(current) => Fate::Stays(None),
        Some(_) => Fate::Stays(Some(format!("{name} was changed since it was attached"))),
        None => Fate::Stays(Some(format!("{name} was there before it was attached"))),
    }
}

/// The layers as they were before.
fn without_layer(now: &Configuration, ours: &Ours, record: Option<&Record>, removal: &mut Removal) -> Vec<String> {
    let Some(present) = ours_in(now, ours) else {
        return now.layers.clone();
    };
    let before = match record.map(|record| &record.layer) {
        Some(None) => {
            removal.left.push(Note::new(format!(
                "the layer {present} was there before it was attached"
            )));
            return now.layers.clone();
        }
        Some(Some(added)) => added.before.clone(),
        None => None,
    };
    let layers = with_layer(now, ours, before.as_deref(), false);
    if layers != now.layers {
        removal.steps.push(Step::Layer {
            from: Some(present),
            to: before,
        });
    }
    layers
}

//! What there is and what should be there in, the new configuration or a reason out. Pure.
//!
//! Entries of others are never changed, moved or taken away.

use super::configuration::{Configuration, Consent, LayerVersion, Ours, TABLE, Variables, WRAPPER, WRAPPER_PATH};
use super::record::{Added, Record};
use super::refusal::Refusal;
use super::{Note, Step};

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
    record: Option<&Record>,
) -> Result<Addition, Vec<Refusal>> {
    let first = Record::new(&now.arn);
    let known = record.unwrap_or(&first);
    let mut next = known.clone();
    let mut steps = Vec::new();

    let present = ours_in(now, ours);
    let layers = with_layer(now, ours, Some(&version.arn), true);
    if layers != now.layers {
        steps.push(Step::Layer {
            from: present.clone(),
            to: Some(version.arn.clone()),
        });
        // Whatever version of ours is there, it is there by an attach that is on record, so the first one counts.
        let before = known
            .layer
            .as_ref()
            .map_or(present.clone(), |added| added.before.clone());
        next.layer = Some(Added {
            set: version.arn.clone(),
            before: present.and(before),
        });
    }
    let mut variables = now.variables.clone();
    for (name, value) in [(WRAPPER, WRAPPER_PATH), (TABLE, &ours.table)] {
        let current = now.variables.get(name).map(str::to_owned);
        if current.as_deref() != Some(value) {
            variables.set(name, Some(value));
            steps.push(Step::Variable {
                name: name.to_owned(),
                from: current.clone(),
                to: Some(value.to_owned()),
            });
            let added = Added {
                set: value.to_owned(),
                before: current,
            };
            next.variables.insert(name.to_owned(), added);
        }
    }
    if !has_policy {
        steps.push(policy_step(now, ours, true));
        next.roles.insert(now.role.clone());
    }
    let refusals = limits(now, version, &layers, &variables);
    if !refusals.is_empty() {
        return Err(refusals);
    }
    Ok(Addition {
        steps,
        change: Change::between(now, layers, variables),
        policy: !has_policy,
        record: next,
    })
}

/// The step of giving or taking the policy.
fn policy_step(now: &Configuration, ours: &Ours, attached: bool) -> Step {
    Step::Policy {
        role: now.role.clone(),
        policy: ours.policy.clone(),
        attached,
    }
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
    if let Some(stack) = other {
        removal
            .left
            .push(Note::new(format!("what the stack {stack} attached stays")));
    }
    let mut variables = now.variables.clone();
    for (name, value) in [(WRAPPER, WRAPPER_PATH), (TABLE, &ours.table)] {
        let Some(current) = now.variables.get(name) else {
            continue;
        };
        let before = match record {
            None if name == WRAPPER && other.is_some() => continue,
            None if current == value => None,
            None => continue,
            Some(record) => match record.variables.get(name) {
                Some(added) if added.set == current => added.before.as_deref(),
                Some(added) if added.before.as_deref() == Some(current) => continue,
                Some(_) => {
                    removal
                        .left
                        .push(Note::new(format!("{name} was changed since it was attached")));
                    continue;
                }
                None => {
                    removal
                        .left
                        .push(Note::new(format!("{name} was there before it was attached")));
                    continue;
                }
            },
        };
        variables.set(name, before);
        removal.steps.push(Step::Variable {
            name: name.to_owned(),
            from: Some(current.to_owned()),
            to: before.map(str::to_owned),
        });
    }
    removal.change = Change::between(now, layers, variables);
    removal
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

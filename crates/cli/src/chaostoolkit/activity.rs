//! The activities of a Chaos Toolkit experiment: who provides them, with which arguments.

use inoculate_core::names::FunctionName;
use serde_json::{Map, Value};

use super::parts::items;
use super::variables::Variables;

/// Where the probes of the steady state are.
pub(super) const PROBES: &str = "/steady-state-hypothesis/probes";

/// A function of the extension for AWS that Inoculate knows, with the arguments it takes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known<M: 'static> {
    /// The function.
    pub(super) func: &'static str,
    /// Its arguments.
    pub(super) arguments: &'static [&'static str],
    /// What it means here.
    pub(super) meaning: M,
}

/// What an activity has done, in a few words: its function, or its kind of provider, and its name.
fn label(activity: &Value) -> String {
    let text = |pointer: &str| activity.pointer(pointer).and_then(Value::as_str);
    let by = text("/provider/func").or_else(|| text("/provider/type"));
    match (by, text("/name")) {
        (Some(by), Some(name)) => format!("{by} \"{name}\""),
        (Some(word), None) | (None, Some(word)) => word.to_owned(),
        (None, None) => "activity".to_owned(),
    }
}

/// Whether an activity only looks.
pub(super) fn is_probe(activity: &Value) -> bool {
    activity.get("type").and_then(Value::as_str) == Some("probe")
}

/// An entry of the method or of the rollbacks: an activity, or a `ref` to one.
pub(super) struct Entry<'v> {
    /// Where it is.
    pub(super) pointer: String,
    /// What is written there.
    pub(super) written: &'v Value,
    /// The activity and where that is, or why there is none.
    pub(super) activity: Result<(String, &'v Value), String>,
}

impl Entry<'_> {
    /// What it is, in a few words.
    pub(super) fn label(&self) -> String {
        match reference(self.written) {
            Some(name) => format!("ref \"{name}\""),
            None => label(self.written),
        }
    }
}

/// The entries of a list of activities.
pub(super) fn entries<'v>(file: &'v Value, list: &str) -> impl Iterator<Item = Entry<'v>> {
    items(file, list).map(move |(pointer, written)| Entry {
        activity: match reference(written) {
            Some(name) => referred(file, name),
            None => Ok((pointer.clone(), written)),
        },
        pointer,
        written,
    })
}

fn reference(written: &Value) -> Option<&str> {
    written.get("ref").and_then(Value::as_str)
}

/// The activity with a name, as Chaos Toolkit finds it: a probe of the steady state before an activity of the method, and the
/// last of several.
fn referred<'v>(file: &'v Value, name: &str) -> Result<(String, &'v Value), String> {
    let mut named = items(file, "/method").chain(items(file, PROBES)).rev();
    named
        .find(|(_, activity)| activity.get("name").and_then(Value::as_str) == Some(name))
        .ok_or_else(|| "no probe of the steady state and no activity of the method has this name".to_owned())
}

/// The arguments of an activity whose function is known, with values in the place of names.
pub(super) struct Arguments(Map<String, Value>);

/// The function of a module that provides an activity, among those that are known.
///
/// # Errors
/// Why Inoculate cannot do what the activity does.
pub(super) fn provided<M>(
    activity: &Value,
    module: &str,
    known: &'static [Known<M>],
) -> Result<&'static Known<M>, String> {
    let text = |field: &str| activity.pointer(&format!("/provider/{field}")).and_then(Value::as_str);
    match (text("type"), text("module"), text("func")) {
        (Some("process"), ..) => Err("Inoculate starts no programs".to_owned()),
        (Some("http"), ..) => Err("Inoculate sends no requests of its own".to_owned()),
        (Some("python"), Some(found), Some(func)) if found == module => known
            .iter()
            .find(|known| known.func == func)
            .ok_or_else(|| format!("Inoculate has nothing like {found}.{func}")),
        (Some("python"), Some(found), Some(func)) => Err(format!("Inoculate has nothing like {found}.{func}")),
        _ if reference(activity).is_some() => Err("a `ref` is not followed here: write the probe itself".to_owned()),
        _ => Err("it has no provider that Chaos Toolkit knows".to_owned()),
    }
}

impl Arguments {
    /// The arguments of an activity, which the function must take.
    ///
    /// # Errors
    /// A name without a value, or an argument that the function does not take.
    pub(super) fn of(activity: &Value, takes: &[&str], variables: &Variables) -> Result<Arguments, String> {
        let Some(written) = activity.pointer("/provider/arguments").and_then(Value::as_object) else {
            return Ok(Arguments(Map::new()));
        };
        if let Some(name) = written.keys().find(|name| !takes.contains(&name.as_str())) {
            return Err(format!("the function takes no argument `{name}`"));
        }
        match variables.substituted(&Value::Object(written.clone()))? {
            Value::Object(arguments) => Ok(Arguments(arguments)),
            _ => Ok(Arguments(Map::new())),
        }
    }

    /// What is written, unless it is nothing.
    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    /// A text that is needed.
    ///
    /// # Errors
    /// That it is missing, or none.
    pub(super) fn text(&self, name: &str) -> Result<&str, String> {
        match self.get(name) {
            Some(Value::String(text)) if !text.is_empty() => Ok(text),
            Some(other) => Err(format!("`{name}` is {other}, not a text")),
            None => Err(format!("`{name}` is missing")),
        }
    }

    /// A number, or what counts when it is left out. A text with a number in it is one: a variable may have no type.
    ///
    /// # Errors
    /// That it is missing, or none.
    pub(super) fn number(&self, name: &str, without: Option<f64>) -> Result<f64, String> {
        let number = match self.get(name) {
            Some(Value::Number(number)) => number.as_f64(),
            Some(Value::String(text)) => text.parse().ok().filter(|number: &f64| number.is_finite()),
            Some(_) => None,
            None => return without.ok_or_else(|| format!("`{name}` is missing")),
        };
        number.ok_or_else(|| format!("`{name}` is {}, not a number", self.0[name]))
    }

    /// A whole number from 0, or what counts when it is left out.
    ///
    /// # Errors
    /// That it is missing, or none.
    pub(super) fn whole(&self, name: &str, without: Option<f64>) -> Result<u32, String> {
        let number = self.number(name, without)?;
        if number.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&number) {
            Ok(number as u32)
        } else {
            Err(format!("`{name}` is {number}, not a whole number from 0"))
        }
    }

    /// The name of a function, which Chaos Toolkit also takes as an ARN.
    ///
    /// # Errors
    /// That it is missing, or names a version or an alias.
    pub(super) fn function(&self, name: &str) -> Result<FunctionName, String> {
        function_name(self.text(name)?)
    }
}

/// The name in the name or the ARN of a function.
///
/// # Errors
/// That it is neither, or names a version or an alias.
pub(super) fn function_name(text: &str) -> Result<FunctionName, String> {
    let words: Vec<&str> = text.split(':').collect();
    let name = match words.as_slice() {
        [name] => name,
        ["arn", _, "lambda", _, _, "function", name] | [_, "function", name] => name,
        _ => {
            return Err(format!(
                "`{text}` is not the name of a function without version and alias"
            ));
        }
    };
    name.parse().map_err(|error| format!("{error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_is_named_by_its_name_or_its_arn() {
        for text in [
            "shop",
            "arn:aws:lambda:eu-west-1:123456789012:function:shop",
            "123456789012:function:shop",
        ] {
            assert_eq!(function_name(text).unwrap().as_str(), "shop", "{text}");
        }
        for text in [
            "",
            "shop:live",
            "arn:aws:lambda:eu-west-1:123456789012:function:shop:3",
            "a b",
        ] {
            assert!(function_name(text).is_err(), "{text}");
        }
    }
}

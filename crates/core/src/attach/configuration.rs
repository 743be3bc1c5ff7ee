//! What is known of a function, and which parts of it are ours.

use std::collections::BTreeMap;
use std::fmt;

use crate::error::{Error, Result};

/// The variable that makes Lambda start the runtime through a wrapper.
pub const WRAPPER: &str = "AWS_LAMBDA_EXEC_WRAPPER";
/// The wrapper of the layer.
pub const WRAPPER_PATH: &str = "/opt/inoculate-exec";
/// The variable that tells the layer where the leases are.
pub const TABLE: &str = "INOCULATE_TABLE";

/// A function as far as the layer is concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Configuration {
    /// The ARN, without version or alias.
    pub arn: String,
    /// How its code is packaged.
    pub package: Package,
    /// The runtime; empty for an image.
    pub runtime: String,
    /// The processor, as Lambda calls it.
    pub architecture: String,
    /// The ARNs of the layer versions, in order.
    pub layers: Vec<String>,
    /// The environment variables. None at all is the same as an empty environment.
    pub variables: Variables,
    /// The ARN of the role.
    pub role: String,
    /// Whether its owner allows experiments.
    pub consent: Consent,
    /// What an update must name, so that it changes exactly what was read.
    pub revision: String,
    /// Whether it can be changed.
    pub state: State,
}

/// How code is packaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Package {
    /// A zip: layers are possible.
    Zip,
    /// A container image: layers are not possible.
    Image,
}

/// Whether the tag `inoculate=allow` is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Consent {
    /// It is.
    Given,
    /// It is not.
    NotGiven,
    /// The tags may not be read, for this reason.
    Withheld {
        /// In the words of Lambda.
        reason: String,
    },
}

/// Whether a function can be changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Active, with no update under way.
    Ready,
    /// An update is under way.
    Updating,
    /// Active, but the last update failed, and what was before it is what runs.
    UpdateFailed {
        /// In the words of Lambda.
        reason: String,
    },
    /// Neither active nor on the way to it.
    NotActive {
        /// In the words of Lambda.
        state: String,
    },
}

/// Why the layer cannot be added from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enclosed {
    /// A `provided.*` runtime: Lambda ignores the wrapper there.
    CustomRuntime,
    /// A container image: it has no layers.
    Image,
}

impl Configuration {
    /// Why the layer cannot be added from outside; `None` where it can.
    pub fn enclosed(&self) -> Option<Enclosed> {
        if self.package == Package::Image {
            Some(Enclosed::Image)
        } else if self.runtime.starts_with("provided") {
            Some(Enclosed::CustomRuntime)
        } else {
            None
        }
    }
}

/// Environment variables. Their values are secrets of others: they are never printed, only handed on.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Variables(BTreeMap<String, String>);

impl Variables {
    /// The value of a variable.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Sets a variable, or takes it away.
    pub fn set(&mut self, name: &str, value: Option<&str>) {
        match value {
            Some(value) => self.0.insert(name.to_owned(), value.to_owned()),
            None => self.0.remove(name),
        };
    }

    /// Names and values, to hand them on to Lambda.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// How much they count against the limit of Lambda, which measures them as JSON.
    pub fn bytes(&self) -> usize {
        serde_json::to_vec(&self.0).map_or(usize::MAX, |json| json.len())
    }

    /// Whether a text quotes a value, so that it must not be shown. Values that are too short to be a secret do not count.
    pub fn are_quoted_in(&self, text: &str) -> bool {
        const SHORT: usize = 4;
        let escaped = |value: &str| serde_json::Value::from(value).to_string();
        self.0.iter().any(|(name, value)| {
            value.len() >= SHORT
                && !is_ours(name)
                && (text.contains(value.as_str()) || text.contains(escaped(value).trim_matches('"')))
        })
    }
}

/// Whether a variable is one of the layer, whose value may be shown.
fn is_ours(name: &str) -> bool {
    name == WRAPPER || name.starts_with("INOCULATE_")
}

impl fmt::Debug for Variables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.0.iter().map(|(name, value)| {
            let value = if is_ours(name) { value.as_str() } else { "(not shown)" };
            (name, value)
        });
        f.debug_map().entries(shown).finish()
    }
}

impl FromIterator<(String, String)> for Variables {
    fn from_iter<T: IntoIterator<Item = (String, String)>>(pairs: T) -> Self {
        Variables(pairs.into_iter().collect())
    }
}

/// A published version of the layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerVersion {
    /// The ARN with the number of the version.
    pub arn: String,
    /// The processors it is for; empty when it does not say.
    pub architectures: Vec<String>,
}

impl LayerVersion {
    /// Whether it runs on this processor.
    pub fn runs_on(&self, architecture: &str) -> bool {
        self.architectures.is_empty() || self.architectures.iter().any(|known| known == architecture)
    }
}

/// What a stack calls what it adds to one function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ours {
    /// The name of the layer, and of the managed policy.
    pub name: String,
    /// The ARN of the layer, with a colon at the end and no version.
    layer: String,
    /// The ARN of the managed policy.
    pub policy: String,
    /// The name of the table.
    pub table: String,
    /// The ARN of the table.
    pub table_arn: String,
}

impl Ours {
    /// By the name of the stack, in the partition, region and account of the function.
    ///
    /// # Errors
    /// [`crate::error::Code::Internal`] when this is not the ARN of a function.
    pub fn of(stack: &str, function_arn: &str) -> Result<Ours> {
        let parts: Vec<&str> = function_arn.split(':').collect();
        let ["arn", partition, "lambda", region, account, "function", _] = parts[..] else {
            return Err(Error::internal(format!(
                "`{function_arn}` is not the ARN of a function"
            )));
        };
        let name = format!("{stack}-layer");
        Ok(Ours {
            layer: format!("arn:{partition}:lambda:{region}:{account}:layer:{name}:"),
            policy: format!("arn:{partition}:iam::{account}:policy/{name}"),
            table: stack.to_owned(),
            table_arn: format!("arn:{partition}:dynamodb:{region}:{account}:table/{stack}"),
            name,
        })
    }

    /// Whether a layer version is one of ours.
    pub fn is_layer(&self, arn: &str) -> bool {
        arn.strip_prefix(&self.layer)
            .is_some_and(|version| !version.is_empty() && version.bytes().all(|byte| byte.is_ascii_digit()))
    }

    /// Whether the value of [`TABLE`] leads to our table.
    pub fn is_table(&self, value: &str) -> bool {
        value == self.table || value == self.table_arn
    }
}

/// The name of a role, which is the last part of its ARN.
pub fn role_name(arn: &str) -> &str {
    arn.rsplit('/').next().unwrap_or(arn)
}

/// The number at the end of the ARN of a layer version.
pub fn layer_number(arn: &str) -> &str {
    arn.rsplit(':').next().unwrap_or(arn)
}

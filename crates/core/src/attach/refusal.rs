//! Why nothing was changed, and what a person can do.

use serde::Serialize;

use super::configuration::{Configuration, Enclosed, LayerVersion, Ours, TABLE, WRAPPER, WRAPPER_PATH, role_name};
use super::merge::{MOST_BYTES, MOST_LAYERS};
use crate::shell::word;

/// Why nothing was changed, as a stable name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The owner of the function does not allow experiments.
    NotAllowed,
    /// The function has another exec wrapper.
    WrapperTaken,
    /// Another stack of Inoculate is attached.
    OtherStack,
    /// The layer was built for another processor.
    Architecture,
    /// The function has as many layers as Lambda allows.
    TooManyLayers,
    /// The environment would be larger than Lambda allows.
    EnvironmentTooLarge,
    /// Lambda refused the new configuration.
    RefusedByLambda,
    /// A `provided.*` runtime.
    CustomRuntime,
    /// A container image.
    Image,
}

impl Reason {
    /// Whether only a person can put the layer where it has to be.
    pub fn is_by_hand(self) -> bool {
        matches!(self, Reason::CustomRuntime | Reason::Image)
    }
}

/// One reason why nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Refusal {
    /// The reason as a stable name.
    pub reason: Reason,
    /// The reason in words.
    pub detail: String,
    /// What to do.
    pub help: String,
    /// Lines to copy as they are: a command, or a file.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<String>,
}

impl Refusal {
    fn new(reason: Reason, detail: String, help: impl Into<String>) -> Refusal {
        Refusal {
            reason,
            detail,
            help: help.into(),
            lines: Vec::new(),
        }
    }

    fn lines<const N: usize>(mut self, lines: [String; N]) -> Refusal {
        self.lines = lines.into();
        self
    }

    pub(super) fn not_allowed(now: &Configuration) -> Refusal {
        let detail = "its owner does not allow experiments: the tag inoculate=allow is missing".to_owned();
        Refusal::new(Reason::NotAllowed, detail, "if you are the owner, tag it:").lines([tag_command(&now.arn)])
    }

    pub(super) fn wrapper_taken(taken: &str) -> Refusal {
        let detail = format!("{WRAPPER} is {taken} already, and a function has one wrapper only");
        let help = format!(
            "take it away; or chain the two: set {WRAPPER} to a script of yours that ends with the line below, and add layer, \
             {TABLE} and policy yourself:"
        );
        Refusal::new(Reason::WrapperTaken, detail, help).lines([format!("exec {WRAPPER_PATH} {taken} \"$@\"")])
    }

    pub(super) fn other_stack(stack: &str) -> Refusal {
        let detail = format!("the stack {stack} is attached to it, and a function belongs to one stack");
        let help = format!("detach it there first: `inoculate detach FUNCTION --stack {stack}`");
        Refusal::new(Reason::OtherStack, detail, help)
    }

    pub(super) fn architecture(now: &Configuration, version: &LayerVersion) -> Refusal {
        let built_for = version.architectures.join(", ");
        let detail = format!(
            "it runs on {}, and the newest version of the layer is for {built_for}",
            now.architecture
        );
        let help = "deploy a stack for that processor beside this one: build with `cargo xtask package --arch`, deploy with the \
                    parameter Architecture";
        Refusal::new(Reason::Architecture, detail, help)
    }

    pub(super) fn too_many_layers(now: &Configuration) -> Refusal {
        let detail = format!(
            "it has {} layers already, and Lambda allows {MOST_LAYERS}",
            now.layers.len()
        );
        Refusal::new(Reason::TooManyLayers, detail, "take one away, or make one of two")
    }

    pub(super) fn environment_too_large(bytes: usize) -> Refusal {
        let detail = format!("its environment would have {bytes} bytes, and Lambda allows {MOST_BYTES}");
        let help = "move a variable to Parameter Store or Secrets Manager";
        Refusal::new(Reason::EnvironmentTooLarge, detail, help)
    }

    pub(super) fn by_lambda(said: String) -> Refusal {
        let help = "Lambda checks the whole configuration at every change: a layer that was deleted, or code that is too large \
                    with one more layer, is in the way of any";
        Refusal::new(Reason::RefusedByLambda, said, help)
    }

    /// What to do where the layer cannot be added from outside.
    pub(super) fn enclosed(how: Enclosed, now: &Configuration, ours: &Ours) -> Refusal {
        let (reason, detail, what) = match how {
            Enclosed::CustomRuntime => (
                Reason::CustomRuntime,
                format!("Lambda ignores {WRAPPER} in the runtime {}", now.runtime),
                "rename your `bootstrap` to `your-binary`, put `inoculate-layer` beside it, and make `bootstrap` these two lines",
            ),
            Enclosed::Image => (
                Reason::Image,
                "it is a container image, which has no layers".to_owned(),
                "put `inoculate-layer` into the image, and before the entry point",
            ),
        };
        let lines = match how {
            Enclosed::CustomRuntime => [
                "#!/bin/sh".to_owned(),
                "exec ./inoculate-layer exec -- ./your-binary".to_owned(),
            ],
            Enclosed::Image => [
                "COPY inoculate-layer /usr/local/bin/".to_owned(),
                "ENTRYPOINT [\"inoculate-layer\", \"exec\", \"--\", \"your\", \"entry\", \"point\"]".to_owned(),
            ],
        };
        let help = format!(
            "{what}; set {TABLE}={} in your template; and attach the policy with the last line:",
            ours.table
        );
        let mut refusal = Refusal::new(reason, detail, help).lines(lines);
        refusal.lines.push(policy_command("attach", &now.role, &ours.policy));
        refusal
    }
}

/// The command by which an owner allows experiments.
pub fn tag_command(function_arn: &str) -> String {
    let function = word(function_arn);
    format!("aws lambda tag-resource --resource {function} --tags inoculate=allow")
}

/// The command that attaches or detaches the policy by hand.
pub(super) fn policy_command(verb: &str, role: &str, policy: &str) -> String {
    format!(
        "aws iam {verb}-role-policy --role-name {} --policy-arn {}",
        word(role_name(role)),
        word(policy)
    )
}

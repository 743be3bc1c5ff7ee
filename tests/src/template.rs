//! The CloudFormation templates as values, and what tests ask of them.
//!
//! Intrinsic functions are rendered as `!Sub` would write them: `!Ref Table` is `${Table}`, `!GetAtt Table.Arn` is
//! `${Table.Arn}`. So a reference is compared as text.

use std::process::Command;
use std::sync::LazyLock;

use inoculate_stack::{PythonEnv, workspace_root};
use serde_json::Value;

/// A template, read as CloudFormation reads it.
#[derive(Debug)]
pub struct Template {
    value: Value,
}

/// One statement of a policy, with the resource that has the policy.
#[derive(Debug, Clone, PartialEq)]
pub struct Statement<'a> {
    /// The role, or the resource policy.
    pub holder: &'a str,
    /// Whether it allows; else it denies.
    pub allows: bool,
    /// The actions.
    pub actions: Vec<&'a str>,
    /// The resources; none in a trust policy.
    pub resources: Vec<String>,
    /// The condition; null when there is none.
    pub condition: &'a Value,
}

/// `infra/template.yaml`.
pub fn inoculate() -> &'static Template {
    static TEMPLATE: LazyLock<Template> = LazyLock::new(|| Template::read("infra/template.yaml"));
    &TEMPLATE
}

/// `examples/shop/template.yaml`.
pub fn shop() -> &'static Template {
    static TEMPLATE: LazyLock<Template> = LazyLock::new(|| Template::read("examples/shop/template.yaml"));
    &TEMPLATE
}

impl Template {
    fn read(file: &str) -> Template {
        let python = PythonEnv::for_stack().unwrap();
        let script = "import json, sys; from samtranslator.yaml_helper import yaml_parse; \
                      print(json.dumps(yaml_parse(open(sys.argv[1]).read())))";
        let output = Command::new(python.python())
            .args(["-c", script])
            .arg(workspace_root().join(file))
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Template::of(serde_json::from_slice(&output.stdout).unwrap())
    }

    /// A template from what it says.
    pub fn of(value: Value) -> Template {
        Template { value }
    }

    /// The whole template.
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// Every resource with its name.
    pub fn resources(&self) -> impl Iterator<Item = (&str, &Value)> {
        let resources = self.value["Resources"].as_object().unwrap();
        resources.iter().map(|(name, resource)| (name.as_str(), resource))
    }

    /// The properties of every resource of a type, with its name.
    pub fn all(&self, kind: &str) -> impl Iterator<Item = (&str, &Value)> {
        self.resources()
            .filter(move |(_, resource)| resource["Type"] == kind)
            .map(|(name, resource)| (name, &resource["Properties"]))
    }

    /// The properties of a resource. Fails the test when there is none of this name.
    pub fn properties(&self, name: &str) -> &Value {
        let found = self.resources().find(|(found, _)| *found == name);
        &found.unwrap_or_else(|| panic!("there is no resource {name}")).1["Properties"]
    }

    /// The names of the functions.
    pub fn functions(&self) -> Vec<&str> {
        self.all("AWS::Serverless::Function").map(|(name, _)| name).collect()
    }

    /// A property of a function: its own, or that of all functions.
    pub fn of_function(&self, function: &str, property: &str) -> &Value {
        match &self.properties(function)[property] {
            Value::Null => &self.value["Globals"]["Function"][property],
            own => own,
        }
    }

    /// Every statement of the permissions of roles and of the policies of resources.
    pub fn statements(&self) -> Vec<Statement<'_>> {
        let mut found = Vec::new();
        for (name, resource) in self.resources() {
            let properties = &resource["Properties"];
            let inline = list(&properties["Policies"]).into_iter();
            let documents = inline.map(|policy| &policy["PolicyDocument"]);
            for document in documents.chain([&properties["PolicyDocument"]]) {
                found.extend(
                    list(&document["Statement"])
                        .into_iter()
                        .map(|value| Statement::of(name, value)),
                );
            }
        }
        found
    }

    /// The statements of one role or policy.
    pub fn statements_of(&self, holder: &str) -> Vec<Statement<'_>> {
        let mut statements = self.statements();
        statements.retain(|statement| statement.holder == holder);
        statements
    }
}

impl<'a> Statement<'a> {
    fn of(holder: &'a str, value: &'a Value) -> Self {
        assert!(
            value["NotAction"].is_null() && value["NotResource"].is_null(),
            "{holder} says what it is not: {value}"
        );
        Statement {
            holder,
            allows: value["Effect"] == "Allow",
            actions: list(&value["Action"]).into_iter().filter_map(Value::as_str).collect(),
            resources: list(&value["Resource"]).into_iter().map(text).collect(),
            condition: &value["Condition"],
        }
    }
}

/// The items of a list; one item that is not in a list; nothing.
pub fn list(value: &Value) -> Vec<&Value> {
    match value {
        Value::Null => Vec::new(),
        Value::Array(items) => items.iter().collect(),
        one => vec![one],
    }
}

/// A text with its references, as `!Sub` would write it.
pub fn text(value: &Value) -> String {
    let reference = value["Ref"].as_str().map(str::to_owned);
    let attribute = match &value["Fn::GetAtt"] {
        Value::Array(path) => Some(path.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(".")),
        path => path.as_str().map(str::to_owned),
    };
    match (value.as_str().or(value["Fn::Sub"].as_str()), reference.or(attribute)) {
        (Some(text), _) => text.to_owned(),
        (None, Some(name)) => format!("${{{name}}}"),
        (None, None) => panic!("not a text: {value}"),
    }
}

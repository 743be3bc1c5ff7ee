//! The command as people call it, on the local stack.

use std::process::{Command, Output};

use inoculate_stack::{Stack, dev_binaries};
use serde_json::{Value, json};

/// A value that must never be seen.
const SECRET: &str = "correct-horse-battery";

/// A local stack with a layer, its policy and a table in it, under a name that is not the default.
struct Local {
    stack: Stack,
    layer: String,
    policy: String,
}

impl Local {
    fn start() -> Local {
        let stack = Stack::start().unwrap_or_else(|error| panic!("{error}"));
        let made = call(&stack, "prepare", &json!({ "stack": "chaos" }));
        let text = |name: &str| made[name].as_str().unwrap().to_owned();
        Local {
            layer: text("layer"),
            policy: text("policy"),
            stack,
        }
    }

    fn world(&self, action: &str, arguments: &Value) -> Value {
        call(&self.stack, action, arguments)
    }

    fn configuration(&self, name: &str) -> Value {
        self.world("configuration", &json!({ "name": name }))
    }

    /// Calls the command and checks its exit code.
    fn text(&self, exit: i32, arguments: &[&str]) -> String {
        let output = self.call(arguments);
        let text = [output.stdout, output.stderr]
            .map(|bytes| String::from_utf8(bytes).unwrap())
            .concat();
        assert_eq!(output.status.code(), Some(exit), "{arguments:?}: {text}");
        assert!(!text.contains(SECRET), "a secret is shown: {text}");
        text
    }

    fn json(&self, exit: i32, arguments: &[&str]) -> Value {
        let output = self.call(&[arguments, &["--json"]].concat());
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(exit), "{arguments:?}: {text}");
        assert!(!text.contains(SECRET), "a secret is shown: {text}");
        serde_json::from_str(&text).unwrap()
    }

    fn call(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(dev_binaries().join("inoculate"));
        command.args(arguments).args(["--stack", "chaos"]).env_clear();
        command
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", "/nonexistent")
            .env("NO_COLOR", "1");
        command.envs(self.stack.env()).output().unwrap()
    }
}

fn call(stack: &Stack, action: &str, arguments: &Value) -> Value {
    let answer = stack.python_script(include_str!("world.py"), &[action, &arguments.to_string()]);
    answer.unwrap_or_else(|error| panic!("{action} {arguments}: {error}\n{}", stack.log_tail(20)))
}

/// The results of the checks by name.
fn results(doctor: &Value) -> Vec<(String, String)> {
    let checks = doctor["checks"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    checks
        .map(|check| (text(&check["check"]), text(&check["result"])))
        .collect()
}

#[test]
fn a_function_is_attached_looked_at_and_detached_and_is_what_it_was() {
    let local = Local::start();
    let deps = local.world("layer", &json!({ "name": "deps" }));
    let variables = json!({ "KEY": SECRET, "INOCULATE_TABLE": "mine" });
    let before = local.world(
        "function",
        &json!({ "name": "shop", "variables": variables, "layers": [deps] }),
    );

    let said = local.text(0, &["attach", "shop", "--dry-run"]);
    assert!(said.contains("would be attached"), "{said}");
    assert_eq!(local.configuration("shop"), before);
    assert_eq!(local.json(9, &["doctor", "shop"])["healthy"], json!(false));

    let done = local.json(0, &["attach", "shop"]);
    let steps = done["functions"][0]["steps"].as_array().unwrap();
    assert_eq!(
        steps
            .iter()
            .map(|step| step["what"].as_str().unwrap())
            .collect::<Vec<_>>(),
        ["layer", "variable", "variable", "policy"]
    );
    let now = local.configuration("shop");
    let arns = now["configuration"]["Layers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|layer| &layer["Arn"]);
    assert_eq!(arns.collect::<Vec<_>>(), [&deps, &json!(local.layer)]);
    let expected = json!({
        "KEY": SECRET, "INOCULATE_TABLE": "chaos", "AWS_LAMBDA_EXEC_WRAPPER": "/opt/inoculate-exec"
    });
    assert_eq!(now["configuration"]["Environment"]["Variables"], expected);
    assert_eq!(now["policies"][0]["PolicyArn"], json!(local.policy));
    assert_eq!(local.world("items", &json!({ "table": "chaos" })), json!(["ATTACHED"]));
    assert_eq!(local.world("invoke", &json!({ "name": "shop" })), json!(SECRET));

    assert_eq!(
        local.json(0, &["attach", "shop"])["functions"][0]["outcome"],
        json!("unchanged")
    );
    assert_eq!(local.configuration("shop"), now);
    let found = local.json(0, &["doctor", "shop"]);
    assert!(results(&found).iter().all(|(_, result)| result != "problem"), "{found}");
    let said = local.text(0, &["doctor", "shop"]);
    assert!(said.contains("no problem"), "{said}");

    // Calls pass one service after the other, and the first attach is still what is taken back.
    for (services, list) in [("lambda", "lambda"), ("dynamodb,lambda", "lambda,dynamodb")] {
        local.text(0, &["attach", "shop", "--dependencies", services]);
        let variables = local.configuration("shop")["configuration"]["Environment"]["Variables"].clone();
        assert_eq!(variables["INOCULATE_DEPENDENCIES"], json!(list));
        let found = local.json(0, &["doctor", "shop"]).to_string();
        assert!(found.contains("pass through the layer"), "{found}");
    }

    let said = local.text(0, &["detach", "shop"]);
    assert!(said.contains("chaos -> mine"), "{said}");
    assert_eq!(local.configuration("shop"), before);
    assert_eq!(local.world("items", &json!({ "table": "chaos" })), json!([]));
    assert_eq!(
        local.json(0, &["detach", "shop"])["functions"][0]["outcome"],
        json!("unchanged")
    );
}

#[test]
fn a_deployment_and_a_newer_layer_in_between_leave_no_trace_of_ours() {
    let local = Local::start();
    let before = local.world("function", &json!({ "name": "shop", "variables": {} }));
    local.text(0, &["attach", "shop"]);
    let newer = local.world("layer", &json!({ "name": "chaos-layer" }));
    let said = local.text(0, &["doctor", "shop"]);
    assert!(
        said.contains("the newest is 2") && said.contains("inoculate attach shop --stack chaos"),
        "{said}"
    );
    local.text(0, &["attach", "shop"]);
    let layers = &local.configuration("shop")["configuration"]["Layers"];
    assert_eq!((layers.as_array().unwrap().len(), &layers[0]["Arn"]), (1, &newer));

    // A template that knows nothing of the layer takes the variables away, and brings one.
    local.world("deploy", &json!({ "name": "shop", "variables": { "NEW": "1" } }));
    assert_eq!(local.json(9, &["doctor", "shop"])["healthy"], json!(false));
    local.text(0, &["detach", "shop"]);
    let mut expected = before;
    expected["configuration"]["Environment"]["Variables"] = json!({ "NEW": "1" });
    assert_eq!(local.configuration("shop"), expected);
}

#[test]
fn every_function_is_tried_and_the_worst_decides() {
    let local = Local::start();
    let otel = json!({ "AWS_LAMBDA_EXEC_WRAPPER": "/opt/otel", "KEY": SECRET });
    for (name, variables, tag, runtime) in [
        ("shop", json!({ "KEY": SECRET }), json!("allow"), "python3.12"),
        ("untagged", json!({}), json!(null), "python3.12"),
        ("otel", otel, json!("allow"), "python3.12"),
        ("rust", json!({}), json!("allow"), "provided.al2023"),
    ] {
        let new = json!({ "name": name, "variables": variables, "tag": tag, "runtime": runtime });
        local.world("function", &new);
    }
    let others = ["untagged", "otel", "rust"];
    let before = others.map(|name| local.configuration(name));

    let done = local.json(4, &["attach", "rust", "untagged", "otel", "gone", "shop", "shop"]);
    let outcomes: Vec<(&str, &str)> = done["functions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|done| (done["function"].as_str().unwrap(), done["outcome"].as_str().unwrap()))
        .collect();
    assert_eq!(
        outcomes,
        [
            ("rust", "by_hand"),
            ("untagged", "refused"),
            ("otel", "refused"),
            ("gone", "failed"),
            ("shop", "changed"),
        ]
    );
    assert_eq!(others.map(|name| local.configuration(name)), before);
    let said = local.text(8, &["attach", "shop", "rust"]);
    assert!(
        said.contains("\n      exec ./inoculate-layer exec -- ./your-binary\n"),
        "{said}"
    );
    let said = local.text(4, &["attach", "untagged"]);
    assert!(
        said.contains("aws lambda tag-resource --resource arn:aws:lambda:"),
        "{said}"
    );

    let arn = local.configuration("shop")["configuration"]["FunctionArn"].clone();
    let far = 4_000_000_000_000_u64;
    local.world(
        "hold",
        &json!({ "table": "chaos", "function_arn": arn, "until_ms": far }),
    );
    let said = local.text(4, &["detach", "shop"]);
    assert!(
        said.contains("LeaseHeld") && said.contains("inoculate abort r-1 --stack chaos"),
        "{said}"
    );
    local.text(0, &["detach", "shop", "--force"]);
    local.text(9, &["doctor", "gone"]);
}

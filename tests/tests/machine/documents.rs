//! The commands of the documents, typed one after the other as somebody who follows them types them.
//!
//! Which documents, and what is not typed with them: [`inoculate_tests::documents`].

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use inoculate_stack::{dev_binaries, workspace_root};
use inoculate_tests::documents::{commands, lines_of, page};
use inoculate_tests::eventually;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::local::{Local, System, experiment};

/// The run that the documents speak of, which is over.
const RUN: &str = "throttle-payments-20260304-090000-9f3c2a";

/// Stands in for the program of this name where there is none: only paths, which is all that the documents ask of it.
const JQ: &str = r#"#!/usr/bin/env python3
import functools, json, sys
print(json.dumps(functools.reduce(lambda value, key: value[key], sys.argv[1].strip(".").split("."), json.load(sys.stdin))))
"#;

/// Somebody with a terminal, at home in a folder of their own.
struct Reader<'a> {
    local: &'a Local,
    home: TempDir,
}

impl<'a> Reader<'a> {
    fn of(local: &'a Local) -> Self {
        let home = tempfile::tempdir().unwrap();
        let tools = home.path().join("bin");
        std::fs::create_dir(&tools).unwrap();
        let aws = local.stack.python().program("aws");
        // For some services it looks at the option only, and not at the variable.
        script(
            &tools.join("aws"),
            &format!(
                "#!/bin/sh\nexec {} --endpoint-url $AWS_ENDPOINT_URL \"$@\"\n",
                aws.display()
            ),
        );
        if !Path::new("/usr/bin/jq").exists() {
            script(&tools.join("jq"), JQ);
        }
        Reader { local, home }
    }

    fn has(&self, name: &str, content: &str) {
        let path = self.home.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    /// With what this account has in the place of what the documents have.
    fn typed(&self, line: &str) -> Output {
        let tools = self.home.path().join("bin");
        let mut shell = Command::new("sh");
        self.local.stack.reached_by(shell.env_clear());
        shell
            .args(["-c", &self.here(line)])
            .current_dir(self.home.path())
            .env("HOME", self.home.path())
            .env("NO_COLOR", "1")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("AWS_PAGER", "")
            .env("GITHUB_STEP_SUMMARY", self.home.path().join("summary.md"))
            .env("CODEBUILD_BUILD_NUMBER", "7")
            .env("CODEBUILD_BUILD_SUCCEEDING", "0")
            .env(
                "PATH",
                format!("{}:{}:/usr/bin:/bin", dev_binaries().display(), tools.display()),
            );
        shell.output().unwrap()
    }

    fn here(&self, text: &str) -> String {
        let account = self.local.outputs["NoticesTopicArn"]
            .split(':')
            .nth(4)
            .unwrap()
            .to_owned();
        text.replace("https://sqs.eu-west-1.amazonaws.com", &self.local.stack.endpoint_url())
            .replace("123456789012", &account)
    }

    /// Types a line, and what is wrong if it does not exit with this code.
    async fn mistake(&self, place: &str, line: &str, code: i32) -> Option<String> {
        let output = self.typed(line);
        if let Some((_, named)) = line.split_once("--no-wait").and(line.split_once("--run-id ")) {
            let run_id = named.split(' ').next().unwrap().parse().unwrap();
            self.local.closed(&run_id).await;
        }
        (output.status.code() != Some(code)).then(|| format!("{place}: {line}\n{output:?}"))
    }

    async fn exits(&self, place: &str, line: &str, code: i32) {
        assert_eq!(self.mistake(place, line, code).await, None);
    }

    /// Types every command of a document, with these words in the place of those that stand for something.
    async fn follows(&self, path: &str, words: &[(&str, &str)]) {
        let commands = commands(path, &page(path));
        let commands: Vec<_> = commands.iter().filter(|command| !command.is_apart()).collect();
        assert!(!commands.is_empty(), "{path}");
        let mut mistakes = Vec::new();
        for command in commands {
            let line = words
                .iter()
                .fold(command.typed.clone(), |line, (word, meant)| line.replace(word, meant));
            mistakes.extend(self.mistake(&command.place, &line, command.exits_with).await);
        }
        assert!(mistakes.is_empty(), "{}", mistakes.join("\n"));
    }
}

fn script(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// An experiment on one of the functions of the documents.
fn on(function: &str, name: &str, fault: Value) -> String {
    let mut file = experiment(&json!([fault]));
    file["name"] = json!(name);
    file["blast_radius"]["functions"] = json!([function]);
    file.to_string()
}

fn throttle() -> String {
    let fault = json!({ "kind": "reserved_concurrency", "function": "shop-payments", "executions": 0 });
    on("shop-payments", "throttle-payments", fault)
}

fn slow() -> String {
    let fault = json!({ "kind": "timeout", "function": "shop-checkout", "timeout": "1s" });
    on("shop-checkout", "payments-slow", fault)
}

/// An experiment of Chaos Toolkit that needs no variable.
fn chaos_toolkit() -> String {
    let path = workspace_root().join("crates/cli/tests/chaostoolkit/throttled.json");
    let mut file: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    file["configuration"]["alarm"]["default"] = json!("customers are unhappy");
    file.to_string()
}

/// Functions of a managed runtime, as the layer wants them.
fn shop(local: &Local, tag: Option<&str>) {
    for name in ["shop-payments", "shop-checkout"] {
        local.world(
            "function",
            &json!({ "name": name, "tag": tag, "runtime": "python3.12" }),
        );
    }
}

/// A reader with the files that the documents speak of.
fn with_files(local: &Local) -> Reader<'_> {
    let reader = Reader::of(local);
    for (name, content) in [
        ("throttle.yaml", throttle()),
        ("slow.yaml", slow()),
        ("experiments/payments-slow.yaml", slow()),
        ("experiments/throttle.yaml", throttle()),
        ("experiment.json", chaos_toolkit()),
    ] {
        reader.has(name, &content);
    }
    reader
}

#[tokio::test]
async fn the_documents_on_the_command_say_what_can_be_typed() {
    let local = Local::start(System::Sturdy).await;
    shop(&local, Some("allow"));
    let reader = with_files(&local);
    reader
        .exits("before", &format!("inoculate run throttle.yaml --run-id {RUN}"), 0)
        .await;
    reader.exits("before", "inoculate save throttle.yaml", 0).await;
    reader.follows("docs/cli.md", &[("RUN", RUN)]).await;
    with_files(&local).follows("docs/chaos-toolkit.md", &[]).await;
    with_files(&local).follows("docs/weaknesses.md", &[]).await;
    with_files(&local).follows("docs/writing.md", &[]).await;
}

#[tokio::test]
async fn the_recipes_for_pipelines_run() {
    let local = Local::start(System::Sturdy).await;
    shop(&local, Some("allow"));
    let text = page("docs/ci.md");
    let commands = lines_of(&text, "yaml").filter_map(|(number, line)| {
        let line = line.trim_start().trim_start_matches("- ").trim_start_matches("run: ");
        (line.contains("inoculate ") && !line.contains("cargo install")).then_some((number, line))
    });
    let commands: Vec<_> = commands.filter(|(_, line)| !line.starts_with("name: ")).collect();
    assert!(commands.len() >= 7, "{commands:?}");
    let reader = with_files(&local);
    for (number, line) in commands {
        // As GitHub Actions says of itself; elsewhere it does no harm.
        let line = format!("export GITHUB_ACTIONS=true; {line}");
        reader.exits(&format!("docs/ci.md:{number}"), &line, 0).await;
    }
    let written = |file: &str| std::fs::read_to_string(reader.home.path().join(file)).unwrap();
    assert!(written("results.xml").contains("<testsuite name=\"payments-slow\""));
    assert!(written("scorecard.md").contains("throttle-payments"));
    assert!(written("report.md").contains("# Experiment payments-slow"));
    assert!(
        written("summary.md").contains("payments-slow"),
        "the summary of the job"
    );
}

#[tokio::test]
async fn the_commands_of_aws_in_the_documents_do_what_they_are_for() {
    let local = Local::start(System::Sturdy).await;
    shop(&local, None);
    local.world("topic", &json!({ "name": "chat" }));
    let with_source = json!({ "name": "shop-orders", "tag": null, "source": true, "source_tag": null });
    let mapping = local.world("function", &with_source)["mapping"]
        .as_str()
        .unwrap()
        .to_owned();
    let reader = Reader::of(&local);

    reader.follows("docs/deploy.md", &[("UUID", &mapping)]).await;
    for resource in ["function:shop-payments", &format!("event-source-mapping:{mapping}")] {
        let arn = reader.here(&format!("arn:aws:lambda:eu-west-1:123456789012:{resource}"));
        assert_eq!(
            local.world("tags", &json!({ "resource": arn }))["inoculate"],
            "allow",
            "{arn}"
        );
    }

    let events = page("docs/events.md");
    for (name, holds) in [("attributes.json", "{\"Policy\""), ("targets.json", "InputTransformer")] {
        let blocks: Vec<String> = json_blocks(&events);
        let content = blocks.iter().find(|block| block.contains(holds)).unwrap();
        reader.has(name, &reader.here(content));
    }
    reader.follows("docs/events.md", &[]).await;
    reader
        .exits("after", "inoculate halt --reason 'to be heard of'", 0)
        .await;
    let heard = || async {
        let received = local.world("received", &json!({ "queue": "chaos" })).to_string();
        received.contains("to be heard of").then_some(())
    };
    eventually("the queue has the event", heard).await;

    reader.follows("docs/operations.md", &[]).await;
    let left = reader.typed("aws lambda list-layer-versions --layer-name inoculate-layer");
    let left: Value = serde_json::from_slice(&left.stdout).unwrap();
    assert_eq!(left["LayerVersions"], json!([]));
}

/// The blocks of JSON of a document.
fn json_blocks(text: &str) -> Vec<String> {
    let mut blocks: Vec<(usize, String)> = Vec::new();
    for (number, line) in lines_of(text, "json") {
        match blocks.last_mut() {
            Some((last, block)) if *last + 1 == number => {
                *last = number;
                block.push_str(line);
            }
            _ => blocks.push((number, line.to_owned())),
        }
    }
    blocks.into_iter().map(|(_, block)| block).collect()
}

//! The built command, without AWS: files in, text and exit code out.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test ends at the first thing that is not as it should be"
)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use insta::assert_snapshot;
use serde_json::Value;

const VALID: &str = "name: throttle
hypothesis: orders go on
blast_radius: { functions: [payments], percent: 100, longest: 2m }
windows: { baseline: 1m, recovery: 1m }
faults: [{ kind: reserved_concurrency, function: payments, executions: 0 }]
steady_state:
  - name: errors
    period: 10s
    metric: { namespace: Shop, name: Errors, statistic: Sum }
    tolerance: { at_most: 1 }
";

const WRONG: &str = "name: throttle
hypothesis: orders go on
blast_radius:
  functions: [payments]
  percent: 120
  longest: 2
windows: { baseline: 1m, recovery: 1m }
faults:
  - kind: reserved_concurency
    function: payments
steady_state:
  - name: errors
    period: 10s
    metric: { namespace: Shop, name: Errors, statistic: Sum }
    tolerence: { at_most: 1 }
";

/// A folder with files, removed at the end.
struct Folder(tempfile::TempDir);

impl Folder {
    fn with(files: &[(&str, &[u8])]) -> Folder {
        let folder = tempfile::tempdir().unwrap();
        for (name, content) in files {
            std::fs::write(folder.path().join(name), content).unwrap();
        }
        Folder(folder)
    }

    /// Runs the command there, with nothing of the environment that could reach AWS.
    fn inoculate(&self, args: &[&str]) -> Output {
        self.inoculate_with(&[], args)
    }

    /// The same with these variables.
    fn inoculate_with(&self, variables: &[(&str, &str)], args: &[&str]) -> Output {
        Command::new(binary())
            .args(args)
            .current_dir(&self.0)
            .env_clear()
            .env("HOME", self.0.path())
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .envs(variables.iter().copied())
            .output()
            .unwrap()
    }
}

fn binary() -> PathBuf {
    Path::new(env!("CARGO_BIN_EXE_inoculate")).to_owned()
}

/// Whether a terminal would obey a character: all but letters and the ends of lines.
fn is_obeyed(letter: char) -> bool {
    letter != '\n' && inoculate_core::notice::is_unsafe(letter)
}

/// A file that somebody else wrote, as in a pull request.
#[test]
fn a_hostile_file_does_nothing_to_the_terminal() {
    let hostile = "\u{1b}[2J\u{1b}]0;title\u{7}\u{9b}31m\u{202e}";
    let file = WRONG
        .replace("throttle", &format!("throttle{hostile}"))
        .replace("tolerence", &format!("tol{hostile}erence"))
        .replace("reserved_concurency", &format!("\"{hostile}\""))
        .replace("[payments]", &format!("[payments] # {hostile}"));
    let name = format!("{hostile}.yaml");
    let folder = Folder::with(&[(name.as_str(), file.as_bytes())]);
    for args in [&["validate", name.as_str()][..], &["validate", name.as_str(), "--json"]] {
        let output = folder.inoculate(args);
        assert!(!output.status.success());
        let said = text(&output.stdout) + &text(&output.stderr);
        assert!(
            said.contains("is not right for") || said.contains("not a kind of fault"),
            "{said:?}"
        );
        assert!(!said.contains(is_obeyed), "{said:?}");
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn json(output: &Output) -> Value {
    assert_eq!(text(&output.stderr), "", "JSON goes to stdout and nothing else is said");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", text(&output.stdout)))
}

#[test]
fn a_valid_file() {
    let output = Folder::with(&[("a.yaml", VALID.as_bytes())]).inoculate(&["validate", "a.yaml"]);
    assert_eq!(text(&output.stdout), "a.yaml: valid: throttle, 1 fault, 1 measure\n");
    assert_eq!(text(&output.stderr), "");
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn every_mistake_of_every_file_with_its_line() {
    let folder = Folder::with(&[
        ("a.yaml", WRONG.as_bytes()),
        ("b.yaml", VALID.as_bytes()),
        ("c.json", b"{ \"name\": "),
        ("empty.yaml", b""),
    ]);
    let output = folder.inoculate(&["validate", "a.yaml", "b.yaml", "c.json", "empty.yaml", "none.yaml"]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(text(&output.stdout), "b.yaml: valid: throttle, 1 fault, 1 measure\n");
    let stderr = text(&output.stderr);
    assert!(!stderr.contains('\x1b'), "no colour where there is no terminal");
    assert_snapshot!(stderr);
}

#[test]
fn mistakes_as_json() {
    let folder = Folder::with(&[("a.yaml", WRONG.as_bytes()), ("b.yaml", VALID.as_bytes())]);
    let output = folder.inoculate(&["validate", "--json", "a.yaml", "b.yaml", "none.yaml"]);
    assert_eq!(output.status.code(), Some(2));
    let files = json(&output)["files"].clone();
    assert_eq!(files[0]["valid"], false);
    assert_eq!(files[0]["problems"][0]["line"], 5);
    assert_eq!(files[0]["problems"][0]["pointer"], "/blast_radius/percent");
    assert_eq!(
        files[1],
        serde_json::json!({ "file": "b.yaml", "valid": true, "name": "throttle", "problems": [] })
    );
    assert_eq!(files[2]["problems"][0]["message"], "none.yaml: there is no such file");
}

/// Whichever command finds them, and whatever stdout holds.
#[test]
fn github_actions_shows_mistakes_at_their_lines() {
    let folder = Folder::with(&[("a.yaml", WRONG.as_bytes()), ("empty.yaml", b"")]);
    let workspace = folder.0.path().canonicalize().unwrap();
    let workspace = workspace.to_str().unwrap();
    let job = [("GITHUB_ACTIONS", "true"), ("GITHUB_WORKSPACE", workspace)];
    let annotations = |output: Output| -> Vec<String> {
        assert!(!text(&output.stdout).contains("::error"), "stdout is for results");
        let stderr = text(&output.stderr);
        let lines = stderr.lines().filter(|line| line.starts_with("::error"));
        lines.map(str::to_owned).collect()
    };
    let validated = annotations(folder.inoculate_with(&job, &["validate", "a.yaml", "empty.yaml"]));
    assert_snapshot!(validated.join("\n"));
    let as_json = annotations(folder.inoculate_with(&job, &["validate", "a.yaml", "empty.yaml", "--json"]));
    assert_eq!(as_json, validated);
    let of_a: Vec<&String> = validated.iter().filter(|line| line.contains("file=a.yaml")).collect();
    for args in [
        &["run", "a.yaml"][..],
        &["run", "a.yaml", "--json"],
        &["suite", "a.yaml"],
        &["suite", "a.yaml", "--json"],
    ] {
        let output = folder.inoculate_with(&job, args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert_eq!(annotations(output).iter().collect::<Vec<_>>(), of_a, "{args:?}");
    }
    let elsewhere = folder.inoculate(&["validate", "a.yaml"]);
    assert_eq!(annotations(elsewhere), [""; 0]);
}

#[test]
fn files_that_are_no_experiments() {
    let large = vec![b'#'; 256 * 1024 + 1];
    let folder = Folder::with(&[("large", &large), ("latin1", b"name: caf\xe9")]);
    for (file, message) in [
        ("./large", "the file has more than 262144 bytes"),
        ("./latin1", "byte 9 is not UTF-8"),
        (".", "this is a directory"),
    ] {
        let output = folder.inoculate(&["validate", file]);
        assert_eq!(output.status.code(), Some(2), "{file}");
        assert!(text(&output.stderr).contains(message), "{}", text(&output.stderr));
    }
}

#[test]
fn a_plan_needs_no_aws_when_it_is_offline() {
    let folder = Folder::with(&[("a.yaml", VALID.as_bytes()), ("wrong.yaml", WRONG.as_bytes())]);
    let output = folder.inoculate(&["plan", "--offline", "--json", "a.yaml"]);
    assert_eq!(output.status.code(), Some(0));
    let plan = json(&output);
    assert_eq!(plan["could_start"], Value::Null);
    assert_eq!(plan["plan"]["touches"][0]["function"], "payments");

    let output = folder.inoculate(&["plan", "--offline", "--json", "wrong.yaml"]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(json(&output)["error"]["code"], "InvalidExperiment");
    assert!(
        json(&output)["error"]["problems"]
            .as_array()
            .is_some_and(|problems| problems.len() > 2)
    );

    let output = folder.inoculate(&["plan", "--offline", "--json", "saved-one"]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(json(&output)["error"]["code"], "ExperimentNotFound");
}

#[test]
fn a_suite_says_what_would_run_when_without_aws() {
    let named = |name: &str, function: &str| VALID.replace("throttle", name).replace("payments", function);
    let folder = Folder::with(&[
        ("a.yaml", named("a", "payments").as_bytes()),
        ("b.yml", named("b", "payments").as_bytes()),
        ("c.yaml", named("c", "checkout").as_bytes()),
        ("notes.md", b"no experiment"),
    ]);
    let output = folder.inoculate(&["suite", ".", "--dry-run"]);
    assert_eq!(output.status.code(), Some(0));
    assert_snapshot!(text(&output.stdout));
    let output = folder.inoculate(&["suite", "c.yaml", ".", "--dry-run", "--json", "--parallel", "1"]);
    let slots = json(&output)["schedule"].clone();
    let files: Vec<&str> = slots
        .as_array()
        .unwrap()
        .iter()
        .map(|slot| slot["file"].as_str().unwrap())
        .collect();
    assert_eq!(
        files,
        ["c.yaml", "./a.yaml", "./b.yml"],
        "a file that is named twice runs once"
    );
    assert_eq!(slots[2]["from_secs"], 480);

    let folder = Folder::with(&[("a.yaml", VALID.as_bytes()), ("b.yaml", WRONG.as_bytes())]);
    let output = folder.inoculate(&["suite", ".", "--dry-run"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        text(&output.stderr).contains("is not right for"),
        "{}",
        text(&output.stderr)
    );
}

#[test]
fn without_region_or_credentials_it_says_so() {
    let folder = Folder::with(&[]);
    for args in [&["list"][..], &["list", "--region", "eu-west-1"]] {
        let output = folder.inoculate(args);
        assert_eq!(output.status.code(), Some(6), "{args:?}");
        assert!(
            text(&output.stderr).starts_with("error[NoCredentials]: "),
            "{}",
            text(&output.stderr)
        );
        assert!(text(&output.stderr).contains("\n  help: "), "{}", text(&output.stderr));
        assert_eq!(text(&output.stdout), "");
    }
    let output = folder.inoculate(&["show", "r", "--json"]);
    assert_eq!(json(&output)["error"]["code"], "NoCredentials");
}

#[test]
fn a_mistake_in_a_file_is_found_before_aws_is_asked() {
    let folder = Folder::with(&[("wrong.yaml", WRONG.as_bytes())]);
    for command in ["run", "plan", "save"] {
        let output = folder.inoculate(&[command, "wrong.yaml", "--json"]);
        assert_eq!(output.status.code(), Some(2), "{command}");
        assert_eq!(json(&output)["error"]["code"], "InvalidExperiment");
    }
}

#[test]
fn a_mistake_on_the_command_line_is_json_too() {
    let output = Folder::with(&[]).inoculate(&["show", "a/b", "--json"]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(json(&output)["error"]["code"], "Usage");
}

#[test]
fn the_schema_is_json() {
    let output = Folder::with(&[]).inoculate(&["schema"]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(json(&output)["title"], "Inoculate experiment");
}

#[test]
fn a_template_is_written_once_and_is_valid() {
    let folder = Folder::with(&[]);
    let listed = json(&folder.inoculate(&["init", "--json"]));
    let templates = listed["templates"].as_array().unwrap();
    for template in templates {
        let name = template["name"].as_str().unwrap();
        let written = json(&folder.inoculate(&["init", "--template", name, "--json"]));
        let file = format!("{name}.yaml");
        assert_eq!(
            written,
            serde_json::json!({ "template": name, "file": file, "experiment": name })
        );
        assert_eq!(
            folder.inoculate(&["validate", file.as_str()]).status.code(),
            Some(0),
            "{file}"
        );
    }

    let file = folder.0.path().join("latency.yaml");
    std::fs::write(&file, "mine").unwrap();
    let again = ["init", "--template", "latency"];
    let refused = folder.inoculate(&again);
    assert_eq!(refused.status.code(), Some(2));
    let said = text(&refused.stderr);
    assert!(
        said.contains("latency.yaml is there already") && said.contains("--force"),
        "{said}"
    );
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "mine");
    assert!(folder.inoculate(&[&again[..], &["--force"]].concat()).status.success());
    assert!(std::fs::read_to_string(&file).unwrap().contains("name: latency"));

    let half = folder.inoculate(&["init", "--template", "latency", "--function", "cart"]);
    assert_eq!(half.status.code(), Some(2));
    let said = text(&half.stderr);
    assert!(said.contains("needs --dependency"), "{said}");
    assert!(!folder.0.path().join("latency-cart.yaml").exists());
}

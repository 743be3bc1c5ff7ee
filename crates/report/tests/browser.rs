//! Reports in a real browser: a headless Chromium that comes as a package of npm, with the network off.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test says what it found by panicking"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use inoculate_core::details::RunDetails;
use inoculate_report::{Format, render};
use inoculate_stack::NodePackages;
use serde::Deserialize;
use serde_json::{Value, json};

/// The oldest Node that the packages run with.
const OLDEST_NODE: u32 = 20;

/// Where the picture of the README goes. To make it anew, from the first of the runs below:
/// `REPORT_SCREENSHOT=$PWD/docs/images/report.png cargo test -p inoculate-report --test browser real_runs`
const SCREENSHOT: &str = "REPORT_SCREENSHOT";

/// Real runs against the sample shop on the local stack, as `inoculate run --json` printed them.
const RUNS: [&str; 2] = ["payments-slow-hardened", "payments-throttled-naive"];

/// What a browser found on a page.
#[derive(Debug, Deserialize)]
struct Look {
    path: PathBuf,
    media: String,
    scheme: String,
    width: u32,
    /// Errors on the console, and requests for anything but the page.
    heard: Vec<String>,
    problems: Vec<String>,
    /// How many numbers, times and texts were compared with the record in the page.
    numbers: usize,
    figures: Vec<Figure>,
    /// How many letters can be seen.
    text: usize,
    /// The colour of the background.
    paper: String,
    /// The bytes of the page as PDF, where it is printed.
    sheets: Option<usize>,
}

#[derive(Debug, Deserialize)]
struct Figure {
    /// The measure, if it is a plot of one.
    measure: Option<String>,
    visible: bool,
    described: bool,
    /// How many shapes there are.
    drawn: usize,
}

fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser")
}

fn browser() -> Option<NodePackages> {
    NodePackages::prepare(&sources(), OLDEST_NODE, "the tests of the report in a browser").unwrap()
}

/// Not a test: installs the browser.
#[test]
#[ignore = "run by `cargo xtask test`"]
fn install() {
    browser();
}

fn recorded(run: &str) -> Value {
    let text = fs::read_to_string(sources().join(format!("{run}.json"))).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// Pages of these records, opened in every way. Of the first, a picture is taken if there is a file for it.
fn looks(browser: &NodePackages, records: &[(&str, Value)], picture: Option<PathBuf>) -> Vec<Look> {
    let folder = tempfile::tempdir().unwrap();
    let pages: Vec<PathBuf> = records
        .iter()
        .map(|(name, record)| {
            let details: RunDetails = serde_json::from_value(record.clone()).unwrap();
            let now = details.run.closed_at.unwrap_or(details.run.opened_at);
            let path = folder.path().join(format!("{name}.html"));
            fs::write(&path, render(&details, now, Format::Html)).unwrap();
            path
        })
        .collect();
    let mut task = json!({ "pages": pages });
    if let Some(to) = picture {
        task["screenshot"] = json!({ "page": pages[0], "to": to, "width": 1000, "height": 1400 });
    }
    // Beside its packages, or it would not find them.
    let program = browser.dir().join("look.mjs");
    fs::copy(sources().join("look.mjs"), &program).unwrap();
    // The browser unpacks itself into the temporary folder, with the libraries that it has for this environment. While it
    // does, nobody may start it.
    let unpacked = browser.dir().join("tmp");
    fs::create_dir_all(&unpacked).unwrap();
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let alone = ONE_AT_A_TIME.lock();
    let output = Command::new("node")
        .arg(program)
        .arg(task.to_string())
        .env("TMPDIR", &unpacked)
        .env("AWS_EXECUTION_ENV", "AWS_Lambda_nodejs20.x")
        .output()
        .unwrap();
    drop(alone);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}\n{said}", output.status);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}\n{said}"))
}

fn assert_sound(look: &Look) {
    assert!(look.heard.is_empty(), "{look:#?}");
    assert!(look.problems.is_empty(), "{look:#?}");
    assert!(look.numbers > 20 && look.text > 500, "{look:#?}");
    for figure in &look.figures {
        assert!(figure.visible && figure.described && figure.drawn > 3, "{look:#?}");
    }
    match look.media.as_str() {
        "print" => assert!(look.sheets.is_some_and(|bytes| bytes > 10_000), "{look:#?}"),
        _ => assert!([360, 1200].contains(&look.width), "{look:#?}"),
    }
    // Paper is white, whatever the screen is.
    let is_dark = look.media == "screen" && look.scheme == "dark";
    assert_eq!(look.paper == "rgb(255, 255, 255)", !is_dark, "{look:#?}");
}

#[test]
fn real_runs_are_shown_in_every_light_and_width() {
    let Some(browser) = browser() else { return };
    let picture = std::env::var_os(SCREENSHOT).map(PathBuf::from);
    let looks = looks(&browser, &RUNS.map(|run| (run, recorded(run))), picture);
    // Light and dark, on narrow and wide screens and on paper.
    assert_eq!(looks.len(), RUNS.len() * 6);
    for look in &looks {
        assert_sound(look);
        let run = look.path.file_stem().unwrap().to_str().unwrap();
        let measures: Vec<Value> = look
            .figures
            .iter()
            .filter_map(|figure| figure.measure.clone().map(Value::from))
            .collect();
        let measured = recorded(run)["experiment"]["steady_state"].as_array().unwrap().clone();
        let measured: Vec<Value> = measured.into_iter().map(|measure| measure["name"].clone()).collect();
        assert_eq!(measures, measured, "{run}");
    }
}

#[test]
fn words_of_others_stay_words() {
    let Some(browser) = browser() else { return };
    let mut record = recorded(RUNS[1]);
    let hostile =
        "</script><script>alert(1)</script><img src=x onerror=alert(2)><style>*{display:none}</style>&lt;\u{202e}";
    record["experiment"]["hypothesis"] = json!(hostile);
    record["results"]["evaluation"]["because"] = json!(hostile);
    record["run"]["ending"]["detail"] = json!(hostile);
    record["results"]["evaluation"]["during"]["findings"][0]["sentence"] = json!(hostile);
    record["results"]["evaluation"]["during"]["findings"][0]["unit"] = json!("<b>\"x\"&y</b>");
    record["experiment"]["steady_state"][0]["unit"] = json!("<b>\"x\"&y</b>");
    let long = "W".repeat(900);
    record["journal"][2]["what"] = json!(long);
    record["results"]["evaluation"]["during"]["findings"][1]["sentence"] = json!(format!("{long} ünïcödé 日本語 🦀"));
    for look in looks(&browser, &[("hostile", record)], None) {
        assert_sound(&look);
    }
}

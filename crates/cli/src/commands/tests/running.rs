//! One run, and what it leaves behind. An execution is over as soon as it was started.

use super::scene::{Scene, text};
use super::*;

#[tokio::test]
async fn a_run_leaves_its_verdict_in_every_file() {
    let scene = Scene::of(build::shop());
    let file = scene.write("throttled", |_| {});
    let junit = scene.path("junit.xml");
    let run = ["run", text(&file), "--wait", "--run-id", "r-1", "--junit", text(&junit)];
    assert_eq!(scene.exit(&run).await, Exit::Deviated);
    let junit = scene.read("junit.xml");
    assert!(
        junit.contains(r#"tests="2" skipped="0" errors="0" failures="2""#),
        "{junit}"
    );
    assert!(junit.contains(r#"<property name="run" value="r-1"/>"#), "{junit}");
    assert_eq!(
        scene.exit(&["watch", "r-1"]).await,
        Exit::Deviated,
        "what is over is said at once"
    );
    assert_eq!(scene.exit(&["watch", "r-2"]).await, Exit::Usage, "there is no such run");
}

#[tokio::test]
async fn a_report_of_a_run_has_the_format_of_its_name() {
    for (name, start) in [
        ("report.md", "# Experiment throttled\n"),
        ("report.Markdown", "# Experiment throttled\n"),
        ("report.html", "<!DOCTYPE html>"),
        ("report", "<!DOCTYPE html>"),
    ] {
        let scene = Scene::of(build::shop());
        let file = scene.write("throttled", |_| {});
        let report = scene.path(name);
        let line = ["run", text(&file), "--report", text(&report)];
        assert_eq!(scene.exit(&line).await, Exit::Deviated);
        let report = scene.read(name);
        assert!(
            report.starts_with(start) && report.contains("deviated"),
            "{name}: {report}"
        );
    }
}

/// Of a run that did not come to be there is nothing to report but why.
#[tokio::test]
async fn a_run_that_cannot_start_is_an_error_in_its_files() {
    let scene = Scene::with(build::shop(), |whole| whole.forbidden = vec!["throttled"], |_| {});
    let file = scene.write("throttled", |_| {});
    let (junit, report) = (scene.path("junit.xml"), scene.path("report.md"));
    let line = ["run", text(&file), "--junit", text(&junit), "--report", text(&report)];
    assert_eq!(scene.exit(&line).await, Exit::Failed);
    let junit = scene.read("junit.xml");
    assert!(
        junit.contains(r#"<error message="not allowed to start it" type="error"/>"#),
        "{junit}"
    );
    let report = scene.read("report.md");
    assert!(report.contains("not allowed to start it"), "{report}");
}

#[tokio::test]
async fn a_file_that_cannot_be_written_is_found_before_anything_starts() {
    let scene = Scene::of(build::hardened_shop());
    let file = scene.write("throttled", |_| {});
    let nowhere = scene.path("no/such/folder/file");
    for (command, option) in [
        ("run", "--junit"),
        ("run", "--report"),
        ("suite", "--junit"),
        ("suite", "--markdown"),
    ] {
        let line = [command, text(&file), option, text(&nowhere)];
        let (exit, heard) = scene.hear(&line).await;
        assert_eq!(exit, Exit::Failed, "{command} {option}");
        assert_eq!(exit.number(), 6);
        // Lines are broken where the name of the folder happens to end.
        let said = heard.stderr().replace('\n', " ");
        assert!(
            said.contains("no/such/folder/file: the file cannot be written"),
            "{said}"
        );
    }
    assert_eq!(scene.started(), [""; 0]);
}

/// It may be the one of the run before, which is all there is if this one does not come to an end.
#[tokio::test]
async fn what_is_in_a_file_stays_until_there_is_something_to_write() {
    let scene = Scene::of(build::shop());
    let file = scene.write("throttled", |_| {});
    let (junit, report) = (scene.path("junit.xml"), scene.path("no/report.md"));
    std::fs::write(&junit, "what was there").unwrap();
    let run = |report| ["run", text(&file), "--junit", text(&junit), "--report", report];
    assert_eq!(scene.exit(&run(text(&report))).await, Exit::Failed);
    assert_eq!(scene.read("junit.xml"), "what was there");
    assert_eq!(scene.exit(&run(text(&scene.path("report.md")))).await, Exit::Deviated);
    assert!(scene.read("junit.xml").starts_with("<?xml"));
}

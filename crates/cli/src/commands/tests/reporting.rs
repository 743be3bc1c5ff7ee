//! What `report` leaves behind.

use std::path::Path;

use inoculate_report::Format;

use super::*;
use crate::commands::report::report;

async fn reported(stack: &Arc<Stack>, run: &RunId, out: &Path, format: Option<Format>) -> Result<Exit, Failure> {
    with(stack, async |context| report(context, run, Some(out), format).await).await
}

#[tokio::test]
async fn a_report_is_written_in_the_format_of_its_name_unless_another_is_named() {
    let stack = Arc::new(Stack::new());
    let run = stack.add("told", vec![]).await;
    let folder = tempfile::tempdir().unwrap();
    for (name, format, start) in [
        ("a.md", None, "# Experiment "),
        ("a.MARKDOWN", None, "# Experiment "),
        ("a.html", None, "<!DOCTYPE html>"),
        ("a", None, "<!DOCTYPE html>"),
        ("b.md", Some(Format::Html), "<!DOCTYPE html>"),
        ("b.html", Some(Format::Markdown), "# Experiment "),
    ] {
        let path = folder.path().join(name);
        std::fs::write(&path, "what was there").unwrap();
        assert_eq!(reported(&stack, &run, &path, format).await.unwrap(), Exit::Upheld);
        let text = std::fs::read_to_string(path).unwrap();
        assert!(text.starts_with(start), "{name}: {text}");
        assert!(text.contains(run.as_str()), "{name}");
    }
}

#[tokio::test]
async fn a_report_that_cannot_be_written_or_is_of_no_run_leaves_nothing_behind() {
    let stack = Arc::new(Stack::new());
    let run = stack.add("told", vec![]).await;
    let folder = tempfile::tempdir().unwrap();
    let nowhere = folder.path().join("no/such/folder.html");
    let failure = reported(&stack, &run, &nowhere, None).await.unwrap_err();
    let Failure::Error(error) = &failure else {
        panic!("{failure:?}")
    };
    assert!(error.message.contains("no/such/folder.html"), "{error}");
    assert_eq!(failure.exit(), Exit::Failed);
    let unknown = reported(&stack, &build::name("unknown"), &folder.path().join("a"), None).await;
    assert_eq!(unknown.unwrap_err().exit(), Exit::Usage);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_report_without_a_name_is_named_after_its_run() {
    let path = |format| crate::report::default_path(&build::name("nightly-1"), format);
    assert_eq!(path(Format::Html), Path::new("nightly-1.html"));
    assert_eq!(path(Format::Markdown), Path::new("nightly-1.md"));
}

//! Several runs, and the order in which they start.

use inoculate_tests::memory::FunctionState;

use super::scene::{Scene, Whole, text};
use super::*;

/// Makes an experiment be about this function.
fn about(value: &mut Value, function: &str) {
    value["blast_radius"]["functions"] = json!([function]);
    value["faults"][0]["function"] = json!(function);
}

/// Adds a function whose owner allows no experiments.
fn allow_nothing(world: &World, name: &str) {
    let mut function = FunctionState::new(name);
    function.tags.clear();
    world.add_function(name, function);
}

/// Three functions, and an experiment of each name about one of them. Executions go on until the test ends them.
fn waiting(experiments: &[(&str, &str)], executions: impl FnOnce(&mut Whole), stack: impl FnOnce(&mut Stack)) -> Scene {
    let world = build::hardened_shop();
    for name in ["shop-orders", "shop-stock"] {
        world.add_function(name, FunctionState::new(name));
    }
    let wait = |whole: &mut Whole| {
        whole.waits = true;
        executions(whole);
    };
    let scene = Scene::with(world, wait, stack);
    for (name, function) in experiments {
        scene.write(name, |value| about(value, function));
    }
    scene
}

/// An experiment for each of three functions.
const APART: &[(&str, &str)] = &[("a", "shop-payments"), ("b", "shop-orders"), ("c", "shop-stock")];

/// The results on a scorecard, from top to bottom.
fn results(card: &str) -> Vec<&str> {
    let rows = card.lines().skip(4);
    rows.map(|row| row.split(" | ").nth(1).unwrap()).collect()
}

/// Runs the suite of a scene with these options beside what the test does, and says what it exits with.
async fn beside(scene: &Scene, options: &[&str], test: impl Future<Output = ()>) -> Exit {
    let line = [&["suite", text(scene.folder.path())], options].concat();
    let (exit, ()) = tokio::join!(scene.exit(&line), test);
    exit
}

#[tokio::test(start_paused = true)]
async fn what_has_a_function_in_common_runs_one_after_the_other_and_the_others_at_the_same_time() {
    let experiments = [
        ("a", "shop-payments"),
        ("b", "shop-payments"),
        ("c", "shop-orders"),
        ("d", "shop-payments"),
        ("e", "shop-stock"),
    ];
    let scene = waiting(&experiments, |_| {}, |_| {});
    let exit = beside(&scene, &[], async {
        assert_eq!(scene.started_at_last().await, ["a", "c", "e"]);
        scene.end("c").await;
        assert_eq!(scene.started_at_last().await, ["a", "c", "e"], "payments is not free");
        scene.end("a").await;
        assert_eq!(scene.started_at_last().await, ["a", "c", "e", "b"], "one at a time");
        scene.end("e").await;
        scene.end("b").await;
        assert_eq!(scene.started_at_last().await, ["a", "c", "e", "b", "d"]);
        scene.end("d").await;
    });
    assert_eq!(exit.await, Exit::Upheld);
}

#[tokio::test(start_paused = true)]
async fn no_more_run_at_the_same_time_than_was_asked_for_or_the_deployment_allows() {
    let capped = |max_runs| {
        let mut deployment = deployment();
        deployment.limits.max_runs = max_runs;
        Ok(deployment)
    };
    let unknown = || Err(Error::new(Code::AccessDenied, "no"));
    for (deployment, parallel, at_once) in [
        (capped(5), "2", 2),
        (capped(2), "100", 2),
        (capped(1), "2", 1),
        (unknown(), "2", 2),
        (unknown(), "100", 3),
    ] {
        let scene = waiting(APART, |_| {}, |stack| stack.deployment = deployment);
        let options = ["--parallel", parallel];
        let exit = beside(&scene, &options, async {
            for ended in 0..3 {
                let started = scene.started_at_last().await;
                assert_eq!(started, ["a", "b", "c"][..3.min(at_once + ended)], "after {ended}");
                scene.end(&started[ended]).await;
            }
        });
        assert_eq!(exit.await, Exit::Upheld, "{at_once}");
    }
}

/// A person has to see to it first, and every other run could make it worse. What runs already goes on to its end.
#[tokio::test(start_paused = true)]
async fn a_suite_starts_nothing_more_when_a_setting_is_not_back() {
    let scene = waiting(APART, |whole| whole.sticks = Some("b"), |_| {});
    let card = scene.path("card.md");
    let options = ["--parallel", "2", "--markdown", text(&card)];
    let exit = beside(&scene, &options, async {
        assert_eq!(scene.started_at_last().await, ["a", "b"]);
        scene.end("b").await;
        assert_eq!(scene.started_at_last().await, ["a", "b"], "there would be room");
        scene.end("a").await;
    });
    assert_eq!(exit.await, Exit::RollbackFailed);
    assert_eq!(scene.started(), ["a", "b"]);
    let card = scene.read("card.md");
    assert_eq!(results(&card), ["upheld", "rollback_failed", "not started"]);
    assert!(
        card.contains("a setting of another run is not back: see to it first"),
        "{card}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_suite_that_is_interrupted_starts_nothing_more_and_says_how_to_go_on() {
    let experiments = [("a", "shop-payments"), ("b", "shop-payments"), ("c", "shop-orders")];
    let scene = waiting(&experiments, |_| {}, |_| {});
    let junit = scene.path("junit.xml");
    let line = ["suite", text(scene.folder.path()), "--junit", text(&junit)];
    let interrupted = async {
        assert_eq!(scene.started_at_last().await, ["a", "c"]);
        scene.inject("a").await;
        assert_eq!(scene.started_at_last().await, ["a", "c"]);
    };
    let (exit, heard) = scene.hear_until(&line, interrupted).await;
    assert_eq!(exit, Exit::Interrupted);
    assert_eq!(scene.started_at_last().await, ["a", "c"]);
    insta::assert_snapshot!(scene.shown(&heard));
    let junit = scene.read("junit.xml");
    assert!(junit.contains(r#"errors="3""#), "{junit}");
}

#[tokio::test]
async fn a_suite_goes_on_after_a_finding_an_error_and_a_refusal() {
    let world = build::shop();
    allow_nothing(&world, "shop-secret");
    let scene = Scene::with(world, |whole| whole.forbidden = vec!["b-forbidden"], |_| {});
    scene.write("a-throttled", |_| {});
    scene.write("b-forbidden", |_| {});
    scene.write("c-refused", |value| about(value, "shop-secret"));
    scene.write("d-halved", |value| value["faults"][0]["executions"] = json!(5));
    std::fs::write(scene.path("notes.txt"), "no experiment").unwrap();
    let (junit, card) = (scene.path("junit.xml"), scene.path("card.md"));
    let line = [
        "suite",
        text(scene.folder.path()),
        "--junit",
        text(&junit),
        "--markdown",
        text(&card),
    ];
    let (exit, heard) = scene.hear(&[&line[..], &["--parallel", "1"]].concat()).await;
    assert_eq!(exit, Exit::Failed, "the worst");
    assert_eq!(scene.started(), ["a-throttled", "c-refused", "d-halved"]);
    insta::assert_snapshot!(scene.shown(&heard));
    let junit = scene.read("junit.xml");
    assert!(
        junit.contains(r#"tests="7" skipped="1" failures="2" errors="2""#),
        "{junit}"
    );
    let card = scene.read("card.md");
    assert_eq!(results(&card), ["deviated", "error", "refused", "upheld"]);
}

#[tokio::test]
async fn a_suite_with_a_mistake_in_one_file_starts_nothing() {
    let scene = Scene::of(build::hardened_shop());
    scene.write("a", |_| {});
    scene.write("b", |value| value["blast_radius"]["percent"] = json!(101));
    assert_eq!(scene.exit(&["suite", text(scene.folder.path())]).await, Exit::Usage);
    let empty = tempfile::tempdir().unwrap();
    assert_eq!(scene.exit(&["suite", text(empty.path())]).await, Exit::Usage);
    assert_eq!(scene.started(), [""; 0]);
}

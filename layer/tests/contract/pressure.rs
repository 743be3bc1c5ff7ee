//! Faults that reach beyond the exchange: what the handler needs is taken away, or its process is killed.

use inoculate_layer::faults::FaultKind;
use inoculate_layer::intercept::Delivered;
use inoculate_layer::proxy::Tools;

use crate::support::process::gone;
use crate::support::scene::Scene;
use crate::support::{Event, LAYER};

#[tokio::test]
async fn tmp_is_filled_until_the_handler_answers() {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().to_owned();
    // Files without a name are seen among the open files of this process.
    let taken = move || -> u64 {
        let open = std::fs::read_dir("/proc/self/fd")
            .unwrap()
            .filter_map(|entry| Some(entry.ok()?.path()));
        let ours = open.filter(|file| std::fs::read_link(file).is_ok_and(|target| target.starts_with(&place)));
        ours.filter_map(|file| Some(std::fs::metadata(file).ok()?.len())).sum()
    };
    let tools = Tools {
        tmp: directory.path().to_owned(),
        ..Tools::default()
    };
    let mut scene = Scene::of(Event::new("r", "{}"), r#"[{"kind":"fill_tmp","megabytes":9}]"#, tools).await;
    scene.runtime.next().await;
    assert_eq!(taken(), 9 * 1024 * 1024);
    assert_eq!(
        std::fs::read_dir(directory.path()).unwrap().count(),
        0,
        "no file is left if the layer is killed"
    );
    scene.runtime.respond("r", "1").await;
    assert_eq!(taken(), 0);
    assert_eq!(scene.interceptor.outcome("r").await.injected, [FaultKind::FillTmp]);
    scene.other_passes().await;
}

#[tokio::test]
async fn what_cannot_be_injected_is_told_and_the_event_passes() {
    let tools = || Tools {
        tmp: "/nowhere".into(),
        helper: "/nowhere".into(),
        ..Tools::default()
    };
    for (plan, kind) in [
        (r#"[{"kind":"fill_tmp","megabytes":9}]"#, FaultKind::FillTmp),
        (
            r#"[{"kind":"memory_pressure","megabytes":9,"longest_secs":9}]"#,
            FaultKind::MemoryPressure,
        ),
        (
            r#"[{"kind":"cpu_pressure","threads":1,"longest_secs":9}]"#,
            FaultKind::CpuPressure,
        ),
        (r#"[{"kind":"crash","at":"before"}]"#, FaultKind::Crash),
        (r#"[{"kind":"crash","at":"after"}]"#, FaultKind::Crash),
    ] {
        let mut scene = Scene::of(Event::new("r", "{}"), plan, tools()).await;
        assert_eq!(scene.runtime.next().await.request_id, "r");
        scene.runtime.respond("r", "1").await;
        assert_eq!(scene.interceptor.outcome("r").await.injected, [], "{plan}");
        assert_eq!(scene.interceptor.told.borrow().not_injected[0].0, kind);
        scene.other_passes().await;
    }
}

/// The helper process of this test that was started with these arguments.
fn helper(arguments: &str) -> i32 {
    let arguments = format!("pressure {} {arguments} ", std::process::id()).replace(' ', "\0");
    let mut processes = std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| Some(entry.ok()?.path()));
    let presses = |process: &std::path::PathBuf| {
        std::fs::read_to_string(process.join("cmdline")).is_ok_and(|line| line.ends_with(&arguments))
    };
    let process = processes.find(presses).expect("a helper process");
    process
        .file_name()
        .and_then(|name| name.to_str()?.parse().ok())
        .expect("a process id")
}

#[tokio::test]
async fn memory_is_taken_until_the_handler_answers() {
    let tools = Tools {
        helper: LAYER.into(),
        ..Tools::default()
    };
    let plan = r#"[{"kind":"memory_pressure","megabytes":33,"longest_secs":600}]"#;
    let mut scene = Scene::of(Event::new("r", "{}"), plan, tools).await;
    scene.runtime.next().await;
    let helper = helper("memory 33 600");
    let status = std::fs::read_to_string(format!("/proc/{helper}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(kilobytes >= 33 * 1024, "{kilobytes} kB");
    scene.runtime.respond("r", "1").await;
    gone(helper).await;
    scene.other_passes().await;
}

#[tokio::test]
async fn the_processor_is_kept_busy_until_the_handler_answers() {
    let tools = Tools {
        helper: LAYER.into(),
        ..Tools::default()
    };
    let plan = r#"[{"kind":"cpu_pressure","threads":3,"longest_secs":600}]"#;
    let mut scene = Scene::of(Event::new("r", "{}"), plan, tools).await;
    scene.runtime.next().await;
    let helper = helper("cpu 3 600");
    // One thread waits for the three that compute.
    assert_eq!(std::fs::read_dir(format!("/proc/{helper}/task")).unwrap().count(), 4);
    scene.runtime.respond("r", "1").await;
    gone(helper).await;
    scene.other_passes().await;
}

#[tokio::test]
async fn pressure_ends_with_a_runtime_that_never_answers() {
    let tools = Tools {
        helper: LAYER.into(),
        ..Tools::default()
    };
    let plan = r#"[{"kind":"cpu_pressure","threads":1,"longest_secs":1}]"#;
    let mut scene = Scene::of(Event::new("r", "{}"), plan, tools).await;
    scene.runtime.next().await;
    let helper = helper("cpu 1 1");
    gone(helper).await;
}

#[tokio::test]
async fn a_crash_kills_the_runtime() {
    for (at, paths) in [("before", 1), ("after", 1)] {
        let mut scene = Scene::new(&format!(r#"[{{"kind":"crash","at":"{at}"}}]"#)).await;
        let mut process = tokio::process::Command::new("sleep")
            .arg("600")
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        scene
            .proxy
            .proxy
            .runtime()
            .set(process.id().unwrap().try_into().unwrap());
        let invocation = async {
            let event = scene.runtime.next().await;
            scene.runtime.respond(&event.request_id, "1").await
        };
        // The runtime of this test is not the process that dies, so it would wait for ever.
        tokio::select! {
            status = crate::support::soon("the crash", process.wait()) => {
                assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status.unwrap()), Some(9));
            }
            accepted = invocation => panic!("accepted: {accepted:?}"),
        }
        let outcome = scene.interceptor.outcome("r").await;
        assert_eq!(
            (&outcome.delivered, outcome.injected.as_slice()),
            (&Delivered::Crashed, &[FaultKind::Crash][..])
        );
        assert_eq!(scene.api.paths().len(), paths, "no answer goes out");
    }
}

//! The script that starts a function of the shop: behind the layer if that can be run, and in any case.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use inoculate_stack::{package, workspace_root};

const LAYER: &[u8] = b"#!/bin/sh
[ \"$1\" = --version ] && echo 'inoculate-layer 1' && exit
[ \"$1 $2\" = 'exec --' ] && shift 2 && echo 'the layer starts' && exec \"$@\"
";

/// A package as it is unpacked, with the script as it is, and this as its layer.
fn unpacked(layer: Option<(&[u8], u32)>) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, content: &[u8], mode: u32| {
        let path = folder.path().join(name);
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
    };
    let script = fs::read(workspace_root().join("examples/shop/bootstrap")).unwrap();
    write("bootstrap", &script, 0o755);
    write("function", b"#!/bin/sh\necho the function starts\n", 0o755);
    if let Some((content, mode)) = layer {
        write(package::LAYER, content, mode);
    }
    folder
}

/// Runs the script as Lambda does.
fn start(folder: &Path, task_root: bool) -> Output {
    let mut command = Command::new(folder.join("bootstrap"));
    command
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("_HANDLER", "function");
    if task_root {
        command.env("LAMBDA_TASK_ROOT", folder);
    }
    command.output().unwrap()
}

fn said(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn the_function_starts_behind_the_layer() {
    let folder = unpacked(Some((LAYER, 0o755)));
    for task_root in [true, false] {
        let said = said(&start(folder.path(), task_root));
        assert_eq!(said, "the layer starts\nthe function starts\n");
    }
}

#[test]
fn a_layer_that_cannot_be_run_leaves_the_function_alone() {
    // The beginning of a program for a processor that no machine has.
    let other_processor = [
        b"\x7fELF\x02\x01\x01\0".as_slice(),
        &[0; 8],
        b"\x02\0\xff\xff",
        &[0; 44],
    ]
    .concat();
    for (why, layer) in [
        ("missing", None),
        ("not executable", Some((LAYER, 0o644))),
        ("empty", Some((b"".as_slice(), 0o755))),
        ("another C library", Some((b"#!/no/such/loader\n", 0o755))),
        ("another processor", Some((&other_processor, 0o755))),
        ("something that reads", Some((b"cat\n", 0o755))),
        ("fails", Some((b"#!/bin/sh\nexit 1\n", 0o755))),
        ("crashes", Some((b"#!/bin/sh\nkill -SEGV $$\n", 0o755))),
    ] {
        let said = said(&start(unpacked(layer).path(), true));
        assert_eq!(said, "the function starts\n", "{why}");
    }
}

#[test]
fn without_a_handler_it_says_what_is_missing() {
    let folder = unpacked(None);
    let mut command = Command::new(folder.path().join("bootstrap"));
    let output = command.env_clear().env("PATH", "/usr/bin:/bin").output().unwrap();
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("_HANDLER: is not set; it is the handler"), "{said}");
}

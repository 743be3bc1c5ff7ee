//! The clients that are not Rust, installed below the target folder on first use and found again until they change.
//!
//! `cargo xtask test` runs [`install`] before the tests, so that they do not wait for it.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{LazyLock, OnceLock};

use inoculate_stack::{PythonEnv, target_dir};
use sha2::{Digest, Sha256};

/// The Node that the packages need.
const OLDEST_NODE: u32 = 18;

/// Whose existence says that the tests with Node did not run, and why. `cargo xtask test` shows it at its end.
const NOT_RUN: &str = "node/not-run.txt";

/// Not a test: installs all clients.
#[test]
#[ignore = "run by `cargo xtask test`"]
fn install() {
    python();
    node();
    http_clients();
}

/// A folder of the sources of these tests.
pub(crate) fn sources(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/contract").join(name)
}

/// A Python with its client.
pub(crate) fn python() -> &'static PythonEnv {
    static PYTHON: LazyLock<PythonEnv> =
        LazyLock::new(|| PythonEnv::prepare(&sources("python/requirements.txt")).unwrap());
    &PYTHON
}

/// A Python with clients of HTTP, and a Node that is new enough for them.
pub(crate) fn http_clients() -> PythonEnv {
    PythonEnv::prepare(&sources("clients/requirements.txt")).unwrap()
}

/// The program of Node's client. `None`, and a line that no test run hides, if there is no Node on this machine.
pub(crate) fn node() -> Option<&'static Path> {
    static NODE: OnceLock<Option<PathBuf>> = OnceLock::new();
    let client = NODE.get_or_init(|| {
        let note = target_dir().join(NOT_RUN);
        fs::create_dir_all(note.parent().unwrap()).unwrap();
        match missing() {
            None => {
                let _ = fs::remove_file(note);
                Some(node_client())
            }
            Some(reason) => {
                let text = format!("NOT RUN: the tests with Node, since {reason}\n");
                fs::write(note, &text).unwrap();
                // Not with `eprintln!`, of which nothing is seen of a test that succeeds.
                std::io::stderr().write_all(text.as_bytes()).unwrap();
                None
            }
        }
    });
    client.as_deref()
}

/// The folder with the packages of Node, as [`node`].
pub(crate) fn node_modules() -> Option<&'static Path> {
    node()?.ancestors().nth(3)
}

/// What of Node is not there.
fn missing() -> Option<String> {
    let version = |program: &str| {
        let output = Command::new(program).arg("--version").output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        output.status.success().then(|| text.trim().to_owned())
    };
    let Some(node) = version("node") else {
        return Some("there is no `node`".to_owned());
    };
    let major = node.trim_start_matches('v').split('.').next().unwrap_or_default();
    if major.parse::<u32>().is_ok_and(|major| major < OLDEST_NODE) {
        return Some(format!("Node is {node}, and they need v{OLDEST_NODE}"));
    }
    version("npm").is_none().then(|| "there is no `npm`".to_owned())
}

/// Installs the packages as they are locked, without running their scripts, and builds the native half of the client.
fn node_client() -> PathBuf {
    let names = [
        "package.json",
        "package-lock.json",
        "CMakeLists.txt",
        "requirements.txt",
    ];
    let mut hash = Sha256::new();
    for name in names {
        hash.update(fs::read(sources("node").join(name)).unwrap());
    }
    let key: String = hash
        .finalize()
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let parent = target_dir().join("node");
    let (directory, complete) = (parent.join(&key), parent.join(&key).join("complete"));
    let modules = directory.join("node_modules");
    let program = modules.join("aws-lambda-ric/bin/index.mjs");

    let lock = File::create(parent.join(format!("{key}.lock"))).unwrap();
    lock.lock().unwrap();
    if complete.exists() {
        return program;
    }
    eprintln!(
        "installing the packages of Node in {} (once; about two minutes)",
        directory.display()
    );
    if directory.exists() {
        fs::remove_dir_all(&directory).unwrap();
    }
    fs::create_dir_all(&directory).unwrap();
    for name in &names[..2] {
        fs::copy(sources("node").join(name), directory.join(name)).unwrap();
    }
    let mut npm = Command::new("npm");
    run(npm
        .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
        .current_dir(&directory));
    build(&modules, &directory.join("build"));
    fs::remove_dir_all(directory.join("build")).unwrap();
    fs::write(complete, "").unwrap();
    program
}

/// Builds the native half of the client with tools from PyPI.
fn build(modules: &Path, folder: &Path) {
    let tools = PythonEnv::prepare(&sources("node/requirements.txt")).unwrap();
    let define = |name: &str, path: &Path| format!("-D{name}={}", path.display());
    let mut cmake = Command::new(tools.program("cmake"));
    cmake.args([
        "--log-level=ERROR",
        "-Wno-dev",
        "-G",
        "Ninja",
        "-DCMAKE_BUILD_TYPE=Release",
        "-S",
    ]);
    cmake.arg(sources("node")).arg("-B").arg(folder).args([
        define("CMAKE_MAKE_PROGRAM", &tools.program("ninja")),
        define("NODE_MODULES", modules),
        define("OUT", &modules.join("aws-lambda-ric/dist")),
    ]);
    let there = |compiler: &str| Command::new(compiler).arg("--version").output().is_ok();
    if std::env::var_os("CXX").is_none() && !there("c++") {
        // The compiler that `cargo xtask package` has for cross builds.
        let workspace = inoculate_stack::workspace_root();
        let zig = PythonEnv::prepare(&workspace.join("xtask/package-requirements.txt")).unwrap();
        let compiler = |language: &str| format!("{} -m ziglang {language}", zig.python().display());
        cmake.env("CXX", compiler("c++")).env("CC", compiler("cc"));
    }
    run(&mut cmake);
    run(Command::new(tools.program("ninja")).args(["--quiet", "-C"]).arg(folder));
}

fn run(command: &mut Command) {
    let output = command
        .output()
        .unwrap_or_else(|failure| panic!("{command:?}: {failure}"));
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

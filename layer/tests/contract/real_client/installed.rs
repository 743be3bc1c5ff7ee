//! The clients that are not Rust, installed below the target folder on first use and found again until they change.
//!
//! `cargo xtask test` runs [`install`] before the tests, so that they do not wait for it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{LazyLock, OnceLock};

use inoculate_stack::{NodePackages, PythonEnv};

/// The Node that the packages need.
const OLDEST_NODE: u32 = 18;

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
        let (what, more) = ("the tests with Node", ["CMakeLists.txt", "requirements.txt"]);
        let build = |directory: &Path| build(&directory.join("node_modules"), &directory.join("build"));
        let packages = NodePackages::prepare_with(&sources("node"), OLDEST_NODE, what, &more, build).unwrap();
        packages.map(|packages| packages.dir().join("node_modules/aws-lambda-ric/bin/index.mjs"))
    });
    client.as_deref()
}

/// The folder with the packages of Node, as [`node`].
pub(crate) fn node_modules() -> Option<&'static Path> {
    node()?.ancestors().nth(3)
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
    std::fs::remove_dir_all(folder).unwrap();
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

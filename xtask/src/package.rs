//! `cargo xtask package`: release builds of the functions and of the layer, zipped for Lambda.
//!
//! cargo-lambda and zig come from PyPI, pinned with hashes in `package-requirements.txt`, into an environment of their
//! own. With zig as the linker the binaries ask for the glibc of their runtimes and no newer one, wherever they are built.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::ValueEnum;
use inoculate_stack::package::{self, LAYER};
use inoculate_stack::{PythonEnv, target_dir, workspace_root};

use crate::error::Error;
use crate::process::{cargo, run as run_command};
use crate::report::{megabytes, phase};

/// The functions that are packaged: the package of cargo, and the binaries in it.
const FUNCTIONS: [(&str, &[&str]); 6] = [
    ("inoculate-baseline", &["baseline"]),
    ("inoculate-inject", &["inject"]),
    ("inoculate-observe", &["observe"]),
    ("inoculate-evaluate", &["evaluate"]),
    ("inoculate-rollback", &["rollback"]),
    (
        "shop",
        &["shop-checkout-naive", "shop-checkout-hardened", "shop-payments"],
    ),
];

/// The glibc of `provided.al2023`.
const GLIBC: &str = "2.34";

/// The oldest glibc that Rust builds for. The layer runs in the runtimes of others, and Lambda counts an extension that
/// does not start as a failure of the function. Amazon Linux 2, the oldest system of a runtime, has 2.26.
const LAYER_GLIBC: &str = "2.17";

/// How big a zip may be.
const LIMIT_BYTES: u64 = 4_000_000;

/// A processor that Lambda has.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Arch {
    /// Intel and AMD
    #[value(name = "x86_64")]
    X86_64,
    /// Graviton
    Arm64,
}

impl Arch {
    fn target(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64-unknown-linux-gnu",
            Self::Arm64 => "aarch64-unknown-linux-gnu",
        }
    }
}

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The processor to build for; the templates must be deployed with the same `Architecture`
    #[arg(long, value_enum, default_value = "x86_64")]
    arch: Arch,
}

/// Builds and zips the functions and the layer, and prints how big they are.
pub(crate) fn run(args: &Args) -> Result<(), Error> {
    let target = args.arch.target();
    require_target(target)?;
    let python = phase("cargo-lambda and zig", || {
        Ok(PythonEnv::prepare(
            &workspace_root().join("xtask/package-requirements.txt"),
        )?)
    })?;
    phase(&format!("release build for {target}"), || {
        build_functions(&python, target)
    })?;
    phase(&format!("release build of the layer for {target}"), || {
        build_layer(&python, target)
    })?;
    phase("zips", || {
        packages().try_for_each(|name| {
            lay_out(name)?;
            zip(&python, name)
        })
    })?;
    print_sizes()
}

/// Prints the size of each package.
///
/// # Errors
/// When there are none, or one is too big.
pub(crate) fn print_sizes() -> Result<(), Error> {
    println!("\n{:<24} {:>10} {:>10}", "package", "binary", "zip");
    let mut too_big = Vec::new();
    for name in packages() {
        let (binary, zip) = (size(&bootstrap(name))?, size(&zip_file(name))?);
        println!("{name:<24} {:>10} {:>10}", megabytes(binary), megabytes(zip));
        if zip > LIMIT_BYTES {
            too_big.push(name);
        }
    }
    println!("{:<24} {:>10} {:>10}", "limit", "", megabytes(LIMIT_BYTES));
    if too_big.is_empty() {
        return Ok(());
    }
    Err(Error::TooBig {
        names: too_big.join(", "),
        limit_bytes: LIMIT_BYTES,
    })
}

/// Whether everything was built and zipped.
pub(crate) fn all_packaged() -> bool {
    packages().all(|name| bootstrap(name).is_file() && zip_file(name).is_file())
}

/// The functions, by the names of their binaries.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    FUNCTIONS.iter().flat_map(|(_, names)| names.iter().copied())
}

/// Everything that is packaged.
fn packages() -> impl Iterator<Item = &'static str> {
    names().chain([LAYER])
}

fn lambda_dir() -> PathBuf {
    target_dir().join("lambda")
}

/// Where cargo-lambda puts the binaries: functions as `NAME/bootstrap`, the layer as `extensions/NAME`.
fn built_dir() -> PathBuf {
    target_dir().join("lambda-built")
}

fn built(name: &str) -> PathBuf {
    match name {
        LAYER => built_dir().join("extensions").join(name),
        function => built_dir().join(function).join("bootstrap"),
    }
}

/// Where the release build of a function is: its own binary, also where the `bootstrap` of its package is a script.
pub(crate) fn bootstrap(name: &str) -> PathBuf {
    let files = package::files(name, built);
    let own = files.into_iter().find(|(_, file)| *file == built(name));
    lambda_dir()
        .join(name)
        .join(own.map_or_else(PathBuf::new, |(place, _)| place.into()))
}

fn zip_file(name: &str) -> PathBuf {
    lambda_dir().join(format!("{name}.zip"))
}

fn size(path: &Path) -> Result<u64, Error> {
    match fs::metadata(path) {
        Ok(metadata) => Ok(metadata.len()),
        Err(_) => Err(Error::NoPackages { path: lambda_dir() }),
    }
}

/// Says which `rustup` command is missing, before cargo-lambda would try to install things on its own.
fn require_target(target: &'static str) -> Result<(), Error> {
    let mut rustc = Command::new("rustc");
    rustc
        .args(["--print", "target-libdir", "--target", target])
        .current_dir(workspace_root());
    let output = rustc.output().map_err(|source| Error::Start {
        command: "rustc".to_owned(),
        source,
    })?;
    let dir = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
    if output.status.success() && dir.is_dir() {
        Ok(())
    } else {
        Err(Error::TargetMissing { target })
    }
}

fn build_functions(python: &PythonEnv, target: &str) -> Result<(), Error> {
    let mut command = cargo_lambda(python, target, GLIBC);
    for (package, names) in FUNCTIONS {
        command.args(["--package", package]);
        for name in names {
            command.args(["--bin", name]);
        }
    }
    run_command(&mut command)
}

/// In a target folder of its own: in the same one, each build would make the C parts of the other stale.
fn build_layer(python: &PythonEnv, target: &str) -> Result<(), Error> {
    let mut command = cargo_lambda(python, target, LAYER_GLIBC);
    command
        .args(["--extension", "--package", LAYER, "--bin", LAYER])
        .env("CARGO_TARGET_DIR", target_dir().join("layer"));
    run_command(&mut command)
}

/// A release build of nothing yet.
fn cargo_lambda(python: &PythonEnv, target: &str, glibc: &str) -> Command {
    // Always zig, also where the target is this machine's own: its compiler would link against its own, newer glibc.
    let target = format!("{target}.{glibc}");
    let mut command = cargo(&["lambda", "build", "--release", "--locked", "--skip-target-check"]);
    command
        .args(["--compiler", "cargo-zigbuild", "--target", &target])
        .arg("--lambda-dir")
        .arg(built_dir())
        .env("PATH", path_with(&python.bin()));
    command
}

/// Makes the folder of a package, as the templates name it.
fn lay_out(name: &str) -> Result<(), Error> {
    let folder = lambda_dir().join(name);
    if folder.exists() {
        // `sam deploy` takes whatever is in it.
        fs::remove_dir_all(&folder).map_err(failed("remove", &folder))?;
    }
    for (place, file) in package::files(name, built) {
        let to = folder.join(place);
        let parent = to.parent().unwrap_or(&folder);
        fs::create_dir_all(parent).map_err(failed("make", parent))?;
        fs::copy(&file, &to).map_err(failed("copy", &file))?;
        fs::set_permissions(&to, Permissions::from_mode(0o755)).map_err(failed("make executable", &to))?;
    }
    Ok(())
}

/// Zips the folder of a package with fixed times, so that the same files make the same zip.
fn zip(python: &PythonEnv, name: &str) -> Result<(), Error> {
    let code = "import pathlib, sys, zipfile
folder = pathlib.Path(sys.argv[1])
with zipfile.ZipFile(sys.argv[2], 'w') as archive:
    for path in sorted(path for path in folder.rglob('*') if path.is_file()):
        entry = zipfile.ZipInfo(path.relative_to(folder).as_posix())
        entry.external_attr = 0o100755 << 16
        archive.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED, 9)";
    run_command(
        Command::new(python.python())
            .args(["-I", "-c", code])
            .arg(lambda_dir().join(name))
            .arg(zip_file(name)),
    )
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.to_owned();
    move |source| inoculate_stack::Error::File { action, path, source }.into()
}

fn path_with(first: &Path) -> std::ffi::OsString {
    let mut path = first.as_os_str().to_owned();
    if let Some(rest) = std::env::var_os("PATH") {
        path.push(":");
        path.push(rest);
    }
    path
}

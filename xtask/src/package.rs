//! `cargo xtask package`: release builds of the functions, zipped for Lambda.
//!
//! cargo-lambda and zig come from PyPI, pinned with hashes in `package-requirements.txt`, into an environment of their
//! own. With zig as the linker the binaries ask for the glibc of Amazon Linux 2023 and no newer one, wherever they are built.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::ValueEnum;
use inoculate_stack::{PythonEnv, target_dir, workspace_root};

use crate::error::Error;
use crate::process::{cargo, run as run_command};
use crate::report::{megabytes, phase};

/// What is packaged: the package of cargo, and the binaries in it.
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

/// Builds and zips the functions, and prints how big they are.
pub(crate) fn run(args: &Args) -> Result<(), Error> {
    let target = args.arch.target();
    require_target(target)?;
    let python = phase("cargo-lambda and zig", || {
        Ok(PythonEnv::prepare(
            &workspace_root().join("xtask/package-requirements.txt"),
        )?)
    })?;
    phase(&format!("release build for {target}"), || build(&python, target))?;
    phase("zips", || names().try_for_each(|name| zip(&python, name)))?;
    print_sizes()
}

/// Prints the size of each package.
///
/// # Errors
/// When there are none, or one is too big.
pub(crate) fn print_sizes() -> Result<(), Error> {
    println!("\n{:<24} {:>10} {:>10}", "package", "binary", "zip");
    let mut too_big = Vec::new();
    for name in names() {
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

/// Whether every function was built and zipped.
pub(crate) fn all_packaged() -> bool {
    names().all(|name| bootstrap(name).is_file() && zip_file(name).is_file())
}

/// The functions, by the names of their binaries.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    FUNCTIONS.iter().flat_map(|(_, names)| names.iter().copied())
}

fn lambda_dir() -> PathBuf {
    target_dir().join("lambda")
}

/// Where the release build of a function is.
pub(crate) fn bootstrap(name: &str) -> PathBuf {
    lambda_dir().join(name).join("bootstrap")
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

fn build(python: &PythonEnv, target: &str) -> Result<(), Error> {
    // Always zig, also where the target is this machine's own: its compiler would link against its own, newer glibc.
    let target = format!("{target}.{GLIBC}");
    let mut command = cargo(&["lambda", "build", "--release", "--locked", "--skip-target-check"]);
    command
        .args(["--compiler", "cargo-zigbuild", "--target", &target])
        .arg("--lambda-dir")
        .arg(lambda_dir())
        .env("PATH", path_with(&python.bin()));
    for (package, names) in FUNCTIONS {
        command.args(["--package", package]);
        for name in names {
            command.args(["--bin", name]);
        }
    }
    run_command(&mut command)
}

/// Zips a bootstrap with a fixed time, so that the same binary makes the same zip.
fn zip(python: &PythonEnv, name: &str) -> Result<(), Error> {
    let code = "import sys, zipfile
entry = zipfile.ZipInfo('bootstrap')
entry.external_attr = 0o100755 << 16
with open(sys.argv[1], 'rb') as file, zipfile.ZipFile(sys.argv[2], 'w') as archive:
    archive.writestr(entry, file.read(), zipfile.ZIP_DEFLATED, 9)";
    run_command(
        Command::new(python.python())
            .args(["-I", "-c", code])
            .arg(bootstrap(name))
            .arg(zip_file(name)),
    )
}

fn path_with(first: &Path) -> std::ffi::OsString {
    let mut path = first.as_os_str().to_owned();
    if let Some(rest) = std::env::var_os("PATH") {
        path.push(":");
        path.push(rest);
    }
    path
}

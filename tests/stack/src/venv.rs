//! Python virtual environments made from hash-pinned requirements.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::{Error, cache, crate_dir, target_dir};

/// A virtual environment with everything installed.
#[derive(Debug, Clone)]
pub struct PythonEnv {
    dir: PathBuf,
}

impl PythonEnv {
    /// The environment of the local stack, as in this crate's `requirements.txt`.
    ///
    /// # Errors
    /// As [`prepare`](Self::prepare).
    pub fn for_stack() -> Result<Self, Error> {
        Self::prepare(&crate_dir().join("requirements.txt"))
    }

    /// The environment for a requirements file: made on first use, found again until the file changes.
    ///
    /// Processes that ask at the same time wait for the first of them. An environment that was left half made is made
    /// again. Only wheels whose hashes are in the file are installed; nothing is compiled.
    ///
    /// # Errors
    /// When no Python 3.10 or newer is there, it lacks `venv` or `ensurepip`, or `pip` cannot install a package.
    pub fn prepare(requirements: &Path) -> Result<Self, Error> {
        let text = fs::read(requirements).map_err(Error::file("read", requirements))?;
        let python = find_python(candidates())?;
        let key = cache::key([&*text, python.version.as_bytes()]);

        // The interpreter is a link to the one it was made with, which may have been removed since.
        let usable = |dir: &Path| dir.join(PYTHON).exists();
        let make = |dir: &Path| make(&python.program, dir, requirements);
        let dir = cache::once(&target_dir().join("python"), &key, usable, make)?;
        Ok(Self { dir })
    }

    /// The folder with the source distributions of a requirements file, unpacked: downloaded on first use, found again until
    /// the file or this environment changes.
    ///
    /// Only archives whose hashes are in the file are taken. pip asks each for its name and version, so what it is built
    /// with must be in this environment. Nothing is installed.
    ///
    /// # Errors
    /// When `pip` cannot download one of them, or it cannot be unpacked.
    pub fn sources(&self, requirements: &Path) -> Result<PathBuf, Error> {
        let text = fs::read(requirements).map_err(Error::file("read", requirements))?;
        let key = format!(
            "sources-{}",
            cache::key([&*text, self.dir.as_os_str().as_encoded_bytes()])
        );
        let make = |dir: &Path| self.unpack_sources(requirements, dir);
        cache::once(&target_dir().join("python"), &key, |_| true, make)
    }

    /// The interpreter of this environment.
    #[must_use]
    pub fn python(&self) -> PathBuf {
        self.dir.join(PYTHON)
    }

    /// A program that a package installed, such as `cfn-lint`.
    #[must_use]
    pub fn program(&self, name: &str) -> PathBuf {
        self.bin().join(name)
    }

    /// The folder of this environment's programs, to put into a `PATH`.
    #[must_use]
    pub fn bin(&self) -> PathBuf {
        self.dir.join("bin")
    }

    fn unpack_sources(&self, requirements: &Path, dir: &Path) -> Result<(), Error> {
        const UNPACK: &str = "import pathlib, shutil, sys; [shutil.unpack_archive(one, sys.argv[2]) for one in pathlib.Path(sys.argv[1]).iterdir()]";
        let archives = tempfile::tempdir().map_err(Error::file("make", std::env::temp_dir()))?;
        let downloaded = run(pip(&self.python(), "download", requirements)
            .args(["--no-deps", "--no-build-isolation", "--no-binary", ":all:", "--dest"])
            .arg(archives.path()))?;
        succeeded(&format!("downloading {}", requirements.display()), &downloaded)?;
        let unpacked = run(Command::new(self.python())
            .args(["-I", "-c", UNPACK])
            .args([archives.path(), dir]))?;
        succeeded(&format!("unpacking {}", requirements.display()), &unpacked)
    }
}

/// Where the interpreter is in an environment.
const PYTHON: &str = "bin/python";

/// Makes the environment `dir` of an interpreter.
fn make(python: &Path, dir: &Path, requirements: &Path) -> Result<(), Error> {
    for module in ["venv", "ensurepip"] {
        let found = run(Command::new(python).args(["-I", "-c", &format!("import {module}")]))?;
        if !found.status.success() {
            return Err(Error::PythonIncomplete {
                python: python.to_owned(),
                module,
            });
        }
    }
    eprintln!(
        "making a Python environment in {} (once; about a minute)",
        dir.display()
    );
    let made = run(Command::new(python).args(["-I", "-m", "venv"]).arg(dir))?;
    succeeded("making a Python virtual environment", &made)?;
    let installed = run(pip(&dir.join(PYTHON), "install", requirements).args(["--only-binary", ":all:"]))?;
    succeeded(
        &format!("installing the packages of {}", requirements.display()),
        &installed,
    )
}

/// A command of an environment's pip about the packages of a file, with their hashes checked.
fn pip(python: &Path, command: &str, requirements: &Path) -> Command {
    let mut pip = Command::new(python);
    pip.args(["-I", "-m", "pip", command, "--quiet", "--no-input"])
        .args(["--disable-pip-version-check", "--require-hashes", "--requirement"])
        .arg(requirements);
    pip
}

#[derive(Debug)]
struct Python {
    program: PathBuf,
    /// Path and version, so that an environment is not used with another interpreter than it was made with.
    version: String,
}

/// The names that a Python may have here: the one in `PYTHON`, or else the usual ones.
fn candidates() -> Vec<OsString> {
    match std::env::var_os("PYTHON").filter(|python| !python.is_empty()) {
        Some(python) => vec![python],
        None => [
            "python3",
            "python3.13",
            "python3.12",
            "python3.11",
            "python3.10",
            "python",
        ]
        .map(OsString::from)
        .to_vec(),
    }
}

/// Takes the first candidate that is a Python 3.10 or newer.
fn find_python(candidates: Vec<OsString>) -> Result<Python, Error> {
    let mut tried = Vec::new();
    for candidate in candidates {
        let name = candidate.to_string_lossy().into_owned();
        let script = "import sys; v = sys.version_info; print(int(v >= (3, 10)), sys.executable, sys.version)";
        match Command::new(&candidate).args(["-I", "-c", script]).output() {
            Err(error) => tried.push(format!("{name}: {error}")),
            Ok(output) => {
                let version = String::from_utf8_lossy(&output.stdout).trim().to_owned();
                if output.status.success() && version.starts_with('1') {
                    let program = candidate.into();
                    return Ok(Python { program, version });
                }
                tried.push(format!("{name}: too old, or it does not run"));
            }
        }
    }
    let tried = tried.join("; ");
    Err(Error::PythonMissing { tried })
}

pub(crate) fn run(command: &mut Command) -> Result<Output, Error> {
    let program = command.get_program().to_string_lossy().into_owned();
    command.output().map_err(|source| Error::Start { program, source })
}

pub(crate) fn succeeded(what: &str, output: &Output) -> Result<(), Error> {
    if output.status.success() {
        return Ok(());
    }
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    Err(Error::Command {
        what: what.to_owned(),
        status: output.status.to_string(),
        output: text,
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// A program that answers every question with `answer`.
    fn program(dir: &Path, name: &str, answer: &str) -> OsString {
        let path = dir.join(name);
        fs::write(&path, format!("#!/bin/sh\n{answer}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path.into_os_string()
    }

    #[test]
    fn the_first_python_that_is_new_enough_is_taken() {
        let dir = tempfile::tempdir().unwrap();
        let old = program(dir.path(), "old", "echo 0 /old 3.9");
        let broken = program(dir.path(), "broken", "exit 1");
        let new = program(dir.path(), "new", "echo 1 /new 3.12");
        let found = find_python(vec!["/no/such/python".into(), old, broken, new.clone()]).unwrap();
        assert_eq!(found.program, PathBuf::from(new));
    }

    #[test]
    fn without_python_the_error_says_what_was_tried_and_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let old = program(dir.path(), "old", "echo 0 /old 3.9");
        let error = find_python(vec!["/no/such/python".into(), old])
            .unwrap_err()
            .to_string();
        for part in ["/no/such/python: ", "old: too old", "environment variable PYTHON"] {
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn a_python_without_venv_is_named_with_the_remedy() {
        let dir = tempfile::tempdir().unwrap();
        let python = program(dir.path(), "bare", "exit 1");
        let error = make(Path::new(&python), &dir.path().join("env"), Path::new("none"))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("has no `venv` module") && error.contains("python3-venv"),
            "{error}"
        );
    }
}

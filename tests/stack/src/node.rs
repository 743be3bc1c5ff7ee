//! Packages of npm made from a lock file, for tests that need a program of Node.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cache;
use crate::venv::{run, succeeded};
use crate::{Error, target_dir};

/// What says which packages there are.
const FILES: [&str; 2] = ["package.json", "package-lock.json"];

/// A folder with `node_modules`.
#[derive(Debug, Clone)]
pub struct NodePackages {
    dir: PathBuf,
}

impl NodePackages {
    /// The packages that `package.json` and `package-lock.json` of a folder name, below the target folder: installed on
    /// first use, found again until one of the files changes. No script of a package is run.
    ///
    /// `None` when there is no npm, or no Node of this version or newer. That is said on stderr, and kept where
    /// `cargo xtask test` finds it, with `what` does not run for it.
    ///
    /// # Errors
    /// When npm cannot install a package.
    pub fn prepare(sources: &Path, oldest: u32, what: &str) -> Result<Option<NodePackages>, Error> {
        Self::prepare_with(sources, oldest, what, &[], |_| {})
    }

    /// The same with something that is made of them: `make` gets the folder when the packages are there, once, and again when
    /// one of the files in `sources` changes that `more` names.
    ///
    /// # Errors
    /// As [`prepare`](Self::prepare).
    pub fn prepare_with(
        sources: &Path,
        oldest: u32,
        what: &str,
        more: &[&str],
        make: impl FnOnce(&Path),
    ) -> Result<Option<NodePackages>, Error> {
        let read = |name: &&str| {
            let path = sources.join(name);
            fs::read(&path).map_err(Error::file("read", &path))
        };
        let parts: Result<Vec<_>, Error> = FILES.iter().chain(more).map(read).collect();
        let key = cache::key(parts?);
        let parent = target_dir().join("node");
        fs::create_dir_all(&parent).map_err(Error::file("make", &parent))?;
        let note = parent.join(format!("not-run-{key}.txt"));
        if let Some(reason) = missing(oldest) {
            let text = format!("NOT RUN: {what}, since {reason}\n");
            fs::write(&note, &text).map_err(Error::file("write", &note))?;
            // Not with `eprintln!`, of which nothing is seen of a test that succeeds.
            let _ = std::io::stderr().write_all(text.as_bytes());
            return Ok(None);
        }
        let _ = fs::remove_file(note);

        let made = |dir: &Path| {
            install(sources, dir)?;
            make(dir);
            Ok(())
        };
        let dir = cache::once(&parent, &key, |_| true, made)?;
        Ok(Some(NodePackages { dir }))
    }

    /// The folder. Programs in it find the packages.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }
}

fn install(sources: &Path, dir: &Path) -> Result<(), Error> {
    eprintln!("installing packages of npm in {} (once)", dir.display());
    fs::create_dir_all(dir).map_err(Error::file("make", dir))?;
    for name in FILES {
        let copy = dir.join(name);
        fs::copy(sources.join(name), &copy).map_err(Error::file("write", &copy))?;
    }
    let mut npm = Command::new("npm");
    npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
        .current_dir(dir);
    succeeded("installing packages of npm", &run(&mut npm)?)
}

/// What of Node is not there.
fn missing(oldest: u32) -> Option<String> {
    let version = |program: &str| {
        let output = Command::new(program).arg("--version").output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        output.status.success().then(|| text.trim().to_owned())
    };
    let Some(node) = version("node") else {
        return Some("there is no `node`".to_owned());
    };
    let major = node.trim_start_matches('v').split('.').next().unwrap_or_default();
    if major.parse::<u32>().is_ok_and(|major| major < oldest) {
        return Some(format!("Node is {node}, and v{oldest} is needed"));
    }
    version("npm").is_none().then(|| "there is no `npm`".to_owned())
}

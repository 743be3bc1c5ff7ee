//! What is made once below the target folder, and found again until what it is made of changes.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::Error;

/// The marker inside a folder that says that everything in it was made.
const COMPLETE: &str = "complete";

/// The name of what is made of these parts: another one as soon as one of them changes.
pub(crate) fn key<Part: AsRef<[u8]>>(parts: impl IntoIterator<Item = Part>) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part);
    }
    let bytes = hash.finalize();
    bytes.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// The folder `key` in `parent`: made by `make` on first use, and again when it was left half made or is no longer `usable`.
///
/// Processes that ask at the same time wait for the first of them. `make` gets the place, where nothing is.
///
/// # Errors
/// Those of `make`, and when a file cannot be written or locked.
pub(crate) fn once(
    parent: &Path,
    key: &str,
    usable: impl Fn(&Path) -> bool,
    make: impl FnOnce(&Path) -> Result<(), Error>,
) -> Result<PathBuf, Error> {
    fs::create_dir_all(parent).map_err(Error::file("make", parent))?;
    let dir = parent.join(key);
    let marker = dir.join(COMPLETE);
    let is_complete = || marker.exists() && usable(&dir);
    if is_complete() {
        return Ok(dir);
    }
    let _lock = lock(parent, key)?;
    if !is_complete() {
        if dir.exists() {
            fs::remove_dir_all(&dir).map_err(Error::file("remove", &dir))?;
        }
        make(&dir)?;
        fs::write(&marker, b"").map_err(Error::file("write", &marker))?;
    }
    Ok(dir)
}

/// Waits for whoever is making what has this name in `parent`, and keeps others waiting until the answer is dropped.
///
/// # Errors
/// When the system does not lock files there.
fn lock(parent: &Path, key: &str) -> Result<File, Error> {
    let path = parent.join(format!("{key}.lock"));
    let lock = File::create(&path).map_err(Error::file("make", &path))?;
    lock.lock().map_err(Error::file("lock", &path))?;
    Ok(lock)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_made_once_and_again_when_it_was_left_half_made() {
        let parent = tempfile::tempdir().unwrap();
        let mut times = 0;
        let mut ask = |usable: bool, result: fn() -> Result<(), Error>| {
            let made = once(
                parent.path(),
                "key",
                |_| usable,
                |dir| {
                    times += 1;
                    fs::create_dir(dir).unwrap();
                    result()
                },
            );
            (made.is_ok(), times)
        };
        let failed = || Err(Error::file("make", "half")(std::io::ErrorKind::Other.into()));
        assert_eq!(ask(true, failed), (false, 1));
        assert_eq!(ask(true, || Ok(())), (true, 2));
        assert_eq!(ask(true, || Ok(())), (true, 2));
        assert_eq!(ask(false, || Ok(())), (true, 3));
    }
}

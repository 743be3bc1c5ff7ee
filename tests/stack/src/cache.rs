//! What is made once below the target folder, and found again until what it is made of changes.

use std::fs::File;
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::Error;

/// The name of what is made of these parts: another one as soon as one of them changes.
pub(crate) fn key<Part: AsRef<[u8]>>(parts: impl IntoIterator<Item = Part>) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part);
    }
    let bytes = hash.finalize();
    bytes.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// Waits for whoever is making what has this name in `parent`, and keeps others waiting until the answer is dropped.
///
/// # Errors
/// When the system does not lock files there.
pub(crate) fn lock(parent: &Path, key: &str) -> Result<File, Error> {
    let path = parent.join(format!("{key}.lock"));
    let lock = File::create(&path).map_err(Error::file("make", &path))?;
    lock.lock().map_err(Error::file("lock", &path))?;
    Ok(lock)
}

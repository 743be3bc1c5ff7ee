//! Faults that take something away from the handler: room in `/tmp`, memory, processor time.
//!
//! Each is held by a [`Pressure`] and ends when that is dropped, however the invocation ends. If the layer itself is
//! killed they end too: the file has no name, and the helper processes die with their parent.
//!
//! Memory and processor are taken by a helper process, so that neither a lack of memory nor a busy core is felt in
//! the proxy, where every invocation would meet it.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::fs::{FallocateFlags, fallocate, fstatvfs};
use rustix::io::Errno;
use tokio::io::AsyncReadExt;
use tokio::process::{Child, Command};

use crate::child;

const MEGABYTE: u64 = 1024 * 1024;

/// How long a helper may take until it presses. Ten gigabytes of memory take a few seconds.
const HELPER_START: Duration = Duration::from_secs(10);

/// What a helper writes when it presses.
const READY: &[u8] = b"ready\n";

/// Something taken away until this is dropped.
#[derive(Debug)]
#[expect(dead_code, reason = "holding them is their use")]
enum Hold {
    /// A file without a name: its room is free again when it is closed.
    File(File),
    /// A process that is killed with this handle.
    Helper(Child),
}

/// Something taken away from the handler. Ends when dropped.
#[derive(Debug)]
pub struct Pressure {
    _hold: Hold,
}

/// Why something could not be taken away.
#[derive(Debug, thiserror::Error)]
pub enum PressureError {
    /// The file system gives no room.
    #[error("cannot fill {directory}")]
    Fill {
        /// Where.
        directory: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The helper cannot be started.
    #[error("cannot start the helper process")]
    Helper(#[from] io::Error),
    /// The helper ended or took too long before it pressed.
    #[error("the helper process was not ready in time")]
    NotReady,
}

/// Takes up to `megabytes` of the free room in `directory`.
///
/// # Errors
/// When not even a part of it can be taken.
pub async fn fill(directory: &Path, megabytes: u32) -> Result<Pressure, PressureError> {
    let bytes = u64::from(megabytes) * MEGABYTE;
    let place = directory.to_owned();
    let filled = tokio::task::spawn_blocking(move || fill_with_file(&place, bytes)).await;
    match filled.unwrap_or_else(|failed| Err(io::Error::other(failed))) {
        Ok(file) => Ok(Pressure {
            _hold: Hold::File(file),
        }),
        Err(source) => Err(PressureError::Fill {
            directory: directory.to_owned(),
            source,
        }),
    }
}

fn fill_with_file(directory: &Path, bytes: u64) -> io::Result<File> {
    let path = directory.join(format!(".inoculate-{}-{:x}", std::process::id(), fastrand::u64(..)));
    let file = OpenOptions::new().write(true).create_new(true).open(&path)?;
    std::fs::remove_file(&path)?;
    // What is free may change meanwhile, so ask again when there was less than it said.
    for _ in 0..3 {
        let free = fstatvfs(&file)?;
        let bytes = bytes.min(free.f_bavail.saturating_mul(free.f_frsize));
        match fallocate(&file, FallocateFlags::empty(), 0, bytes.max(1)) {
            Ok(()) => return Ok(file),
            Err(Errno::NOSPC) => {}
            Err(_) => break,
        }
    }
    write_zeros(file, bytes)
}

/// The slow way, for file systems that cannot reserve room.
fn write_zeros(mut file: File, bytes: u64) -> io::Result<File> {
    let zeros = vec![0; usize::try_from(MEGABYTE).unwrap_or(usize::MAX)];
    for _ in 0..bytes / MEGABYTE {
        match file.write_all(&zeros) {
            Ok(()) => {}
            Err(full) if full.kind() == io::ErrorKind::StorageFull => break,
            Err(other) => return Err(other),
        }
    }
    Ok(file)
}

/// What a helper process takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Helper {
    /// Memory, in megabytes.
    Memory(u32),
    /// Processor time, in threads.
    Cpu(u32),
}

impl Helper {
    fn name_and_amount(self) -> (&'static str, u32) {
        match self {
            Helper::Memory(megabytes) => ("memory", megabytes),
            Helper::Cpu(threads) => ("cpu", threads),
        }
    }

    /// Reads what [`start`] wrote on the command line.
    pub fn parse(name: &str, amount: u32) -> Option<Helper> {
        match name {
            "memory" => Some(Helper::Memory(amount)),
            "cpu" => Some(Helper::Cpu(amount)),
            _ => None,
        }
    }
}

/// Starts `binary`, which is this program, as a helper, and waits until it presses. It ends by itself after
/// `longest_secs`.
///
/// # Errors
/// When it cannot be started or ends at once.
pub async fn start(binary: &Path, helper: Helper, longest_secs: u32) -> Result<Pressure, PressureError> {
    let (name, amount) = helper.name_and_amount();
    let mut process = Command::new(binary)
        .args([
            "pressure",
            &std::process::id().to_string(),
            name,
            &amount.to_string(),
            &longest_secs.to_string(),
        ])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let mut said = [0; READY.len()];
    if let Some(output) = process.stdout.as_mut() {
        let ready = tokio::time::timeout(HELPER_START, output.read_exact(&mut said)).await;
        ready
            .map_err(|_| PressureError::NotReady)?
            .map_err(|_| PressureError::NotReady)?;
    }
    Ok(Pressure {
        _hold: Hold::Helper(process),
    })
}

/// The helper process itself: takes, says so, and waits. Never outlives `parent`.
///
/// # Errors
/// When the parent is gone, the memory is not there, or nobody listens.
pub fn help(parent: u32, helper: Helper, longest_secs: u32) -> io::Result<()> {
    child::die_with(parent)?;
    let longest = Duration::from_secs(longest_secs.into());
    match helper {
        Helper::Memory(megabytes) => {
            let taken = take_memory(megabytes)?;
            say_ready()?;
            std::thread::sleep(longest);
            drop(taken);
        }
        Helper::Cpu(threads) => {
            let end = Instant::now() + longest;
            let threads: Vec<_> = (0..threads)
                .map(|_| std::thread::spawn(move || compute_until(end)))
                .collect();
            say_ready()?;
            threads.into_iter().for_each(|thread| drop(thread.join()));
        }
    }
    Ok(())
}

fn take_memory(megabytes: u32) -> io::Result<Vec<u8>> {
    let bytes = usize::try_from(u64::from(megabytes) * MEGABYTE).map_err(io::Error::other)?;
    let mut taken = Vec::new();
    taken.try_reserve_exact(bytes).map_err(io::Error::other)?;
    // Memory counts once it is written to. Not zero, so that it is.
    taken.resize(bytes, 1);
    Ok(taken)
}

fn compute_until(end: Instant) {
    let mut number = 1_u64;
    while Instant::now() < end {
        for _ in 0..100_000 {
            number = std::hint::black_box(number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
        }
    }
}

fn say_ready() -> io::Result<()> {
    let mut output = io::stdout();
    output.write_all(READY)?;
    output.flush()
}

//! Processes that must not outlive the one that started them.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::atomic::{AtomicI32, Ordering};

use rustix::process::{Pid, Signal, getppid, kill_process, set_parent_process_death_signal};

/// Makes this process die by SIGKILL when `parent`, the process that started it, ends.
///
/// # Errors
/// When `parent` has ended already, or the kernel refuses.
///
/// Source: <https://man7.org/linux/man-pages/man2/PR_SET_PDEATHSIG.2const.html>
pub fn die_with(parent: u32) -> io::Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    // The parent may have ended before the kernel was asked.
    if getppid().map(Pid::as_raw_pid) == i32::try_from(parent).ok() {
        Ok(())
    } else {
        Err(io::Error::other("the parent process has ended"))
    }
}

/// Replaces this process with `command`, in the environment as it is. Returns only if that fails.
pub fn become_command(command: &[OsString]) -> io::Error {
    match command.split_first() {
        Some((program, arguments)) => Command::new(program).args(arguments).exec(),
        None => io::Error::new(io::ErrorKind::NotFound, "there is no command"),
    }
}

/// The exit code with which shells say that a command could not be run.
pub fn exit_code(failure: &io::Error) -> u8 {
    if failure.kind() == io::ErrorKind::NotFound {
        127
    } else {
        126
    }
}

/// The process of the runtime, once it is known.
#[derive(Debug, Default)]
pub struct RuntimeProcess(AtomicI32);

impl RuntimeProcess {
    /// Tells which process is the runtime.
    pub fn set(&self, pid: i32) {
        self.0.store(pid, Ordering::Relaxed);
    }

    /// Tells that there is no runtime any more.
    pub fn gone(&self) {
        self.set(0);
    }

    /// Whether it is known which process is the runtime.
    pub fn is_known(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 0
    }

    /// Sends a signal to the runtime.
    ///
    /// # Errors
    /// When it is not known or not there.
    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        let pid = Pid::from_raw(self.0.load(Ordering::Relaxed));
        let pid = pid.ok_or_else(|| io::Error::other("the process of the runtime is not known"))?;
        Ok(kill_process(pid, signal)?)
    }
}

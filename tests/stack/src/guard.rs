//! Child processes that cannot outlive their parent.

use std::ffi::OsStr;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use crate::{Error, PythonEnv, crate_dir};

/// How long the guard gets to end everything; it takes milliseconds.
const END_DEADLINE: Duration = Duration::from_secs(10);

/// How often a command is looked at while waiting for it.
const POLL: Duration = Duration::from_millis(20);

/// A command that ends, with everything it started, when this value is dropped or this process dies in any way.
///
/// A small Python program (`guard.py`) stands between the two and holds the read end of a pipe. The kernel closes the
/// write end when this process ends, by SIGKILL too, and the guard then kills the command's process group. The
/// command is in a session of its own: Ctrl-C in a terminal reaches this process, and through it everything else.
#[derive(Debug)]
pub struct Guarded {
    guard: Child,
}

impl Guarded {
    /// A [`Command`] for `program` to give to [`spawn`](Self::spawn), once arguments and environment are added.
    #[must_use]
    pub fn command(python: &PythonEnv, program: impl AsRef<OsStr>) -> Command {
        let mut command = guard(python);
        command.arg(program);
        command
    }

    /// As [`command`](Self::command); the folder `remove` goes when the command has ended.
    pub(crate) fn command_removing(python: &PythonEnv, program: impl AsRef<OsStr>, remove: &Path) -> Command {
        let mut command = guard(python);
        command.arg("--remove").arg(remove).arg(program);
        command
    }

    /// Starts a command made with [`command`](Self::command).
    ///
    /// # Errors
    /// When the guard cannot be started. A program that cannot be started shows as exit status 127.
    pub fn spawn(mut command: Command) -> Result<Self, Error> {
        let program = command.get_program().to_string_lossy().into_owned();
        let guard = command
            .stdin(Stdio::piped())
            .process_group(0)
            .spawn()
            .map_err(|source| Error::Start { program, source })?;
        Ok(Self { guard })
    }

    /// The exit status if the command has ended. One that was killed by signal N shows as 128 + N.
    ///
    /// # Errors
    /// When the system cannot tell.
    pub fn try_wait(&mut self) -> Result<Option<ExitStatus>, Error> {
        self.guard.try_wait().map_err(wait_failed)
    }

    /// Waits for the command to end.
    ///
    /// # Errors
    /// When the system cannot tell.
    pub fn wait(&mut self) -> Result<ExitStatus, Error> {
        // `Child::wait` would close the pipe, and with it end the command.
        loop {
            if let Some(status) = self.try_wait()? {
                return Ok(status);
            }
            std::thread::sleep(POLL);
        }
    }

    /// Asks the command to end (SIGTERM) and gives it `patience` to do so; then it is killed.
    ///
    /// Answers the exit status, or `None` if it had to be killed.
    ///
    /// # Errors
    /// When the system cannot tell.
    pub fn terminate(mut self, patience: Duration) -> Result<Option<ExitStatus>, Error> {
        if let Some(stdin) = &mut self.guard.stdin {
            // Fails only if the guard has ended, which is what is wanted.
            let _ = stdin.write_all(b"t");
        }
        let deadline = Instant::now() + patience;
        while Instant::now() < deadline {
            if let Some(status) = self.try_wait()? {
                return Ok(Some(status));
            }
            std::thread::sleep(POLL);
        }
        Ok(None)
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        let deadline = Instant::now() + END_DEADLINE;
        while let Ok(None) = self.guard.try_wait() {
            if Instant::now() > deadline {
                // Nothing more can be done here; the guard itself at least must not stay.
                let _ = self.guard.kill();
                let _ = self.guard.wait();
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

fn guard(python: &PythonEnv) -> Command {
    let mut command = Command::new(python.python());
    command.arg("-I").arg(crate_dir().join("guard.py"));
    command
}

fn wait_failed(source: std::io::Error) -> Error {
    Error::Start {
        program: "guard.py".to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Read;

    use super::*;

    #[test]
    fn the_exit_status_is_passed_on() {
        let python = PythonEnv::for_stack().unwrap();
        let run = |program: &str, argument: &str| {
            let mut command = Guarded::command(&python, program);
            command.args(["-c", argument]).stderr(Stdio::null());
            Guarded::spawn(command).unwrap().wait().unwrap().code()
        };
        assert_eq!(run("sh", "exit 0"), Some(0));
        assert_eq!(run("sh", "exit 3"), Some(3));
        assert_eq!(run("sh", "kill -9 $$"), Some(137));
        assert_eq!(run("/no/such/program", ""), Some(127));
    }

    #[test]
    fn a_command_may_end_in_its_own_way_if_it_does_so_in_time() {
        let python = PythonEnv::for_stack().unwrap();
        let run = |trap: &str| {
            let mut command = Guarded::command(&python, "sh");
            let script = format!("{trap}; echo ready; while true; do sleep 0.01; done");
            command.args(["-c", &script]).stdout(Stdio::piped());
            let mut guarded = Guarded::spawn(command).unwrap();
            let mut ready = [0; 5];
            guarded.guard.stdout.take().unwrap().read_exact(&mut ready).unwrap();
            guarded
        };
        let polite = run("trap 'exit 7' TERM").terminate(END_DEADLINE).unwrap();
        assert_eq!(polite.and_then(|status| status.code()), Some(7));
        assert!(
            run("trap '' TERM")
                .terminate(Duration::from_millis(100))
                .unwrap()
                .is_none()
        );
    }

    #[test]
    fn a_folder_stays_when_the_command_ends_by_itself_and_goes_when_it_is_ended() {
        let python = PythonEnv::for_stack().unwrap();
        let run = |dir: &Path, seconds: &str| {
            let mut command = Guarded::command_removing(&python, "sleep", dir);
            command.arg(seconds);
            Guarded::spawn(command).unwrap()
        };
        let (short, long) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::write(long.path().join("file"), "").unwrap();
        run(short.path(), "0").wait().unwrap();
        assert!(short.path().exists());
        drop(run(long.path(), "600"));
        assert!(!long.path().exists());
    }
}

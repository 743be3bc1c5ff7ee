//! A person at a terminal: a process in a pseudo terminal, its screen, and keys.

use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

pub use portable_pty::CommandBuilder;
use portable_pty::{Child, MasterPty, PtySize, SlavePty, native_pty_system};

/// How long a test waits for what must come: longer than a whole run takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(300);

/// How large the terminal is.
const SIZE: PtySize = PtySize {
    rows: 40,
    cols: 100,
    pixel_width: 0,
    pixel_height: 0,
};

/// A terminal with a process in it.
pub struct Terminal {
    master: Box<dyn MasterPty + Send>,
    keyboard: Box<dyn Write + Send>,
    output: Receiver<Vec<u8>>,
    screen: vt100::Parser,
    process: Box<dyn Child + Send + Sync>,
    /// Kept open, so that the terminal can be looked at after its process has ended.
    slave: Box<dyn SlavePty + Send>,
    /// Its settings before.
    before: String,
}

impl Terminal {
    /// Starts a process in a terminal of 100 columns and 40 rows.
    pub fn start(mut command: CommandBuilder) -> Terminal {
        let pair = native_pty_system().openpty(SIZE).unwrap();
        if command.get_env("TERM").is_none_or(|term| term != "dumb") {
            command.env("TERM", "xterm-256color");
        }
        let before = settings(pair.master.as_ref());
        let process = pair.slave.spawn_command(command).unwrap();
        let number = |number| NonZeroU16::new(number).unwrap();
        Terminal {
            output: output(pair.master.try_clone_reader().unwrap()),
            keyboard: pair.master.take_writer().unwrap(),
            master: pair.master,
            screen: vt100::Parser::new(number(SIZE.rows), number(SIZE.cols), 0),
            process,
            slave: pair.slave,
            before,
        }
    }

    /// Waits until the screen shows a text.
    pub fn shows(&mut self, text: &str) {
        self.shows_between(text, "");
    }

    /// Waits until the screen shows both texts, one after the other, and answers what is between them.
    pub fn shows_between(&mut self, begin: &str, end: &str) -> String {
        let started = Instant::now();
        loop {
            let contents = self.contents();
            let rest = contents.split_once(begin).map(|(_, rest)| rest);
            if let Some((between, _)) = rest.and_then(|rest| rest.split_once(end)) {
                return between.to_owned();
            }
            let waited = started.elapsed();
            assert!(waited < PATIENCE, "{begin:?} and {end:?} are not on it:\n{contents}");
            self.look();
        }
    }

    /// What is on the screen.
    pub fn contents(&self) -> String {
        self.screen.screen().contents()
    }

    /// Whether a letter on the screen has a colour or is bold.
    pub fn is_colourful(&self) -> bool {
        let screen = self.screen.screen();
        let cells = (0..SIZE.rows).flat_map(|row| (0..SIZE.cols).filter_map(move |column| screen.cell(row, column)));
        cells
            .into_iter()
            .any(|cell| cell.bold() || cell.fgcolor() != vt100::Color::Default)
    }

    /// Presses keys, one after the other.
    pub fn press(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
        self.keyboard.flush().unwrap();
    }

    /// Waits until the process has ended, and makes sure that the terminal is as it was. The exit code.
    pub fn ends(mut self) -> u32 {
        let code = self.process.wait().unwrap().exit_code();
        assert_eq!(
            settings(self.master.as_ref()),
            self.before,
            "the settings are as they were"
        );
        // With nobody left to write, what was written comes to an end.
        drop(self.slave);
        for bytes in &self.output {
            self.screen.process(&bytes);
        }
        assert!(!self.screen.screen().hide_cursor(), "the cursor is there");
        code
    }

    fn look(&mut self) {
        if let Ok(bytes) = self.output.recv_timeout(Duration::from_millis(100)) {
            self.screen.process(&bytes);
        }
    }
}

/// What is written to a terminal, as it comes.
fn output(mut reader: Box<dyn Read + Send>) -> Receiver<Vec<u8>> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let mut bytes = [0; 4096];
        while let Ok(read @ 1..) = reader.read(&mut bytes) {
            if sender.send(bytes[..read].to_vec()).is_err() {
                return;
            }
        }
    });
    receiver
}

/// Every setting of a terminal.
fn settings(master: &dyn MasterPty) -> String {
    format!("{:?}", master.get_termios().unwrap())
}

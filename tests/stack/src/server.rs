//! MiniStack as a process: start, readiness, environment, end.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde::Deserialize;
use tempfile::TempDir;

use crate::guard::Guarded;
use crate::script::Scripts;
use crate::{Error, PythonEnv, crate_dir};

/// The region that everything in the local stack is in.
pub const REGION: &str = "eu-west-1";

/// The credentials of the account's root. MiniStack takes them from its own environment; `AUTH=true` makes it check
/// every signature against them, and gives each function a session of its own role instead.
const ACCESS_KEY_ID: &str = "AKIALOCALSTACKROOT00";
const SECRET_ACCESS_KEY: &str = "local-stack-root-secret";

/// How long MiniStack gets to become ready. It takes about a second; a loaded machine more.
const READY_DEADLINE: Duration = Duration::from_secs(60);

/// The file of [`Stack::record`], in the stack's folder.
const RECORD: &str = "record.jsonl";

/// Whether requests are written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Recording {
    On,
    Off,
}

/// What a request to DynamoDB or CloudWatch would be billed for.
#[derive(Debug, Clone, Deserialize)]
pub struct Request {
    /// The function that made it; empty for anybody else.
    pub by: String,
    /// `dynamodb` or `cloudwatch`.
    pub service: String,
    /// The operation, such as `PutItem`.
    pub operation: String,
    /// Whether it was answered with an error. Then nothing is counted.
    pub refused: bool,
    /// Read request units of DynamoDB.
    pub read: f64,
    /// Write request units of DynamoDB.
    pub write: f64,
    /// Metrics that `GetMetricData` asked for.
    pub metrics: f64,
}

/// A running local stack. Dropping it ends it and everything it started.
#[derive(Debug)]
pub struct Stack {
    // Dropped in this order: first the processes, then the folder they write into.
    process: Guarded,
    dir: TempDir,
    python: PythonEnv,
    port: u16,
    pub(crate) scripts: Mutex<Scripts>,
}

impl Stack {
    /// Makes the Python environment if need be, starts MiniStack on a free loopback port and waits until it is ready.
    ///
    /// Any number of stacks can run side by side; each has its own state, which ends with it.
    ///
    /// # Errors
    /// When there is no usable Python, a package cannot be installed, or MiniStack does not become ready.
    pub fn start() -> Result<Self, Error> {
        Self::start_with(Recording::Off)
    }

    /// As [`start`](Self::start), and what the requests would be billed for is written down; see [`record`](Self::record).
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_recording() -> Result<Self, Error> {
        Self::start_with(Recording::On)
    }

    fn start_with(recording: Recording) -> Result<Self, Error> {
        let python = PythonEnv::for_stack()?;
        let dir = tempfile::Builder::new()
            .prefix("inoculate-stack-")
            .tempdir()
            .map_err(Error::file("make a folder in", std::env::temp_dir()))?;
        let process = spawn(&python, dir.path(), recording)?;
        let mut stack = Self {
            process,
            dir,
            python,
            port: 0,
            scripts: Mutex::default(),
        };
        stack.await_ready()?;
        Ok(stack)
    }

    /// The endpoint of every AWS service, such as `http://127.0.0.1:41234`.
    #[must_use]
    pub fn endpoint_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The environment that makes an AWS client, in any language, talk to this stack as its root.
    #[must_use]
    pub fn env(&self) -> [(&'static str, String); 6] {
        [
            ("AWS_ENDPOINT_URL", self.endpoint_url()),
            ("AWS_REGION", REGION.to_owned()),
            ("AWS_DEFAULT_REGION", REGION.to_owned()),
            ("AWS_ACCESS_KEY_ID", ACCESS_KEY_ID.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY.to_owned()),
            ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
        ]
    }

    /// The variables a child process must not inherit: each would win over, or mix with, those of [`env`](Self::env).
    pub const ENV_REMOVED: [&str; 4] = [
        "AWS_PROFILE",
        "AWS_DEFAULT_PROFILE",
        "AWS_SESSION_TOKEN",
        "AWS_CONFIG_FILE",
    ];

    /// The Python environment the stack runs in; it has `boto3` and `cfn-lint`.
    #[must_use]
    pub fn python(&self) -> &PythonEnv {
        &self.python
    }

    /// The log of MiniStack and of the functions in it.
    #[must_use]
    pub fn log_path(&self) -> PathBuf {
        self.dir.path().join("ministack.log")
    }

    /// The last `lines` lines of the log, for the message of a failed test.
    #[must_use]
    pub fn log_tail(&self, lines: usize) -> String {
        // The log is evidence, never the point: if it cannot be read, that is what it says.
        let text = fs::read(self.log_path()).map_or_else(
            |error| format!("(no log: {error})"),
            |bytes| String::from_utf8_lossy(&bytes).into_owned(),
        );
        let all: Vec<&str> = text.lines().collect();
        all[all.len().saturating_sub(lines)..].join("\n")
    }

    /// What the requests to DynamoDB and CloudWatch until now would be billed for; `record.py` says how it is counted.
    ///
    /// # Errors
    /// When the stack was not started with [`start_recording`](Self::start_recording).
    pub fn record(&self) -> Result<Vec<Request>, Error> {
        let path = self.dir.path().join(RECORD);
        let text = fs::read_to_string(&path).map_err(Error::file("read", &path))?;
        let requests: Result<Vec<Request>, _> = text.lines().map(serde_json::from_str).collect();
        requests.map_err(|source| Error::Output {
            what: "record.py".to_owned(),
            output: text.clone(),
            source,
        })
    }

    fn await_ready(&mut self) -> Result<(), Error> {
        let port_file = self.dir.path().join("port");
        let deadline = Instant::now() + READY_DEADLINE;
        loop {
            if let Some(status) = self.process.try_wait()? {
                return Err(Error::Ended {
                    status: status.to_string(),
                    log: self.log_tail(30),
                });
            }
            if self.port == 0 {
                self.port = fs::read_to_string(&port_file)
                    .ok()
                    .and_then(|text| text.parse().ok())
                    .unwrap_or(0);
            } else if is_ready(self.port) {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(Error::NotReady {
                    waited: READY_DEADLINE,
                    log: self.log_tail(30),
                });
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

fn spawn(python: &PythonEnv, dir: &Path, recording: Recording) -> Result<Guarded, Error> {
    let [home, tmp, state, s3] = ["home", "tmp", "state", "s3"].map(|name| dir.join(name));
    for path in [&home, &tmp, &state, &s3] {
        fs::create_dir(path).map_err(Error::file("make", path))?;
    }
    let log_path = dir.join("ministack.log");
    let log = File::create(&log_path).map_err(Error::file("make", &log_path))?;
    let errors = log.try_clone().map_err(Error::file("open", &log_path))?;

    let mut command = Guarded::command_removing(python, python.python(), dir);
    command
        .arg("-I")
        .arg(crate_dir().join("serve.py"))
        .arg(dir.join("port"));
    if recording == Recording::On {
        command.arg(dir.join(RECORD));
    }
    // MiniStack hands its whole environment to every function, so it starts from nothing: a profile, a proxy or a
    // log level of this shell must not change what the functions do.
    command.env_clear();
    for name in ["PATH", "LD_LIBRARY_PATH"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command
        .env("LANG", "C.UTF-8")
        .env("HOME", home)
        .env("TMPDIR", tmp)
        .env("STATE_DIR", state)
        .env("S3_DATA_DIR", s3)
        .env("BIND_HOST", "127.0.0.1")
        .env("MINISTACK_HOST", "127.0.0.1")
        .env("MINISTACK_REGION", REGION)
        .env("AWS_REGION", REGION)
        .env("AWS_DEFAULT_REGION", REGION)
        .env("AWS_ACCESS_KEY_ID", ACCESS_KEY_ID)
        .env("AWS_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY)
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AUTH", "true")
        .env("LAMBDA_EXECUTOR", "local")
        .env("IOT_MTLS_ENABLED", "0")
        .env("SFTP_ENABLED", "0")
        .env("PYTHONUNBUFFERED", "1")
        .stdout(log)
        .stderr(errors);
    Guarded::spawn(command)
}

/// Asks MiniStack's readiness endpoint. Whatever goes wrong, the answer is "not yet".
fn is_ready(port: u16) -> bool {
    let timeout = Duration::from_secs(2);
    let ask = || -> std::io::Result<bool> {
        let mut stream = TcpStream::connect_timeout(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)), timeout)?;
        stream.set_read_timeout(Some(timeout))?;
        stream.write_all(b"GET /_ministack/ready HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")?;
        let mut answer = [0; 12];
        stream.read_exact(&mut answer)?;
        Ok(&answer == b"HTTP/1.1 200")
    };
    ask().unwrap_or(false)
}

//! A running `parkgate agent`, and its command line.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::DEMO_PARK;
use crate::gate::{ended, is_writing, parkgate};

/// An agent with a folder of its own.
pub struct Agent {
    program: PathBuf,
    /// Its folder, with `agent.toml`, `data` and `spool`.
    pub folder: TempDir,
    child: Option<Child>,
    /// Where it takes records.
    pub url: String,
    http: reqwest::blocking::Client,
}

impl Agent {
    /// With the document's park, and `more` at the top of its file; not started.
    #[must_use]
    pub fn new(program: &str, platform: &str, more: &str) -> Agent {
        let folder = tempfile::tempdir().unwrap();
        let text = format!(
            "data = \"data\"\nlisten = \"127.0.0.1:0\"\nspool = \"spool\"\n{more}\n[platform]\nurl = \"{platform}\"\n\
             park_uuid = \"{DEMO_PARK}\"\nsecret = \"123\"\n[retry]\nfirst = \"20ms\"\nmax = \"200ms\"\n"
        );
        std::fs::write(folder.path().join("agent.toml"), text).unwrap();
        Agent {
            program: program.into(),
            folder,
            child: None,
            url: String::new(),
            http: reqwest::blocking::Client::new(),
        }
    }

    /// The same, started.
    #[must_use]
    pub fn started(program: &str, platform: &str, more: &str) -> Agent {
        let mut agent = Agent::new(program, platform, more);
        agent.start();
        agent
    }

    /// The path of its file.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.folder.path().join("agent.toml")
    }

    /// Starts (again).
    pub fn start(&mut self) {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.folder.path().join("log")).unwrap();
        self.start_logging_to(log);
    }

    /// The same, with its stderr going here.
    pub fn start_logging_to(&mut self, stderr: impl Into<Stdio>) {
        let mut child = Command::new(&self.program)
            .args(["agent", "run", "--config"])
            .arg(self.config())
            .stdout(Stdio::piped())
            .stderr(stderr)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let url = lines.find_map(|line| line.unwrap().strip_prefix("listening on ").map(str::to_owned));
        self.child = Some(child);
        self.url =
            url.unwrap_or_else(|| panic!("{}", std::fs::read_to_string(self.folder.path().join("log")).unwrap()));
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// The process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    /// Waits until it ends by itself; its exit code.
    pub fn ended(&mut self) -> Option<i32> {
        self.child.take().and_then(ended)
    }

    /// SIGTERM; the exit code.
    pub fn stop(&mut self) -> Option<i32> {
        let mut child = self.child.take()?;
        Command::new("kill").arg(child.id().to_string()).status().unwrap();
        child.wait().unwrap().code()
    }

    /// `parkgate agent ARGS --config FILE`: exit code, stdout, stderr.
    #[must_use]
    pub fn run(&self, args: &[&str]) -> (i32, String, String) {
        let config = self.config();
        let output = parkgate(&self.program, &[&["agent"], args, &["--config", config.to_str().unwrap()]].concat());
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    }

    /// The same with `--json`; it must succeed.
    #[must_use]
    pub fn json(&self, args: &[&str]) -> Value {
        let (code, text, error) = self.run(&[args, &["--json"]].concat());
        assert_eq!(code, 0, "{error}");
        serde_json::from_str(&text).unwrap()
    }

    /// Posts a record; the status and the answer.
    #[must_use]
    pub fn give(&self, call: &str, record: &Value) -> (u16, Value) {
        let sent = self
            .http
            .post(format!("{}/{call}", self.url))
            .header("content-type", "application/json")
            .body(record.to_string())
            .send()
            .unwrap();
        (sent.status().as_u16(), serde_json::from_str(&sent.text().unwrap()).unwrap())
    }

    /// Everything it has logged so far.
    #[must_use]
    pub fn log(&self) -> String {
        while self.child.is_some() && is_writing(|| self.http.get(format!("{}/metrics", self.url)).send()) {}
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Is nothing waiting to be sent?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.json(&["status"])["queued"] == 0
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.kill();
    }
}

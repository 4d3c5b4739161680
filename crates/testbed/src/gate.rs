//! A running `parkgate serve`, and its command line.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::authority::Authority;
use crate::push::{MultipartBody, NamedValues, body, signed};

/// If a test waits longer for a program to end, it does not end.
const END_MAX: Duration = Duration::from_secs(180);

/// Waits until a program ends by itself; its exit code.
pub(crate) fn ended(mut child: Child) -> Option<i32> {
    let until = Instant::now() + END_MAX;
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > until {
            child.kill().unwrap();
            panic!("it did not end");
        }
        std::thread::yield_now();
    }
    child.wait().unwrap().code()
}

/// The program under test, on a data folder of its own.
pub struct TestGate {
    program: PathBuf,
    folder: Option<TempDir>,
    data: PathBuf,
    child: Option<Child>,
    /// `http://127.0.0.1:PORT`
    pub url: String,
    /// The same of the admin address: `/metrics`, and `/readyz` in detail.
    pub admin_url: String,
    http: reqwest::blocking::Client,
    /// Further flags of `serve`.
    pub flags: Vec<String>,
    /// Its environment variables.
    pub variables: Vec<(String, String)>,
}

/// Runs the command line once, as on a terminal of 80 columns.
#[must_use]
pub fn parkgate(program: &Path, args: &[&str]) -> Output {
    parkgate_with(program, args, &[])
}

/// The same with variables.
#[must_use]
pub fn parkgate_with(program: &Path, args: &[&str], variables: &[(String, String)]) -> Output {
    let mut command = Command::new(program);
    command.args(args).env_remove("PARKGATE_DATA").env("COLUMNS", "80").envs(variables.iter().cloned());
    command.output().unwrap()
}

impl TestGate {
    /// Starts with the document's park (secret `123`).
    #[must_use]
    pub fn demo(program: &str) -> TestGate {
        TestGate::with(program, &["--demo"])
    }

    /// Starts with these flags.
    #[must_use]
    pub fn with(program: &str, flags: &[&str]) -> TestGate {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let mut gate = TestGate::at(program, &data, flags);
        gate.folder = Some(folder);
        gate
    }

    /// Starts with these flags and variables.
    #[must_use]
    pub fn with_variables(program: &str, flags: &[&str], variables: &[(&str, &str)]) -> TestGate {
        let folder = tempfile::tempdir().unwrap();
        let mut gate = TestGate::stopped(program, &folder.path().join("data"), flags);
        gate.folder = Some(folder);
        gate.variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        gate.start();
        gate
    }

    /// Starts on a given data folder.
    #[must_use]
    pub fn at(program: &str, data: &Path, flags: &[&str]) -> TestGate {
        let mut gate = TestGate::stopped(program, data, flags);
        gate.start();
        gate
    }

    /// The same, but not started yet.
    #[must_use]
    pub fn stopped(program: &str, data: &Path, flags: &[&str]) -> TestGate {
        TestGate {
            program: program.into(),
            folder: None,
            data: data.to_owned(),
            child: None,
            url: String::new(),
            admin_url: String::new(),
            http: reqwest::blocking::Client::builder().timeout(std::time::Duration::from_secs(60)).build().unwrap(),
            flags: flags.iter().map(|flag| (*flag).to_owned()).collect(),
            variables: Vec::new(),
        }
    }

    /// Sets variables for the next start and for commands.
    pub fn set_variables(&mut self, variables: &[(String, String)]) {
        self.variables = variables.to_vec();
    }

    /// Speaks to it over TLS, trusting this authority only.
    pub fn trust(&mut self, authority: &Authority) {
        let certificate = reqwest::Certificate::from_pem(&std::fs::read(authority.file()).unwrap()).unwrap();
        let http = reqwest::blocking::Client::builder().timeout(std::time::Duration::from_secs(60));
        self.http = http.tls_certs_only([certificate]).build().unwrap();
    }

    /// Starts (again), on a free port.
    pub fn start(&mut self) {
        let mut log = std::fs::OpenOptions::new();
        log.create(true).append(true);
        let log_path = self.data.with_extension("log");
        std::fs::create_dir_all(log_path.parent().unwrap()).unwrap();
        self.start_logging_to(log.open(&log_path).unwrap());
    }

    /// The same, with its stderr going here.
    pub fn start_logging_to(&mut self, stderr: impl Into<Stdio>) {
        let log_path = self.data.with_extension("log");
        let mut child = Command::new(&self.program)
            .args(["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--data"])
            .arg(&self.data)
            .args(&self.flags)
            .envs(self.variables.iter().cloned())
            .stdout(Stdio::piped())
            .stderr(stderr)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut after = |start: &str| lines.find_map(|line| line.unwrap().strip_prefix(start).map(str::to_owned));
        let (Some(admin_url), Some(url)) = (after("admin on "), after("listening on ")) else {
            panic!("the gate did not start:\n{}", std::fs::read_to_string(&log_path).unwrap_or_default());
        };
        std::thread::spawn(move || lines.for_each(drop));
        (self.admin_url, self.url) = (admin_url, url);
        self.child = Some(child);
    }

    /// The data folder.
    #[must_use]
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// Everything it has logged so far.
    #[must_use]
    pub fn log(&self) -> String {
        while self.child.is_some() && is_writing(|| self.http.get(format!("{}/metrics", self.admin_url)).send()) {}
        std::fs::read_to_string(self.data.with_extension("log")).unwrap_or_default()
    }

    /// How many pictures are below this part of the data folder, including those being received.
    #[must_use]
    pub fn pictures_below(&self, part: &str) -> usize {
        fn count(folder: &Path) -> usize {
            let paths = std::fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path());
            // Not the stores' markers in `.stores`, nor locks.
            let paths =
                paths.filter(|path| !path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.')));
            paths.map(|path| if path.is_dir() { count(&path) } else { usize::from(path.extension().is_none()) }).sum()
        }
        count(&self.data.join(part))
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

    /// `kill -9`.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Sends a signal by its name.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.pid().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// SIGTERM; the exit code.
    pub fn stop(&mut self) -> Option<i32> {
        let mut child = self.child.take()?;
        Command::new("kill").arg(child.id().to_string()).status().unwrap();
        child.wait().unwrap().code()
    }

    /// `parkgate ARGS --data DIR`.
    #[must_use]
    pub fn run(&self, args: &[&str]) -> Output {
        let mut all: Vec<&str> = args.to_vec();
        let data = self.data.to_str().unwrap();
        all.extend(["--data", data]);
        parkgate_with(&self.program, &all, &self.variables)
    }

    /// The same; it must succeed.
    pub fn ok(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// The same with `--json`.
    pub fn json(&self, args: &[&str]) -> Value {
        let mut all = args.to_vec();
        all.push("--json");
        serde_json::from_str(&self.ok(&all)).unwrap()
    }

    /// `visit show` of the document's park.
    pub fn visit(&self, serial: &str) -> Value {
        self.json(&["visit", "show", crate::DEMO_PARK, serial])
    }

    /// Posts a form unchanged; HTTP status and reply.
    pub fn post(&self, call: &str, content_type: &str, body: Vec<u8>) -> (u16, Value) {
        let url = format!("{}/gate/1.0/parking/internal/{call}", self.url);
        let reply = self.http.post(url).header("content-type", content_type).body(body).send().unwrap();
        let status = reply.status().as_u16();
        let text = reply.text().unwrap();
        (status, serde_json::from_str(&text).unwrap_or_else(|_| panic!("no JSON: {text}")))
    }

    /// All its metrics, as Prometheus reads them.
    #[must_use]
    pub fn metrics(&self) -> String {
        self.http.get(format!("{}/metrics", self.admin_url)).send().unwrap().text().unwrap()
    }

    /// Is it ready, and what did it find?
    #[must_use]
    pub fn readiness(&self) -> (bool, Value) {
        let reply = self.http.get(format!("{}/readyz", self.admin_url)).send().unwrap();
        (reply.status() == 200, serde_json::from_str(&reply.text().unwrap()).unwrap())
    }

    /// Signs with `123` and posts urlencoded.
    pub fn push(&self, call: &str, pairs: NamedValues) -> (u16, Value) {
        let form = body(&signed(pairs, "123"));
        self.post(call, "application/x-www-form-urlencoded", form.into_bytes())
    }

    /// Pushes; it must be accepted without a hint. Returns its seqno.
    pub fn taken(&self, call: &str, pairs: NamedValues) -> String {
        let (status, reply) = self.push(call, pairs);
        assert_eq!((status, &reply["message"], &reply["hint"]), (200, &Value::from("OK"), &Value::Null), "{reply}");
        reply["seqno"].as_str().unwrap().to_owned()
    }

    /// Signs with `123` and posts as multipart with files.
    pub fn push_files(&self, call: &str, pairs: NamedValues, files: &[(&str, &[u8])]) -> (u16, Value) {
        let form =
            files.iter().fold(MultipartBody::of(&signed(pairs, "123")), |form, (name, bytes)| form.file(name, bytes));
        self.post(call, &MultipartBody::content_type(), form.end())
    }
}

/// Are log lines still waiting to be written? The thread that writes them is not the one that answers.
pub(crate) fn is_writing(figures: impl FnOnce() -> reqwest::Result<reqwest::blocking::Response>) -> bool {
    let figures = figures().and_then(reqwest::blocking::Response::text).unwrap_or_default();
    let waiting = figures.lines().find(|line| !line.starts_with('#') && line.contains("_log_lines_waiting "));
    waiting.is_some_and(|line| !line.ends_with(" 0"))
}

impl Drop for TestGate {
    fn drop(&mut self) {
        self.kill();
    }
}

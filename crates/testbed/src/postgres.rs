//! A private PostgreSQL cluster: made in a temporary folder, reached by a socket in it, stopped when dropped.
//!
//! A process has one cluster, shared by its tests, each with a database of its own. `initdb` runs once for a build
//! folder, and its result is copied: a cluster then costs a fraction of a second.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::Authority;

const PROGRAMS: [&str; 3] = ["/usr/lib/postgresql/15/bin", "/usr/lib/postgresql/16/bin", "/usr/lib/postgresql/17/bin"];
const START_MAX: Duration = Duration::from_secs(60);

/// A running cluster.
pub struct Postgres {
    folder: TempDir,
    port: u16,
    settings: Mutex<Vec<String>>,
    running: Mutex<Option<RunningPostgres>>,
    databases: AtomicU32,
}

/// The server ends when `held` is dropped, or with this process, however that ends.
struct RunningPostgres {
    pid: u32,
    held: Sender<()>,
    ended: std::thread::JoinHandle<()>,
}

static SHARED: Mutex<Weak<Postgres>> = Mutex::new(Weak::new());

impl Postgres {
    /// The cluster of this process; it loses its data if the machine stops.
    #[must_use]
    pub fn shared() -> Arc<Postgres> {
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        shared.upgrade().unwrap_or_else(|| {
            let started = Arc::new(Postgres::start(&["fsync=off", "synchronous_commit=off", "full_page_writes=off"]));
            *shared = Arc::downgrade(&started);
            started
        })
    }

    /// Starts one with these settings.
    #[must_use]
    pub fn start(settings: &[&str]) -> Postgres {
        let cluster = Postgres::prepared(settings);
        cluster.copy_from(&template());
        cluster.run();
        cluster
    }

    /// A folder for a new cluster.
    fn prepared(settings: &[&str]) -> Postgres {
        let folder = tempfile::Builder::new().prefix("parkgate-postgres").tempdir().unwrap();
        give_to_postgres(folder.path());
        Postgres {
            folder,
            port: 5432,
            settings: Mutex::new(settings.iter().map(|setting| (*setting).to_owned()).collect()),
            running: Mutex::default(),
            databases: AtomicU32::new(0),
        }
    }

    fn copy_from(&self, template: &Path) {
        let copied = Command::new("cp").arg("-a").arg(template).arg(self.data()).status().unwrap();
        assert!(copied.success(), "{} could not be copied", template.display());
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Starts the server (again) and waits until it answers.
    pub fn run(&self) {
        let begun = Instant::now();
        while !self.starts(begun) {}
    }

    /// False if a killed server's remains are still held by processes of its that have not ended yet.
    fn starts(&self, begun: Instant) -> bool {
        let mut command = as_postgres("postgres");
        command.arg("-D").arg(self.data()).arg("-k").arg(self.folder.path());
        for setting in ["listen_addresses=", "max_connections=60", "shared_buffers=64MB", "log_min_messages=fatal"] {
            command.args(["-c", setting]);
        }
        for setting in &*self.settings.lock().unwrap() {
            command.args(["-c", setting]);
        }
        let log = std::fs::File::create(self.folder.path().join("log")).unwrap();
        command.stdout(log.try_clone().unwrap()).stderr(log).stdin(Stdio::null());
        let ((started, starts), (held, holds)) = (channel(), channel::<()>());
        // A thread of its own: the server ends with the thread that started it.
        let ended = std::thread::spawn(move || {
            let child = command.spawn().unwrap();
            started.send(child.id()).unwrap();
            // Nothing is ever sent: this waits for the end.
            holds.recv().unwrap_err();
            end(child);
        });
        let pid = starts.recv().unwrap();
        *self.running.lock().unwrap() = Some(RunningPostgres { pid, held, ended });
        while !self.program("pg_isready").arg("-q").status().unwrap().success() {
            let log = std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            assert!(begun.elapsed() < START_MAX, "PostgreSQL did not start: {log}");
            std::thread::sleep(Duration::from_millis(20));
            if log.contains("is still in use") {
                let RunningPostgres { held, ended, .. } = self.running.lock().unwrap().take().unwrap();
                drop(held);
                ended.join().unwrap();
                return false;
            }
        }
        true
    }

    /// Starts one that is also reached by TCP, with TLS only, and a certificate for `localhost`.
    #[must_use]
    pub fn with_tls(authority: &Authority) -> Postgres {
        let mut cluster = Postgres::prepared(&["fsync=off"]);
        cluster.copy_from(&template());
        let (certificate, key) = authority.certificate(&cluster.data(), "localhost");
        for file in [&certificate, &key] {
            give_to_postgres(file);
        }
        let rules = "local all all trust\nhostssl all all 127.0.0.1/32 trust\nhostssl all all ::1/128 trust\n";
        std::fs::write(cluster.data().join("pg_hba.conf"), rules).unwrap();
        cluster.port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let files = [format!("ssl_cert_file={}", certificate.display()), format!("ssl_key_file={}", key.display())];
        let more = ["ssl=on".to_owned(), "listen_addresses=localhost".to_owned(), format!("port={}", cluster.port)];
        cluster.settings.lock().unwrap().extend(files.into_iter().chain(more));
        cluster.run();
        cluster
    }

    /// A database's URL by TCP, for a cluster with TLS.
    #[must_use]
    pub fn url_by_tcp(&self, host: &str, database: &str) -> String {
        let name = database.rsplit('/').next().unwrap_or(database);
        format!("postgres://postgres@{host}:{}/{name}", self.port)
    }

    /// A running standby that follows this one by streaming replication.
    #[must_use]
    pub fn standby(&self) -> Postgres {
        let standby = Postgres::prepared(&[]);
        let mut copy = as_postgres("pg_basebackup");
        copy.args(["--checkpoint=fast", "--wal-method=stream", "--write-recovery-conf", "--no-sync", "-U", "postgres"]);
        copy.arg("-h").arg(self.folder.path()).arg("-D").arg(standby.data());
        let output = copy.output().unwrap();
        assert!(output.status.success(), "pg_basebackup: {}", String::from_utf8_lossy(&output.stderr));
        standby.run();
        standby
    }

    /// Makes a standby the primary.
    pub fn promote(&self) {
        assert_eq!(self.sql("postgres", "SELECT pg_promote(true, 60)"), "t");
    }

    /// One URL for a database of this cluster or, once that is the primary, of the other.
    #[must_use]
    pub fn url_with(&self, other: &Postgres, database: &str) -> String {
        let folder = |cluster: &Postgres| cluster.folder.path().display().to_string().replace('/', "%2F");
        let name = database.rsplit('/').next().unwrap_or(database);
        format!("postgres://postgres@{},{}/{name}", folder(self), folder(other))
    }

    /// Restarts the server with one more setting.
    pub fn run_with(&self, setting: &str) {
        self.crash();
        self.settings.lock().unwrap().push(setting.to_owned());
        self.run();
    }

    /// Stops the server at once, like a crash: unwritten data is lost, and it recovers at the next start.
    pub fn crash(&self) {
        self.go_on();
        let running = self.running.lock().unwrap().take();
        if let Some(running) = running {
            signal(running.pid, "QUIT");
            drop(running.held);
            running.ended.join().unwrap();
        }
    }

    /// `kill -9` of the server and all its processes at once: no warning, no clean-up.
    pub fn kill(&self) {
        let running = self.running.lock().unwrap().take();
        if let Some(running) = running {
            // Stopped first, so that it starts no process between the listing and the kill.
            signal(running.pid, "STOP");
            signal_all(running.pid, "KILL");
            drop(running.held);
            running.ended.join().unwrap();
        }
    }

    /// Stops the server and all its processes: connections are accepted and nothing is answered, until it is continued
    /// or ended.
    pub fn hang(&self) {
        if let Some(running) = &*self.running.lock().unwrap() {
            signal(running.pid, "STOP");
            signal_all(running.pid, "STOP");
        }
    }

    /// Continues a stopped server.
    pub fn go_on(&self) {
        if let Some(running) = &*self.running.lock().unwrap() {
            signal_all(running.pid, "CONT");
        }
    }

    /// The URL of a new, empty database.
    #[must_use]
    pub fn database(&self) -> String {
        let name = format!("gate{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.sql("postgres", &format!("CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'"));
        self.url(&name)
    }

    /// The URL of a database.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        let folder = self.folder.path().display().to_string().replace('/', "%2F");
        format!("postgres://postgres@{folder}/{database}")
    }

    /// Everything it has logged since its last start.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Runs SQL; a line for each row, columns separated by `|`. `database` may be a URL.
    pub fn sql(&self, database: &str, sql: &str) -> String {
        let name = database.rsplit('/').next().unwrap_or(database);
        let mut psql = self.program("psql");
        psql.args(["-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-d", name, "-c", sql]);
        let output = psql.output().unwrap();
        assert!(output.status.success(), "{sql}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    fn program(&self, name: &str) -> Command {
        let mut command = Command::new(programs().join(name));
        command.arg("-h").arg(self.folder.path()).args(["-U", "postgres", "-p", &self.port.to_string()]);
        command
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.crash();
    }
}

/// Ends a program that was started here.
fn end(mut child: Child) {
    if child.try_wait().unwrap().is_none() {
        signal(child.id(), "QUIT");
    }
    child.wait().unwrap();
}

fn signal(pid: u32, name: &str) {
    drop(Command::new("kill").args([&format!("-{name}"), &pid.to_string()]).stderr(Stdio::null()).status());
}

/// Signals a process and those it started.
fn signal_all(parent: u32, name: &str) {
    let listed = Command::new("pgrep").args(["-P", &parent.to_string()]).output().unwrap();
    let children = String::from_utf8(listed.stdout).unwrap();
    let mut kill = Command::new("kill");
    kill.arg(format!("-{name}")).args(children.split_whitespace()).arg(parent.to_string());
    drop(kill.stderr(Stdio::null()).status());
}

fn programs() -> &'static Path {
    let found = PROGRAMS.iter().map(Path::new).find(|folder| folder.join("postgres").exists());
    found.expect("PostgreSQL is missing: run ./test, or apt-get install postgresql-15")
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().unwrap().stdout == b"0\n"
}

fn give_to_postgres(folder: &Path) {
    if is_root() {
        assert!(Command::new("chown").arg("postgres").arg(folder).status().unwrap().success());
    }
}

/// PostgreSQL does not run as root. It ends when the thread that started it does.
fn as_postgres(name: &str) -> Command {
    let mut command = Command::new("setpriv");
    if is_root() {
        command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]);
    }
    command.args(["--pdeathsig", "QUIT", "--"]).arg(programs().join(name));
    command.current_dir("/");
    command
}

/// The result of `initdb` for this build folder, made now if it does not exist.
fn template() -> PathBuf {
    let program = std::env::current_exe().unwrap();
    let build = program.ancestors().nth(2).unwrap_or(Path::new("/tmp"));
    let template = build.join("postgres-template");
    if !template.is_dir() {
        let made = Postgres::prepared(&[]);
        let mut initdb = as_postgres("initdb");
        initdb.args(["--no-sync", "--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "-D"]);
        let output = initdb.arg(made.data()).output().unwrap();
        assert!(output.status.success(), "initdb: {}", String::from_utf8_lossy(&output.stderr));
        let temporary = build.join(format!("postgres-template.{}", std::process::id()));
        let copied = Command::new("cp").arg("-a").arg(made.data()).arg(&temporary).status().unwrap();
        assert!(copied.success(), "{} could not be made", temporary.display());
        // Another process may have been faster.
        if std::fs::rename(&temporary, &template).is_err() {
            std::fs::remove_dir_all(&temporary).unwrap();
        }
    }
    template
}

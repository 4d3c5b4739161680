//! Programs as systemd runs them (`Type=notify` with a watchdog), and what a package is made of: completions, man pages.

use std::collections::BTreeSet;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use parkgate_testbed::{Agent, TestGate, parkgate};

use crate::PARKGATE;

/// What systemd would receive.
struct Notified {
    socket: UnixDatagram,
    path: PathBuf,
    _folder: tempfile::TempDir,
}

impl Notified {
    fn new() -> Notified {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        Notified { socket, path, _folder: folder }
    }

    fn variables(&self) -> Vec<(String, String)> {
        let socket = self.path.display().to_string();
        vec![("NOTIFY_SOCKET".into(), socket), ("WATCHDOG_USEC".into(), "100000".into())]
    }

    fn next(&self) -> String {
        let mut bytes = [0; 256];
        let length = self.socket.recv(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes[..length]).trim().to_owned()
    }

    /// Waits for this, with nothing before it but signs of life.
    fn wait_for(&self, wanted: &str) {
        loop {
            match self.next() {
                found if found == wanted => return,
                found => assert_eq!(found, "WATCHDOG=1", "waiting for {wanted}"),
            }
        }
    }
}

#[test]
fn a_gate_notifies_systemd() {
    let notified = Notified::new();
    let mut gate = TestGate::with_variables(PARKGATE, &["--demo"], &[]);
    gate.stop();
    gate.set_variables(&notified.variables());
    gate.start();
    assert_eq!(notified.next(), "READY=1");
    for _ in 0..3 {
        assert_eq!(notified.next(), "WATCHDOG=1");
    }
    gate.signal("TERM");
    notified.wait_for("STOPPING=1");
    assert_eq!(gate.ended(), Some(0));
}

#[test]
fn an_agent_notifies_systemd() {
    let notified = Notified::new();
    let agent = Agent::new(PARKGATE, "http://127.0.0.1:9", "");
    let mut running = Command::new(PARKGATE)
        .args(["agent", "run", "--config", agent.config().to_str().unwrap()])
        .envs(notified.variables())
        .stderr(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    assert_eq!(notified.next(), "READY=1");
    for _ in 0..3 {
        assert_eq!(notified.next(), "WATCHDOG=1");
    }
    Command::new("kill").arg(running.id().to_string()).status().unwrap();
    notified.wait_for("STOPPING=1");
    assert_eq!(running.wait().unwrap().code(), Some(0));
}

#[test]
fn without_systemd_nothing_is_missing() {
    let mut gate = TestGate::with_variables(PARKGATE, &["--demo"], &[("NOTIFY_SOCKET", "/nowhere/notify")]);
    assert!(gate.readiness().0);
    assert_eq!(gate.stop(), Some(0));
}

#[test]
fn completions_load() {
    let script = |shell: &str| {
        let output = parkgate(Path::new(PARKGATE), &["completions", shell]);
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap()
    };
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = script(shell);
        assert!(script.contains("quarantine") && script.contains("completions"), "{shell}");
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("parkgate");
    std::fs::write(&file, script("bash")).unwrap();
    // As bash asks for what may follow `parkgate pa`.
    let ask = format!(
        "source {}; complete -p parkgate >/dev/null && COMP_WORDS=(parkgate pa) COMP_CWORD=1 && _parkgate parkgate pa parkgate; \
         echo \"${{COMPREPLY[*]}}\"",
        file.display()
    );
    let output = Command::new("bash").args(["-c", &ask]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "park", "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(parkgate(Path::new(PARKGATE), &["completions", "cmd.exe"]).status.code(), Some(2));
}

#[test]
fn every_command_has_a_man_page() {
    let main = parkgate(Path::new(PARKGATE), &["man"]);
    let main = String::from_utf8(main.stdout).unwrap();
    assert!(main.contains(".TH") && main.contains("parkgate\\-park") || main.contains("parkgate-park"), "{main}");
    let folder = tempfile::tempdir().unwrap();
    let pages = folder.path().join("new/man1");
    for lang in ["zh", "en"] {
        let args = ["--lang", lang, "man", "--out", pages.to_str().unwrap()];
        let output = parkgate(Path::new(PARKGATE), &args);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let written: BTreeSet<String> =
        std::fs::read_dir(&pages).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    for name in ["parkgate.1", "parkgate-serve.1", "parkgate-park-add.1", "parkgate-agent-dead-list.1"] {
        assert!(written.contains(name), "{name}: {written:?}");
    }
    let page = std::fs::read_to_string(pages.join("parkgate-serve.1")).unwrap();
    assert!(page.contains("admin") && page.contains("parkgate serve \\-\\-demo"), "{page}");
}

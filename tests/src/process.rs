//! The real binary as a child process: `coretap simulate` and `coretap serve`, on ports of their own.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use serde::Deserialize;
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::http::{Answer, Opened, empty, open, post, send};

/// The local key that the tests give Coretap.
pub const KEY: &str = "sk-acceptance";

/// No single step of a test takes longer, however busy the machine is.
pub(crate) const LIMIT: Duration = Duration::from_secs(180);

/// Waits for `future`, and fails the test when it takes longer than three minutes.
pub async fn in_time<F: Future>(what: &str, future: F) -> F::Output {
    tokio::time::timeout(LIMIT, future)
        .await
        .unwrap_or_else(|_| panic!("{what} did not come within three minutes"))
}

/// The release binary: `$CORETAP_BINARY`, or `release/coretap` beside the folder of this test's own build.
pub fn binary() -> PathBuf {
    let binary = std::env::var_os("CORETAP_BINARY").map_or_else(
        || {
            std::env::current_exe()
                .unwrap()
                .ancestors()
                .nth(3)
                .unwrap()
                .join("release/coretap")
        },
        PathBuf::from,
    );
    assert!(
        binary.exists(),
        "no {}: run `cargo build --release -p coretap`",
        binary.display()
    );
    binary
}

/// A command of the binary with nothing in its environment but PATH, a home of its own and what is given.
pub fn command(home: &TempDir, arguments: &[&str], environment: &[(&str, &str)]) -> Command {
    let mut command = Command::new(binary());
    command
        .args(arguments)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", home.path())
        .env("CORETAP_HOME", home.path())
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// What a command that ended by itself left: exit code, stdout, stderr.
#[derive(Debug)]
pub struct Finished {
    /// The exit code.
    pub code: i32,
    /// Everything on stdout.
    pub stdout: String,
    /// Everything on stderr.
    pub stderr: String,
}

/// Runs a command of the binary to its end.
pub async fn run(arguments: &[&str], environment: &[(&str, &str)]) -> Finished {
    let home = tempfile::tempdir().unwrap();
    let output = in_time(
        "the command's end",
        command(&home, arguments, environment).output(),
    )
    .await
    .unwrap();
    Finished {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A command that keeps running.
struct Running {
    child: Child,
    stdout: Lines<BufReader<ChildStdout>>,
    stderr: watch::Receiver<String>,
    reading: JoinHandle<()>,
    home: TempDir,
}

impl Running {
    fn start(arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), arguments, environment)
    }

    fn start_in(home: TempDir, arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut child = command(&home, arguments, environment).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let (kept, stderr) = watch::channel(String::new());
        let reading = tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                kept.send_modify(|text| *text += &(line + "\n"));
            }
        });
        Self {
            child,
            stdout,
            stderr,
            reading,
            home,
        }
    }

    async fn line(&mut self) -> String {
        let line = in_time("a line on stdout", self.stdout.next_line())
            .await
            .unwrap();
        line.unwrap_or_else(|| panic!("ended without a line on stdout; stderr: {}", self.errors()))
    }

    fn errors(&self) -> String {
        self.stderr.borrow().clone()
    }
}

/// Sends a signal (`TERM`, `INT`) to a process.
pub async fn signal(pid: u32, name: &str) {
    let status = Command::new("kill")
        .arg(format!("-{name}"))
        .arg(pid.to_string())
        .status()
        .await
        .unwrap();
    assert!(status.success());
}

/// `coretap simulate`: the strict stand-in for SAP AI Core, and its control plane.
pub struct Simulator {
    running: Running,
    /// Where it listens.
    pub address: SocketAddr,
    /// The service key it printed.
    pub service_key: String,
}

/// One request as the simulator saw it.
#[derive(Debug, Deserialize)]
pub struct Seen {
    /// The HTTP method.
    pub method: String,
    /// The path, with its query.
    pub path: String,
    /// Which kind of request it is: `token`, `deployments`, `models`, `completion`, `invoke`, `invoke_stream`, `chat` …
    #[serde(default)]
    pub route: String,
    /// The status it was answered with.
    #[serde(default)]
    pub status: Option<u16>,
    /// Why the simulator refused it, if it did.
    #[serde(default)]
    pub refused: Option<String>,
    /// The body.
    #[serde(default)]
    pub body: Value,
    /// The messages that the model got, after templating; only orchestration has them.
    #[serde(default)]
    pub rendered: Value,
    /// Whether the client left before the answer's end.
    #[serde(default)]
    pub cancelled: bool,
}

impl Simulator {
    /// Starts one on a free port.
    pub async fn start() -> Self {
        let mut running = Running::start(&["simulate", "--port", "0"], &[]);
        let service_key = loop {
            let line = running.line().await;
            if line.starts_with('{') {
                break line;
            }
        };
        let key: Value = serde_json::from_str(&service_key).unwrap();
        let url = key["serviceurls"]["AI_API_URL"].as_str().unwrap();
        let address = url.strip_prefix("http://").unwrap().parse().unwrap();
        Self {
            running,
            address,
            service_key,
        }
    }

    /// Starts one that is a tenant of its own: it takes no other one's client id and secret.
    pub async fn of_tenant(name: &str) -> Self {
        let mut simulator = Self::start().await;
        simulator.settings(&serde_json::json!({ "tenant": name })).await;
        let key = send(simulator.address, empty("GET", "/__simulator/service-key")).await;
        simulator.service_key = key.json().to_string();
        simulator
    }

    /// What it was asked since it started or `forget`.
    pub async fn requests(&self) -> Vec<Seen> {
        let answer = send(self.address, empty("GET", "/__simulator/requests")).await;
        serde_json::from_value(answer.json()).unwrap()
    }

    /// Its inference requests: what an agent's request became.
    pub async fn inference(&self) -> Vec<Seen> {
        let is_answer =
            |seen: &Seen| seen.path.starts_with("/v2/inference/") && !seen.route.contains("embeddings");
        self.requests().await.into_iter().filter(is_answer).collect()
    }

    /// Waits until a client has left one of its answers.
    pub async fn cancelled(&self) {
        send(self.address, empty("GET", "/__simulator/requests?cancelled=1")).await;
        assert!(
            self.inference().await.iter().any(|seen| seen.cancelled),
            "no client has left"
        );
    }

    /// Forgets the requests seen.
    pub async fn forget(&self) {
        let answer = send(self.address, empty("DELETE", "/__simulator/requests")).await;
        assert!(answer.status < 300, "{answer:?}");
    }

    /// Asks for faults; an earlier list is forgotten.
    pub async fn faults(&self, faults: &Value) {
        let mut request = post("/__simulator/faults", faults);
        *request.method_mut() = http::Method::PUT;
        let answer = send(self.address, request).await;
        assert!(answer.status < 300, "{faults}: {answer:?}");
    }

    /// Asks for more faults, beside those that wait.
    pub async fn more_faults(&self, faults: &Value) {
        let answer = send(self.address, post("/__simulator/faults", faults)).await;
        assert!(answer.status < 300, "{faults}: {answer:?}");
    }

    /// Says how every stream goes on that a fault `hold` holds: `go_on`, `cut`, `clean_end`, `error_event`.
    pub async fn release(&self, how: &str) {
        let how = serde_json::json!({ "how": how });
        let answer = send(self.address, post("/__simulator/release", &how)).await;
        assert!(answer.status < 300, "{how}: {answer:?}");
    }

    /// How many requests of a route there were since it started, kept or not.
    pub async fn count(&self, route: &str) -> u64 {
        let answer = send(self.address, empty("GET", "/__simulator/counts")).await;
        answer.json()[route].as_u64().unwrap_or_default()
    }

    /// Changes how it answers: `chunking`, `event_delay_ms`, `token_lifetime_s` …
    pub async fn settings(&self, settings: &Value) {
        let answer = send(self.address, post("/__simulator/settings", settings)).await;
        assert!(answer.status < 300, "{settings}: {answer:?}");
    }

    /// The refusals so far, each with its request's path.
    pub async fn refusals(&self) -> Vec<String> {
        let requests = self.requests().await;
        requests
            .into_iter()
            .filter_map(|seen| Some(format!("{}: {}", seen.path, seen.refused?)))
            .collect()
    }

    /// Fails the test when the simulator refused anything, or was asked nothing.
    pub async fn refused_nothing(&self) {
        let refusals = self.refusals().await;
        assert!(refusals.is_empty(), "the simulator refused: {refusals:#?}");
        assert!(
            !self.inference().await.is_empty(),
            "no inference request reached the simulator"
        );
    }

    /// What it wrote to stderr.
    pub fn errors(&self) -> String {
        self.running.errors()
    }
}

/// The two ways to reach a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Every model through the orchestration deployment.
    Orchestration,
    /// Each model through its own deployment.
    Foundation,
}

impl Mode {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Orchestration, Self::Foundation];

    /// What `CORETAP_ORCHESTRATION` says.
    pub fn setting(self) -> &'static str {
        if self == Self::Orchestration {
            "true"
        } else {
            "false"
        }
    }
}

/// `coretap serve`, told where the simulator is.
pub struct Coretap {
    running: Running,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Coretap {
    /// Starts one on a free port, with the simulator's service key, the tests' local key and these variables.
    pub async fn start(simulator: &Simulator, mode: Mode, settings: &[(&str, &str)]) -> Self {
        let mut environment = vec![
            ("AICORE_SERVICE_KEY", simulator.service_key.as_str()),
            ("CORETAP_API_KEY", KEY),
            ("CORETAP_ORCHESTRATION", mode.setting()),
        ];
        environment.extend(settings);
        Self::serve(&["--port", "0"], &environment).await
    }

    /// Starts `coretap serve` with these arguments and nothing else in its environment.
    pub async fn serve(arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        Self::serve_in(tempfile::tempdir().unwrap(), arguments, environment).await
    }

    /// The same with a home that is there already.
    pub async fn serve_in(home: TempDir, arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut running = Running::start_in(home, &[&["serve"], arguments].concat(), environment);
        let line = running.line().await;
        let address = line.strip_prefix("listening on http://");
        let address = address.and_then(|address| address.parse().ok());
        let address =
            address.unwrap_or_else(|| panic!("not where it listens: {line:?}; {}", running.errors()));
        Self { running, address }
    }

    /// Sends a request with the local key.
    pub async fn send(&self, request: Request<Full<Bytes>>) -> Answer {
        send(self.address, with_key(request)).await
    }

    /// Sends a request with the local key and reads the answer's head.
    pub async fn open(&self, request: Request<Full<Bytes>>) -> Opened {
        open(self.address, with_key(request)).await
    }

    /// Posts JSON with the local key.
    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(post(path, body)).await
    }

    /// The process's id.
    pub fn pid(&self) -> u32 {
        self.running.child.id().unwrap()
    }

    /// What it wrote to stderr so far.
    pub fn errors(&self) -> String {
        self.running.errors()
    }

    /// Waits for a line on stderr that begins with `start`, and gives the rest of it.
    pub async fn error_line(&mut self, start: &str) -> String {
        let rest = |text: &str| {
            text.lines()
                .find_map(|line| line.strip_prefix(start))
                .map(str::to_owned)
        };
        let text = in_time(start, self.running.stderr.wait_for(|text| rest(text).is_some())).await;
        rest(&text.unwrap_or_else(|_| panic!("ended without {start:?}"))).unwrap()
    }

    /// The folder of its settings and data.
    pub fn home(&self) -> &std::path::Path {
        self.running.home.path()
    }

    /// Ends it as a power cut would, in the middle of everything, and gives what is left of its home.
    pub async fn kill(mut self) -> TempDir {
        signal(self.pid(), "KILL").await;
        in_time("the process's end", self.running.child.wait())
            .await
            .unwrap();
        self.running.home
    }

    /// Sends a signal, and gives the exit code and what else stood on stdout once it has ended.
    pub async fn stop(mut self, name: &str) -> Finished {
        signal(self.pid(), name).await;
        self.ended().await
    }

    /// Waits for its end.
    pub async fn ended(&mut self) -> Finished {
        let mut stdout = String::new();
        while let Some(line) = in_time("the end of stdout", self.running.stdout.next_line())
            .await
            .unwrap()
        {
            stdout.push_str(&line);
            stdout.push('\n');
        }
        let status: ExitStatus = in_time("the process's end", self.running.child.wait())
            .await
            .unwrap();
        in_time("the end of stderr", &mut self.running.reading)
            .await
            .unwrap();
        Finished {
            code: status.code().unwrap_or(-1),
            stdout,
            stderr: self.errors(),
        }
    }
}

fn with_key(mut request: Request<Full<Bytes>>) -> Request<Full<Bytes>> {
    request
        .headers_mut()
        .insert("authorization", format!("Bearer {KEY}").parse().unwrap());
    request
}

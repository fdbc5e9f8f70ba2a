//! A real agent in a whole turn with tools: it reads a file, then runs a command, then tells what came of both.
//!
//! The agent has a home and a folder of its own and nothing else in its environment. The simulator's model asks for one
//! tool after the other and at last repeats what came back as results of tools; a result that reached it in another form is missing there.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::json;
use tempfile::TempDir;
use tokio::process::Command;

use crate::desktop::processes::end_all_of_home;
use crate::folders::installed;
use crate::process::{Coretap, Mode, Simulator, in_time};

/// Where nobody listens: an agent that asks anybody but Coretap fails at once, on every machine.
const NOWHERE: &str = "http://127.0.0.1:1";

/// The program that `./dev` installed for an agent, `part` of the folder for npm's packages; nothing, and a line that says SKIPPED, where it could not.
pub fn program(agent: &str, part: &str) -> Option<PathBuf> {
    installed(agent, &format!("npm/{part}"))
}

/// One agent, one question, one Coretap in front of one simulator.
pub struct Turn {
    /// What the agent talks to.
    pub coretap: Coretap,
    simulator: Simulator,
    mode: Mode,
    home: TempDir,
    project: PathBuf,
    /// What stands in the file.
    fact: String,
    /// What the command prints; it does not stand in the command.
    printed: String,
}

impl Turn {
    /// Starts everything but the agent. `model` answers whoever asks for one that SAP AI Core has not.
    pub async fn prepare(mode: Mode, model: &str, chunking: &str) -> Self {
        let simulator = Simulator::start().await;
        simulator
            .settings(&json!({"chunking": chunking, "seed": 11}))
            .await;
        let coretap = Coretap::start(
            &simulator,
            mode,
            &[
                ("CORETAP_MODEL", model),
                ("AICORE_RESOURCE_GROUP", group_of(model)),
            ],
        )
        .await;
        let home = tempfile::tempdir().unwrap();
        // The system's folder for temporary files may be a link, and agents name files by their real path.
        let project = home.path().canonicalize().unwrap().join("project");
        std::fs::create_dir(&project).unwrap();
        std::fs::create_dir(home.path().join("tmp")).unwrap();
        let fact = format!("the plum weighs {} grams – früh 🙂", fastrand::u32(..));
        std::fs::write(project.join("plum.txt"), format!("{fact}\n")).unwrap();
        Self {
            coretap,
            simulator,
            mode,
            home,
            project,
            fact,
            printed: fastrand::u32(100_000..1_000_000).to_string(),
        }
    }

    /// What the agent is asked.
    pub fn prompt(&self) -> String {
        format!(
            "Read the file {} and tell me what it says. Then run `{}`.",
            self.file().display(),
            self.command()
        )
    }

    /// The file that the agent is asked to read.
    pub fn file(&self) -> PathBuf {
        self.project.join("plum.txt")
    }

    /// The command that the agent is asked to run.
    pub fn command(&self) -> String {
        let (head, tail) = self.printed.split_at(3);
        format!("printf %s%s {head} {tail}")
    }

    /// The address under which the agent finds Coretap, with `path` behind it.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.coretap.address)
    }

    /// Writes a file into the agent's home.
    pub fn write(&self, path: &str, text: &str) {
        let file = self.home.path().join(path);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    }

    /// The agent, in its folder and in an environment that holds nothing of whoever runs the tests.
    pub fn agent(&self, program: &Path) -> Command {
        let mut agent = Command::new(program);
        agent
            .current_dir(&self.project)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", self.home.path())
            .env("TMPDIR", self.home.path().join("tmp"))
            .env("HTTPS_PROXY", NOWHERE)
            .env("NO_PROXY", "127.0.0.1")
            .stdin(Stdio::null())
            .kill_on_drop(true);
        agent
    }

    /// What stands in a file of the agent's folder, after its end.
    pub fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.project.join(path)).unwrap()
    }

    /// Runs the agent to its end and checks everything: it succeeds and shows both results, the model was asked at least
    /// three times, nobody refused anything, and Coretap left out nothing but what is in `dropped`. Gives the agent's stdout.
    pub async fn finish(&self, mut agent: Command, dropped: &[&str]) -> String {
        let output = in_time("the agent's end", agent.output()).await.unwrap();
        let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
        let log = self.coretap.errors();
        let refusals = self.simulator.refusals().await;
        let context = format!(
            "{:?} {:?}\nstdout: {stdout}\nstderr: {}\ncoretap: {log}\nrefused: {refusals:#?}",
            self.mode,
            agent.as_std().get_args(),
            String::from_utf8_lossy(&output.stderr),
        );
        assert!(output.status.success(), "{} {context}", output.status);
        assert!(stdout.contains(&self.fact), "the file is missing: {context}");
        assert!(
            stdout.contains(&self.printed),
            "the command is missing: {context}"
        );
        assert!(refusals.is_empty(), "{context}");
        let asked = self.simulator.inference().await;
        assert!(
            asked.len() >= 3 && asked.iter().all(|request| request.status == Some(200)),
            "{asked:#?} {context}"
        );

        let mut left_out = BTreeSet::new();
        for line in log
            .lines()
            .filter_map(|line| line.split_once(" coretap::request: "))
        {
            // Whoever tries WebSockets first is told that there are none.
            if !line.1.starts_with("GET /v1/responses 426 ") {
                assert_eq!(line.1.split(' ').nth(2), Some("200"), "{context}");
            }
            if let Some((_, names)) = line.1.split_once(" dropped=") {
                left_out.extend(serde_json::from_str::<Vec<String>>(names).unwrap());
            }
        }
        assert!(
            left_out.iter().all(|name| dropped.contains(&name.as_str())),
            "left out: {left_out:?}, but only {dropped:?} may be {context}"
        );
        assert!(!log.contains(&self.fact), "a prompt stands in the log: {context}");
        stdout
    }
}

impl Drop for Turn {
    /// Cline leaves a process behind, which would outlive the test.
    fn drop(&mut self) {
        end_all_of_home(self.home.path());
    }
}

/// The resource group of the simulator that runs a deployment of this model.
pub fn group_of(model: &str) -> &'static str {
    if model.starts_with("gemini") {
        "hub"
    } else {
        "default"
    }
}

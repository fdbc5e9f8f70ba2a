//! One private desktop: folders, X server, session bus.

use std::ffi::OsStr;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use zbus::Connection;
use zbus::fdo::DBusProxy;

use crate::desktop::{processes, until};
use crate::folders::skipped;
use crate::process::in_time;

/// What a desktop test can't do without, and Debian's package of it.
const PROGRAMS: &[(&str, &str)] = &[
    ("Xvfb", "xvfb"),
    ("dbus-daemon", "dbus"),
    ("gnome-keyring-daemon", "gnome-keyring"),
    ("secret-tool", "libsecret-tools"),
    ("openbox", "openbox"),
    ("xdotool", "xdotool"),
    ("xprop", "x11-utils"),
    ("xclip", "xclip"),
    ("import", "imagemagick"),
    ("WebKitWebDriver", "webkit2gtk-driver"),
];

/// A bus that starts nothing by itself: there is only what a test starts.
const NO_SERVICES: &str = r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN" "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:tmpdir=/tmp</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
"#;

/// Whether the bus starts services that programs ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Services {
    /// It knows none: a keychain is there when the test has started one, and not otherwise.
    None,
    /// It knows those of the system, as on a real desktop.
    System,
}

/// One private desktop. Dropping it ends everything that was started in it.
pub struct Session {
    suite: String,
    folder: TempDir,
    /// The X server's display, like `:7`.
    pub display: String,
    /// The session bus's address.
    pub bus: String,
    children: Vec<Child>,
}

impl Session {
    /// Starts a desktop with a window manager and an empty bus. `None`, and a visible line, where it can't be.
    pub async fn start(suite: &str) -> Option<Self> {
        Self::start_with(suite, Services::None, true).await
    }

    /// Starts a desktop. `None`, and a visible line, where a program or the app is missing.
    pub async fn start_with(suite: &str, services: Services, window_manager: bool) -> Option<Self> {
        let missing = PROGRAMS
            .iter()
            .find(|(program, _)| find_program(program).is_none());
        if let Some((program, package)) = missing {
            skipped(suite, &format!("no {program}; apt-get install {package}"));
            return None;
        }
        if !app().exists() {
            let why = format!(
                "no {}; `./dev test` builds it where libwebkit2gtk-4.1-dev is installed",
                app().display()
            );
            skipped(suite, &why);
            return None;
        }
        let mut session = Self {
            suite: suite.to_owned(),
            folder: tempfile::Builder::new()
                .prefix("coretap-desktop")
                .tempdir()
                .unwrap(),
            display: String::new(),
            bus: String::new(),
            children: Vec::new(),
        };
        for (name, path) in session.folders() {
            std::fs::create_dir_all(&path).unwrap();
            if name == "XDG_RUNTIME_DIR" {
                std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).unwrap();
            }
        }
        session.display = session.start_x_server().await;
        session.bus = session.start_bus("bus", services).await;
        if window_manager {
            session.start_window_manager().await;
        }
        Some(session)
    }

    /// Starts an X server, and gives the name of its display. The number is drawn by lot: servers that look for the
    /// next free one at the same time take it away from each other.
    async fn start_x_server(&mut self) -> String {
        loop {
            let display = format!(":{}", fastrand::u16(100..30_000));
            let mut command = self.command("Xvfb");
            command.args([&display, "-displayfd", "1", "-nolisten", "tcp"]);
            // Without this it begins anew whenever its last client leaves, under the feet of the one that comes.
            command.arg("-noreset");
            command.args(["-screen", "0", "1280x960x24"]);
            if self.start_and_read(command).await.is_some() {
                return display;
            }
        }
    }

    /// Starts one more session bus, and gives its address. What is started on it has this session's folders.
    pub async fn start_bus(&mut self, name: &str, services: Services) -> String {
        let socket = self.runtime().join(name);
        let mut command = self.command("dbus-daemon");
        if services == Services::None {
            let configuration = self.folder.path().join(format!("{name}.conf"));
            std::fs::write(&configuration, NO_SERVICES).unwrap();
            command.arg(format!("--config-file={}", configuration.display()));
        } else {
            command.arg("--session");
        }
        command.args(["--nofork", "--print-address"]);
        command.arg(format!("--address=unix:path={}", socket.display()));
        self.start_and_read(command).await.expect("the bus's address")
    }

    async fn start_window_manager(&mut self) {
        let command = self.command("openbox");
        self.spawn(command);
        until("the window manager", async || {
            let root = self.output("xprop", &["-root", "_NET_SUPPORTING_WM_CHECK"]).await;
            root.contains("window id").then_some(())
        })
        .await;
    }

    /// Starts a program that tells its first line when it is ready, and gives that line; `None` when it ends
    /// before.
    async fn start_and_read(&mut self, mut command: Command) -> Option<String> {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = in_time("a program's first line", lines.next_line())
            .await
            .unwrap();
        self.keep(child);
        line
    }

    /// Starts a program that ends with the session, and gives its process id.
    pub fn spawn(&mut self, mut command: Command) -> u32 {
        let child = command.spawn().unwrap();
        let pid = child.id().unwrap();
        self.keep(child);
        pid
    }

    /// Lets a program that runs already end with the session.
    pub fn keep(&mut self, child: Child) {
        self.children.push(child);
    }

    /// A program with this desktop's environment and nothing of the test's own but PATH.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let log = self.log(Path::new(program.as_ref()).file_name().unwrap());
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .envs(self.folders())
            .envs([
                ("LANG", "C.UTF-8"),
                ("GDK_BACKEND", "x11"),
                ("LIBGL_ALWAYS_SOFTWARE", "1"),
                ("NO_AT_BRIDGE", "1"),
                ("GTK_A11Y", "none"),
                // Settings and files of a desktop would be asked of services that only a real one has.
                ("GSETTINGS_BACKEND", "memory"),
                ("GIO_USE_VFS", "local"),
            ])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true);
        if !self.display.is_empty() {
            command.env("DISPLAY", &self.display);
        }
        if !self.bus.is_empty() {
            command.env("DBUS_SESSION_BUS_ADDRESS", &self.bus);
        }
        command
    }

    /// The app, with this desktop's environment.
    pub fn app(&self, arguments: &[&str]) -> Command {
        let mut command = self.command(app());
        command.args(arguments);
        command
    }

    /// Starts the app, which ends with the session, and gives its process id.
    pub fn start_app(&mut self, arguments: &[&str]) -> u32 {
        self.spawn(self.app(arguments))
    }

    /// Waits for the end of a process that the session started, and gives its exit code.
    pub async fn ended(&mut self, pid: u32) -> i32 {
        let place = self.children.iter().position(|child| child.id() == Some(pid));
        let mut child = self.children.remove(place.unwrap());
        let status = in_time("the app's end", child.wait()).await.unwrap();
        status.code().unwrap_or(-1)
    }

    /// Runs a program to its end and gives what it wrote to stdout, whatever its exit code.
    pub async fn output(&self, program: &str, arguments: &[&str]) -> String {
        let output = self.run(program, arguments).await;
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    /// Runs a program to its end.
    pub async fn run(&self, program: &str, arguments: &[&str]) -> Output {
        let mut command = self.command(program);
        command
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        in_time(program, command.output()).await.unwrap()
    }

    /// A connection of the test's own to the session bus.
    pub async fn connection(&self) -> Connection {
        let builder = zbus::connection::Builder::address(self.bus.as_str()).unwrap();
        in_time("the session bus", builder.build()).await.unwrap()
    }

    /// Whether somebody owns this name on the session bus.
    pub async fn owned(&self, name: &str) -> bool {
        let bus = DBusProxy::new(&self.connection().await).await.unwrap();
        bus.name_has_owner(name.try_into().unwrap()).await.unwrap()
    }

    /// The home folder.
    pub fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    /// Where Coretap keeps settings and data.
    pub fn coretap_home(&self) -> PathBuf {
        self.home().join("coretap")
    }

    /// Where the app is told to start at login.
    pub fn autostart(&self) -> PathBuf {
        self.home().join(".config/autostart")
    }

    /// The folder of sockets and of the tray's icons.
    pub fn runtime(&self) -> PathBuf {
        self.folder.path().join("run")
    }

    /// What a program of this session wrote to stderr.
    pub fn errors(&self, program: &str) -> String {
        std::fs::read_to_string(self.log_path(program)).unwrap_or_default()
    }

    /// The running processes of this session whose program has this name.
    pub fn processes(&self, name: &str) -> Vec<u32> {
        processes::of_home(&self.home())
            .into_iter()
            .filter(|process| process.name == name)
            .map(|process| process.pid)
            .collect()
    }

    /// The variables that name folders, and those folders.
    fn folders(&self) -> Vec<(&'static str, PathBuf)> {
        vec![
            ("HOME", self.home()),
            ("CORETAP_HOME", self.coretap_home()),
            ("XDG_CONFIG_HOME", self.home().join(".config")),
            ("XDG_DATA_HOME", self.home().join(".local/share")),
            ("XDG_CACHE_HOME", self.home().join(".cache")),
            ("XDG_RUNTIME_DIR", self.runtime()),
        ]
    }

    fn log_path(&self, program: &str) -> PathBuf {
        self.folder.path().join(format!("{program}.log"))
    }

    fn log(&self, program: &OsStr) -> Stdio {
        let file = std::fs::OpenOptions::new()
            .append(true)
            .create(true)
            .open(self.log_path(program.to_str().unwrap()))
            .unwrap();
        Stdio::from(file)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let name = self.suite.replace([':', ' '], "-");
            let file = crate::desktop::screen::screenshots().join(format!("failed-{name}.png"));
            let _ = std::process::Command::new("import")
                .args(["-display", &self.display, "-window", "root"])
                .arg(file)
                .status();
            for program in ["coretap-desktop", "WebKitWebDriver", "Xvfb", "openbox"] {
                eprint_log(program, &self.errors(program));
            }
        }
        // What the app, the driver and the bus have started has this session's home too.
        processes::end_all_of_home(&self.home());
    }
}

/// A failed test tells what the programs had to say.
fn eprint_log(program: &str, text: &str) {
    use std::io::Write as _;
    if !text.is_empty() {
        let _ = writeln!(std::io::stderr(), "--- stderr of {program}\n{text}---");
    }
}

/// The desktop app: `$CORETAP_DESKTOP`, or `coretap-desktop` beside the binary of the command.
pub fn app() -> PathBuf {
    std::env::var_os("CORETAP_DESKTOP").map_or_else(
        || crate::process::binary().with_file_name("coretap-desktop"),
        PathBuf::from,
    )
}

/// Where a program of PATH lies.
pub fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|program| program.is_file())
}

/// A port that nobody listens on. It lies below those that the system gives out by itself, so that no outgoing
/// connection takes it before the app does.
pub fn free_port() -> u16 {
    loop {
        let port = fastrand::u16(20_000..32_000);
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

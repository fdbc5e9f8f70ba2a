//! The package as a person installs it: both programs and the entry in the menu are there, the installed app runs, and
//! nothing stays behind when it is removed.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "A panic is how a test fails."
)]

use std::path::{Path, PathBuf};
use std::process::Output;

use coretap_tests::desktop::keychain::Keychain;
use coretap_tests::desktop::session::{Session, find_program, free_port};
use coretap_tests::desktop::settings::Settings;
use coretap_tests::desktop::tray::Tray;
use coretap_tests::folders::skipped;
use coretap_tests::process::in_time;

const SUITE: &str = "desktop: the installed package";
const PROGRAMS: [&str; 2] = ["/usr/bin/coretap-desktop", "/usr/bin/coretap"];

/// A package that is removed again, whatever becomes of the test.
struct Installed {
    name: String,
    files: Vec<PathBuf>,
}

impl Installed {
    async fn new(package: &Path) -> Self {
        let package = package.to_str().unwrap();
        let name = run("dpkg-deb", &["--field", package, "Package"]).await;
        // Before it is installed: half a package must be removed too.
        let mut installed = Self {
            name,
            files: Vec::new(),
        };
        run("dpkg", &["--install", package]).await;
        let listed = run("dpkg-query", &["--listfiles", &installed.name]).await;
        installed.files = listed
            .lines()
            .map(PathBuf::from)
            .filter(|path| path.is_file())
            .collect();
        installed
    }
}

impl Drop for Installed {
    fn drop(&mut self) {
        let _ = std::process::Command::new("dpkg")
            .args(["--purge", &self.name])
            .output();
    }
}

/// Runs a command that has to succeed, and gives its stdout.
async fn run(program: &str, arguments: &[&str]) -> String {
    let mut command = tokio::process::Command::new(program);
    let output: Output = in_time(program, command.args(arguments).output()).await.unwrap();
    assert!(output.status.success(), "{program} {arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

#[tokio::test]
async fn the_package_is_installed_started_and_removed() {
    let Some(package) = std::env::var_os("CORETAP_DEB").map(PathBuf::from) else {
        skipped(
            SUITE,
            "CORETAP_DEB does not name a .deb; `./dev bundle` makes one",
        );
        return;
    };
    if find_program("dpkg").is_none() || run("id", &["--user"]).await != "0" {
        skipped(SUITE, "only root can install a package with dpkg");
        return;
    }
    if find_program("desktop-file-validate").is_none() {
        skipped(
            SUITE,
            "no desktop-file-validate; apt-get install desktop-file-utils",
        );
        return;
    }
    for program in PROGRAMS {
        assert!(!Path::new(program).exists(), "{program} is there already");
    }
    let Some(mut session) = Session::start(SUITE).await else {
        return;
    };
    let installed = Installed::new(&package).await;
    for program in PROGRAMS {
        let path = Path::new(program);
        assert!(
            installed.files.iter().any(|file| file == path),
            "{:?}",
            installed.files
        );
    }
    let version = run("/usr/bin/coretap", &["--version"]).await;
    assert!(version.contains(env!("CARGO_PKG_VERSION")), "{version}");
    let entries: Vec<&PathBuf> = installed
        .files
        .iter()
        .filter(|file| file.extension().is_some_and(|extension| extension == "desktop"))
        .collect();
    assert_eq!(entries.len(), 1, "{entries:?}");
    run(
        "desktop-file-validate",
        &[entries.first().unwrap().to_str().unwrap()],
    )
    .await;
    let icons = installed
        .files
        .iter()
        .filter(|file| file.starts_with("/usr/share/icons/hicolor"));
    assert!(icons.count() >= 2, "{:?}", installed.files);

    let _keychain = Keychain::start(&session).await;
    Settings::on(free_port()).with_simulator().write(&session);
    let tray = Tray::start(&session).await;
    let mut command = session.command("/usr/bin/coretap-desktop");
    command.arg("--hidden");
    let pid = session.spawn(command);
    tray.wait_for_item().await;
    tray.click(&["Start"]).await;
    tray.wait_for_state("running").await;
    tray.click(&["Stop proxy and quit"]).await;
    assert_eq!(session.ended(pid).await, 0);

    run("dpkg", &["--remove", &installed.name]).await;
    let left: Vec<&PathBuf> = installed.files.iter().filter(|file| file.exists()).collect();
    assert!(left.is_empty(), "{left:?} stayed behind");
}

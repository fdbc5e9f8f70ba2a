//! The real command with an x509 service key: tokens by mutual TLS from a host whose certificate an authority of one's own
//! vouches for.
#![allow(clippy::unwrap_used, clippy::panic, reason = "A panic is how a test fails.")]

use coretap_simulator::{Options, Simulator};
use coretap_tests::formats::Format;
use coretap_tests::http::post;
use coretap_tests::process::{Coretap, KEY, run};
use serde_json::{Value, json};
use tempfile::TempDir;

const MODEL: &str = "anthropic--claude-4.5-sonnet";

/// A simulator in this process, its x509 service key and a folder with what belongs to it.
struct Certified {
    key: Value,
    folder: TempDir,
}

impl Certified {
    async fn start() -> Self {
        let anywhere = ([127, 0, 0, 1], 0).into();
        let simulator = Simulator::bind_with_certificates(anywhere, Options::default())
            .await
            .unwrap();
        let (key, authority) = simulator.x509_service_key().unwrap();
        tokio::spawn(simulator.run(std::future::pending()));
        let certified = Self {
            key: serde_json::from_str(&key).unwrap(),
            folder: tempfile::tempdir().unwrap(),
        };
        for (file, text) in [
            ("ca.pem", authority.as_str()),
            ("own.crt", certified.text("certificate")),
            ("own.key", certified.text("key")),
        ] {
            std::fs::write(certified.path(file), text).unwrap();
        }
        certified
    }

    fn text(&self, name: &str) -> &str {
        self.key.get(name).unwrap().as_str().unwrap()
    }

    fn base_url(&self) -> &str {
        self.key
            .pointer("/serviceurls/AI_API_URL")
            .unwrap()
            .as_str()
            .unwrap()
    }

    fn path(&self, file: &str) -> String {
        self.folder.path().join(file).display().to_string()
    }
}

#[tokio::test]
async fn an_x509_service_key_works_once_its_host_is_trusted() {
    let certified = Certified::start().await;
    let (key, ca_file) = (certified.key.to_string(), certified.path("ca.pem"));
    let given = [
        ("AICORE_SERVICE_KEY", key.as_str()),
        ("CORETAP_ORCHESTRATION", "true"),
    ];

    let untrusted = run(&["models"], &given).await;
    assert_eq!(untrusted.code, 1, "{untrusted:?}");
    assert!(
        untrusted.stderr.contains("UPSTREAM-TLS") || untrusted.stderr.contains("CONFIG-CERTIFICATES"),
        "{untrusted:?}"
    );
    let nowhere = [given.as_slice(), &[("CORETAP_CA_FILE", "/nowhere/ca.pem")]].concat();
    let nowhere = run(&["models"], &nowhere).await;
    assert_eq!(nowhere.code, 3, "{nowhere:?}");
    assert!(
        nowhere.stderr.contains("/nowhere/ca.pem") && nowhere.stderr.contains("CONFIG-CA-FILE"),
        "{nowhere:?}"
    );

    let trusting = [
        given.as_slice(),
        &[("CORETAP_CA_FILE", ca_file.as_str()), ("CORETAP_API_KEY", KEY)],
    ]
    .concat();
    let models = run(&["models"], &trusting).await;
    assert_eq!(models.code, 0, "{models:?}");
    assert!(models.stdout.contains(MODEL), "{models:?}");
    let coretap = Coretap::serve(&["--port", "0"], &trusting).await;
    let mut answer = coretap
        .open(post(
            "/v1/messages",
            &Format::Messages.ask(MODEL, "Say plum", true),
        ))
        .await;
    answer.read_until("plum").await;
    let answer = answer.finish().await;
    Format::Messages.check_stream(&answer.events(), "x509");
    let finished = coretap.stop("TERM").await;
    assert!(!finished.stderr.contains("PRIVATE"), "{finished:?}");
}

#[tokio::test]
async fn the_certificate_comes_in_files_and_in_the_sdks_file_too() {
    let certified = Certified::start().await;
    let ca_file = certified.path("ca.pem");
    let (certificate, private_key) = (certified.path("own.crt"), certified.path("own.key"));
    let parts = [
        ("AICORE_CLIENT_ID", certified.text("clientid")),
        ("AICORE_CERT_FILE_PATH", &certificate),
        ("AICORE_KEY_FILE_PATH", &private_key),
        ("AICORE_CERT_URL", certified.text("certurl")),
        ("AICORE_BASE_URL", certified.base_url()),
    ];
    let common = [
        ("CORETAP_CA_FILE", ca_file.as_str()),
        ("CORETAP_ORCHESTRATION", "true"),
    ];
    let models = run(&["models"], &[&parts[..], &common].concat()).await;
    assert_eq!(models.code, 0, "{models:?}");

    let file = certified.path("config_team.json");
    let config = json!({
        "AICORE_CLIENT_ID": certified.text("clientid"),
        "AICORE_CERT_STR": certified.text("certificate").replace('\n', "\\n"),
        "AICORE_KEY_STR": certified.text("key").replace('\n', "\\n"),
        "AICORE_CERT_URL": format!("{}/oauth/token", certified.text("certurl")),
        "AICORE_BASE_URL": format!("{}/v2", certified.base_url()),
        "AICORE_RESOURCE_GROUP": "default",
    });
    std::fs::write(&file, config.to_string()).unwrap();
    let folder = certified.folder.path().display().to_string();
    let named = [("AICORE_HOME", folder.as_str()), ("AICORE_PROFILE", "team")];
    let models = run(&["models"], &[&named[..], &common].concat()).await;
    assert_eq!(models.code, 0, "{models:?}");

    // A broken one is named, and nothing of it is shown.
    std::fs::write(&file, "{\"AICORE_KEY_STR\": \"hush\"").unwrap();
    let broken = run(&["models"], &[&named[..], &common].concat()).await;
    assert_eq!(broken.code, 3, "{broken:?}");
    assert!(broken.stderr.contains("config_team.json") && broken.stderr.contains("CONFIG-AICORE-FILE"));
    assert!(!broken.stderr.contains("hush"), "{broken:?}");

    // Certificate and key of two pairs.
    let stranger = Certified::start().await;
    let other_key = stranger.path("own.key");
    let mut mixed = parts;
    mixed[2].1 = &other_key;
    let mixed = run(&["models"], &[&mixed[..], &common].concat()).await;
    assert_eq!(mixed.code, 3, "{mixed:?}");
    assert!(
        mixed.stderr.contains("CONFIG-CLIENT-CERTIFICATE-KEY"),
        "{mixed:?}"
    );
}

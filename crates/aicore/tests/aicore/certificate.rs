//! Service keys with a client certificate (x509), and authorities of one's own: what is read, what is shown to whom, and
//! what refusals become. The keys in `tests/keys` were made by openssl for these tests and open nothing.

use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use coretap_aicore::{
    AiCore, Certificate, ClientCertificate, Connection, Credential, Endpoint, Error, ExtraRoots,
    InferenceRequest, ServiceKey, Timeouts,
};
use rcgen::{CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::PrivateKeyDer;
use rustls::server::{ServerConfig, WebPkiClientVerifier};
use rustls::{RootCertStore, server::danger::ClientCertVerifier};
use secrecy::{ExposeSecret, SecretString};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::stand_in::{CLIENT_ID, DEPLOYMENTS, StandIn, TOKEN, json, list, model_row};

macro_rules! key_file {
    ($name:literal) => {
        include_str!(concat!("../keys/", $name))
    };
}

const RSA_CERTIFICATE: &str = key_file!("rsa.crt");
const RSA_KEY: &str = key_file!("rsa-pkcs8.pem");

fn read(certificate: &str, key: &str) -> Result<ClientCertificate, Error> {
    ClientCertificate::from_pem(certificate, &key.into())
}

/// An x509 service key as the BTP cockpit shows it.
fn service_key(certificate: &str, key: &str, certificate_url: &str, base_url: &str) -> String {
    serde_json::json!({
        "clientid": CLIENT_ID, "certificate": certificate, "key": key, "certurl": certificate_url,
        "url": "https://not-this-one.example.invalid", "credential-type": "x509",
        "serviceurls": {"AI_API_URL": base_url},
    })
    .to_string()
}

#[test]
fn every_form_of_a_private_key_becomes_the_same_pkcs8_that_openssl_makes() {
    let as_openssl = read(RSA_CERTIFICATE, RSA_KEY).unwrap();
    let wrapped = read(RSA_CERTIFICATE, key_file!("rsa-pkcs1.pem")).unwrap();
    assert_eq!(
        wrapped.private_key().expose_secret(),
        as_openssl.private_key().expose_secret()
    );
    for (certificate, pkcs8, sec1) in [
        (
            key_file!("p256.crt"),
            key_file!("p256-pkcs8.pem"),
            key_file!("p256-sec1.pem"),
        ),
        (
            key_file!("p384.crt"),
            key_file!("p384-pkcs8.pem"),
            key_file!("p384-sec1.pem"),
        ),
    ] {
        read(certificate, pkcs8).unwrap();
        let wrapped = read(certificate, sec1).unwrap();
        // What is kept is read again.
        let kept = wrapped.private_key().clone();
        ClientCertificate::new(Certificate::from_pem(certificate).unwrap(), kept).unwrap();
    }
}

#[test]
fn a_private_key_fits_into_every_systems_keychain() {
    // Windows keeps at most 2,560 bytes.
    for (certificate, key) in [
        (RSA_CERTIFICATE, RSA_KEY),
        (key_file!("rsa4096.crt"), key_file!("rsa4096-pkcs8.pem")),
    ] {
        let size = read(certificate, key)
            .unwrap()
            .private_key()
            .expose_secret()
            .len();
        assert!((1000..=2560).contains(&size), "{size}");
    }
}

#[test]
fn line_ends_may_be_two_characters_and_only_certificates_are_kept() {
    let shelled = |pem: &str| pem.replace('\n', "\\n");
    let one = read(RSA_CERTIFICATE, RSA_KEY).unwrap();
    let chain = format!("{RSA_KEY}a note\n{RSA_CERTIFICATE}{}", key_file!("p256.crt"));
    let other = read(&shelled(&chain), &shelled(RSA_KEY)).unwrap();
    assert_eq!(
        one.private_key().expose_secret(),
        other.private_key().expose_secret()
    );
    let certificate = other.certificate();
    assert_eq!(
        certificate.subject(),
        "CN=coretap-test,L=aicore,OU=SAP Cloud Platform Clients,O=SAP SE,C=DE"
    );
    assert!(certificate.valid_until() > SystemTime::now());
    let kept = certificate.to_pem();
    assert_eq!(kept.matches("BEGIN CERTIFICATE").count(), 2);
    assert!(!kept.contains("PRIVATE") && !kept.contains("note"), "{kept}");
    assert_eq!(&Certificate::from_pem(&kept).unwrap(), certificate);

    let shown = format!("{other:?}");
    assert!(
        shown.contains("CN=coretap-test") && shown.contains("private_key: <redacted>"),
        "{shown}"
    );
}

#[test]
fn what_is_wrong_with_a_certificate_is_named() {
    let cut = RSA_CERTIFICATE.get(..400).unwrap();
    let (cut_key, encrypted) = (RSA_KEY.get(..400).unwrap(), key_file!("rsa-encrypted.pem"));
    let no_certificate = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for (certificate, key, code, words) in [
        (
            "nothing",
            RSA_KEY,
            "CONFIG-CLIENT-CERTIFICATE",
            "'certificate' holds no certificate",
        ),
        (
            cut,
            RSA_KEY,
            "CONFIG-CLIENT-CERTIFICATE",
            "'certificate' is broken PEM",
        ),
        (
            no_certificate,
            RSA_KEY,
            "CONFIG-CLIENT-CERTIFICATE",
            "'certificate' holds something else",
        ),
        (
            RSA_CERTIFICATE,
            "nothing",
            "CONFIG-CLIENT-CERTIFICATE",
            "'key' holds no private key",
        ),
        (
            RSA_CERTIFICATE,
            cut_key,
            "CONFIG-CLIENT-CERTIFICATE",
            "'key' holds no private key",
        ),
        (
            RSA_CERTIFICATE,
            encrypted,
            "CONFIG-CLIENT-CERTIFICATE",
            "'key' is encrypted",
        ),
        (
            RSA_CERTIFICATE,
            key_file!("p256-sec1.pem"),
            "CONFIG-CLIENT-CERTIFICATE-KEY",
            "does not belong",
        ),
        (
            RSA_CERTIFICATE,
            key_file!("rsa4096-pkcs8.pem"),
            "CONFIG-CLIENT-CERTIFICATE-KEY",
            "does not belong",
        ),
    ] {
        let error = read(certificate, key).unwrap_err();
        assert_eq!(error.code(), code, "{error}");
        assert!(error.to_string().contains(words), "{words}: {error}");
        // A few characters from within the key.
        let secret = RSA_KEY.get(100..110).unwrap();
        assert!(!format!("{error} {error:?}").contains(secret));
    }
}

#[test]
fn an_x509_service_key_is_read_from_certurl() {
    for (certificate_url, base_url) in [
        ("https://a.cert.b", "https://c.d"),
        ("https://a.cert.b/", "https://c.d/"),
        ("https://a.cert.b/oauth/token", "https://c.d/v2"),
    ] {
        let json = service_key(
            &RSA_CERTIFICATE.replace('\n', "\\n"),
            RSA_KEY,
            certificate_url,
            base_url,
        );
        for json in [
            json.clone(),
            format!(r#"{{"credentials": {json}}}"#),
            format!(r#"{{"aicore": [{{"label": "aicore", "credentials": {json}}}]}}"#),
        ] {
            let key = ServiceKey::from_pasted(&json).unwrap();
            assert_eq!(
                (key.auth_url.as_str(), key.base_url.as_str()),
                ("https://a.cert.b/", "https://c.d/")
            );
            assert!(matches!(key.credential, Credential::Certificate(_)));
            assert!(!format!("{key:?}").contains("BEGIN"), "{key:?}");
        }
    }
    let error = ServiceKey::parse(r#"{"clientid": "a", "url": "https://b", "key": "x"}"#).unwrap_err();
    assert_eq!(
        error.to_string(),
        "The service key lacks certificate, certurl, serviceurls.AI_API_URL."
    );
    let json = service_key(RSA_CERTIFICATE, RSA_KEY, "http://a.cert.b", "https://c");
    let error = ServiceKey::parse(&json).unwrap_err();
    assert_eq!(
        error.to_string(),
        "The URL in 'certurl' does not begin with https://."
    );
    // A key with both is used by its secret.
    let both = service_key(RSA_CERTIFICATE, RSA_KEY, "https://a", "https://c").replacen(
        '{',
        r#"{"clientsecret": "s","#,
        1,
    );
    let key = ServiceKey::parse(&both).unwrap();
    assert!(matches!(key.credential, Credential::Secret(_)));
    assert_eq!(key.auth_url.as_str(), "https://not-this-one.example.invalid/");
}

/// An authority, and what it vouches for.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        Self { issuer }
    }

    /// A certificate for this machine's address or for a client, with its key, in PEM form.
    fn vouch(&self, names: &[&str], last_year: i32) -> (String, String) {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.not_after = rcgen::date_time_ymd(last_year, 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        (certificate.pem(), key.serialize_pem())
    }

    fn client(&self, last_year: i32) -> (String, String) {
        self.vouch(&["client"], last_year)
    }

    fn verifier(&self, is_optional: bool) -> Arc<dyn ClientCertVerifier> {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).unwrap();
        let builder =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::new(default_provider()));
        let builder = if is_optional {
            builder.allow_unauthenticated()
        } else {
            builder
        };
        builder.build().unwrap()
    }

    /// A file with the authority's certificate.
    fn file(&self) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), self.issuer.pem()).unwrap();
        file
    }
}

/// TLS before a stand-in.
struct Front {
    url: String,
    /// Of each connection whose handshake succeeded, whether the client showed a certificate.
    shown: Arc<Mutex<Vec<bool>>>,
}

/// Speaks TLS with the certificate that `authority` gives, and asks clients for theirs.
async fn before(stand_in: &StandIn, authority: &Authority, clients: Arc<dyn ClientCertVerifier>) -> Front {
    let (certificate, key) = authority.vouch(&["127.0.0.1"], 4000);
    let certificate = Certificate::from_pem(&certificate).unwrap();
    let certificate =
        rustls::pki_types::pem::PemObject::from_pem_slice(certificate.to_pem().as_bytes()).unwrap();
    let key: PrivateKeyDer<'static> =
        rustls::pki_types::pem::PemObject::from_pem_slice(key.as_bytes()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(clients)
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let behind = stand_in.url.replace("http://", "");
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let front = Front {
        url: format!("https://{}", listener.local_addr().unwrap()),
        shown: Arc::default(),
    };
    let shown = Arc::clone(&front.shown);
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let (acceptor, behind, shown) = (acceptor.clone(), behind.clone(), Arc::clone(&shown));
            tokio::spawn(async move {
                let Ok(mut here) = acceptor.accept(socket).await else {
                    return;
                };
                let has_shown = here.get_ref().1.peer_certificates().is_some();
                shown.lock().unwrap().push(has_shown);
                let mut there = TcpStream::connect(behind).await.unwrap();
                drop(copy_bidirectional(&mut here, &mut there).await);
            });
        }
    });
    front
}

/// Two hosts of one stand-in: tokens are given to those who show a certificate of `clients`, the API asks for one and
/// needs none.
struct Hosts {
    stand_in: StandIn,
    tokens: Front,
    api: Front,
    clients: Authority,
    ca_file: tempfile::NamedTempFile,
}

async fn hosts() -> Hosts {
    let stand_in = StandIn::start().await;
    let row = model_row("d2222", "anthropic--claude-4.5-sonnet", "aws-bedrock");
    stand_in.always(DEPLOYMENTS, json(200, list(&[row])));
    let (servers, clients) = (Authority::new("servers"), Authority::new("clients"));
    Hosts {
        tokens: before(&stand_in, &servers, clients.verifier(false)).await,
        api: before(&stand_in, &servers, clients.verifier(true)).await,
        ca_file: servers.file(),
        stand_in,
        clients,
    }
}

impl Hosts {
    fn core(&self, credential: Credential, ca_file: Option<&Path>) -> AiCore {
        let placeholder = SecretString::from("-");
        let key = ServiceKey::from_parts(CLIENT_ID, &placeholder, &self.tokens.url, &self.api.url).unwrap();
        let connection = Connection {
            service_key: ServiceKey { credential, ..key },
            ..self.stand_in.connection()
        };
        let roots = ca_file.map_or_else(ExtraRoots::default, |file| ExtraRoots::read(file).unwrap());
        AiCore::trusting(connection, Timeouts::default(), &roots).unwrap()
    }

    /// With a certificate that may have expired.
    fn with_certificate(&self, (certificate, key): (String, String)) -> AiCore {
        let certificate = Certificate::from_pem(&certificate).unwrap();
        let key = PrivateKeyDer::from(KeyPair::from_pem(&key).unwrap());
        let own = ClientCertificate::new(certificate, key.secret_der().to_vec().into()).unwrap();
        self.core(Credential::Certificate(own), Some(self.ca_file.path()))
    }
}

#[tokio::test]
async fn a_certificate_gets_a_token_and_is_shown_to_nobody_else() {
    let hosts = hosts().await;
    let (certificate, key) = hosts.clients.client(4000);
    let json = service_key(&certificate, &key, &hosts.tokens.url, &hosts.api.url);
    let key = ServiceKey::parse(&json).unwrap();
    let core = hosts.core(key.credential, Some(hosts.ca_file.path()));

    let route = core.route("claude-sonnet-4-5").await.unwrap();
    let request = InferenceRequest {
        stream: false,
        endpoint: Endpoint::Own,
        body: "{}".into(),
    };
    assert_eq!(core.send(&route, request).await.unwrap().status(), 200);

    let call = hosts.stand_in.seen(TOKEN).remove(0);
    assert_eq!(
        std::str::from_utf8(&call.body).unwrap(),
        "grant_type=client_credentials&client_id=sb-1%21b12%7Caicore%21b540"
    );
    assert_eq!(*hosts.tokens.shown.lock().unwrap(), [true]);
    let at_the_api = hosts.api.shown.lock().unwrap().clone();
    assert!(
        at_the_api.len() >= 2 && !at_the_api.contains(&true),
        "{at_the_api:?}"
    );
}

#[tokio::test]
async fn a_refused_certificate_is_told_from_a_broken_connection() {
    let hosts = hosts().await;
    let refused = |error: Error| {
        assert_eq!(error.code(), "AUTH-CERTIFICATE-REFUSED", "{error:?}");
        error.to_string()
    };
    // Of an authority that the server does not know,
    let strangers = Authority::new("strangers");
    let error = hosts
        .with_certificate(strangers.client(4000))
        .token()
        .await
        .unwrap_err();
    assert!(refused(error).contains("handshake"));
    // and of the right one, but for another client id.
    let known = hosts.with_certificate(hosts.clients.client(4000));
    hosts.stand_in.once(
        TOKEN,
        json(
            401,
            r#"{"error":"unauthorized","error_description":"Bad credentials"}"#,
        ),
    );
    let error = known.token().await.unwrap_err();
    assert_eq!(
        refused(error),
        "The client certificate was refused: Bad credentials"
    );
    known.token().await.unwrap();
}

#[tokio::test]
async fn an_expired_certificate_asks_nobody() {
    let hosts = hosts().await;
    let (certificate, key) = hosts.clients.client(2020);
    let error = read(&certificate, &key).unwrap_err();
    assert_eq!(error.code(), "CONFIG-CLIENT-CERTIFICATE-EXPIRED");
    assert_eq!(
        error.to_string(),
        "The client certificate of the service key expired at 2020-01-01T00:00:00Z."
    );
    let core = hosts.with_certificate((certificate, key));
    let error = core.token().await.unwrap_err();
    assert_eq!(error.code(), "CONFIG-CLIENT-CERTIFICATE-EXPIRED");
    assert!(hosts.tokens.shown.lock().unwrap().is_empty());
}

#[tokio::test]
async fn an_authority_of_ones_own_is_trusted_when_its_file_is_given() {
    let stand_in = StandIn::start().await;
    let row = model_row("d2222", "anthropic--claude-4.5-sonnet", "aws-bedrock");
    stand_in.always(DEPLOYMENTS, json(200, list(&[row])));
    let (servers, others) = (Authority::new("servers"), Authority::new("others"));
    let front = before(&stand_in, &servers, others.verifier(true)).await;
    let (ca_file, other_file) = (servers.file(), others.file());
    let key = ServiceKey::from_parts(CLIENT_ID, &"s".into(), &front.url, &front.url).unwrap();
    let core = |file: Option<&Path>| {
        let connection = Connection {
            service_key: key.clone(),
            ..stand_in.connection()
        };
        let roots = file.map_or_else(ExtraRoots::default, |file| ExtraRoots::read(file).unwrap());
        AiCore::trusting(connection, Timeouts::default(), &roots).unwrap()
    };
    if cfg!(target_os = "linux") && std::fs::metadata("/etc/ssl/certs").is_err() {
        eprintln!("SKIPPED without a CA file: this machine has no certificates at all");
    } else {
        let error = core(None).token().await.unwrap_err();
        assert_eq!(error.code(), "UPSTREAM-TLS", "{error:?}");
    }
    let error = core(Some(other_file.path())).token().await.unwrap_err();
    assert_eq!(error.code(), "UPSTREAM-TLS", "{error:?}");
    assert!(error.hint().contains("CA file"), "{}", error.hint());

    // Token, list and inference.
    let trusting = core(Some(ca_file.path()));
    let route = trusting.route("claude-sonnet-4-5").await.unwrap();
    let request = InferenceRequest {
        stream: true,
        endpoint: Endpoint::Own,
        body: "{}".into(),
    };
    assert_eq!(trusting.send(&route, request).await.unwrap().status(), 200);
}

#[test]
fn a_ca_file_that_is_none_is_named() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("ca.pem");
    let refused = |text: Option<&str>| {
        if let Some(text) = text {
            std::fs::write(&path, text).unwrap();
        }
        let error = ExtraRoots::read(&path).unwrap_err();
        assert_eq!(error.code(), "CONFIG-CA-FILE");
        let sentence = error.to_string();
        assert!(sentence.contains(&path.display().to_string()), "{sentence}");
        sentence
    };
    assert!(refused(None).contains("can't be read"));
    for empty in ["", "no certificate", RSA_KEY] {
        assert!(refused(Some(empty)).contains("holds no certificate"), "{empty}");
    }
    let cut = format!("{RSA_CERTIFICATE}{}", RSA_CERTIFICATE.get(..400).unwrap());
    assert!(refused(Some(&cut)).contains("broken at its certificate 2"));
    std::fs::write(&path, RSA_CERTIFICATE).unwrap();
    assert_eq!(ExtraRoots::read(&path).unwrap(), ExtraRoots::read(&path).unwrap());
}

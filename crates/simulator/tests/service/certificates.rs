use std::sync::Arc;

use bytes::Bytes;
use coretap_simulator::{Options, Simulator};
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

type Problem = Box<dyn std::error::Error + Send + Sync>;

/// A simulator with certificates, its x509 service key, and the authority to trust.
struct Certified {
    key: Value,
    secret_key: Value,
    authority: CertificateDer<'static>,
}

impl Certified {
    async fn start() -> Self {
        let anywhere = ([127, 0, 0, 1], 0).into();
        let simulator = Simulator::bind_with_certificates(anywhere, Options::default())
            .await
            .unwrap();
        let (key, authority) = simulator.x509_service_key().unwrap();
        let secret_key = serde_json::from_str(&simulator.service_key()).unwrap();
        tokio::spawn(simulator.run(std::future::pending()));
        Self {
            key: serde_json::from_str(&key).unwrap(),
            secret_key,
            authority: CertificateDer::from_pem_slice(authority.as_bytes()).unwrap(),
        }
    }

    fn text(&self, name: &str) -> &str {
        self.key[name].as_str().unwrap()
    }

    fn chain(&self) -> Vec<CertificateDer<'static>> {
        let pem = self.text("certificate").as_bytes();
        CertificateDer::pem_slice_iter(pem).map(Result::unwrap).collect()
    }

    /// Sends a form over TLS, showing these certificates.
    async fn post(
        &self,
        path: &str,
        chain: Vec<CertificateDer<'static>>,
        form: String,
    ) -> Result<(u16, String), Problem> {
        let mut roots = RootCertStore::empty();
        roots.add(self.authority.clone())?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots);
        let config = if chain.is_empty() {
            config.with_no_client_auth()
        } else {
            let key = PrivateKeyDer::from_pem_slice(self.text("key").as_bytes())?;
            config.with_client_auth_cert(chain, key)?
        };
        let host = self.text("certurl").strip_prefix("https://").unwrap();
        let stream = TcpStream::connect(host).await?;
        let name = ServerName::try_from("127.0.0.1")?;
        let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        let request = Request::post(path)
            .header("host", host)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Full::new(Bytes::from(form)))?;
        let reply = sender.send_request(request).await?;
        let status = reply.status().as_u16();
        let body = reply.into_body().collect().await?.to_bytes();
        Ok((status, String::from_utf8(body.to_vec())?))
    }

    fn grant(&self) -> String {
        grant(self.text("clientid"))
    }
}

fn grant(client_id: &str) -> String {
    let id = client_id.replace('!', "%21").replace('|', "%7C");
    format!("grant_type=client_credentials&client_id={id}")
}

#[tokio::test]
async fn a_certificate_gets_a_token_for_its_own_client_only() {
    let certified = Certified::start().await;
    let token = |form: String| certified.post("/oauth/token", certified.chain(), form);
    let (status, body) = token(certified.grant()).await.unwrap();
    assert_eq!(status, 200, "{body}");
    let answer: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(answer["expires_in"], 43_199);

    let other = certified.secret_key["clientid"].as_str().unwrap();
    for (form, name) in [
        (grant(other), "unauthorized"),
        (certified.grant() + "&client_secret=x", "invalid_client"),
        ("grant_type=client_credentials".to_owned(), "invalid_client"),
    ] {
        let (status, body) = token(form).await.unwrap();
        assert_eq!(status, 401, "{body}");
        let answer: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(answer["error"], name);
    }
    // Nothing else is there.
    for path in ["/v2/lm/deployments", "/__simulator/requests", "/"] {
        let (status, _) = certified
            .post(path, certified.chain(), String::new())
            .await
            .unwrap();
        assert_eq!(status, 404, "{path}");
    }
}

#[tokio::test]
async fn without_a_whole_chain_the_handshake_fails() {
    let certified = Certified::start().await;
    let own = certified.chain().remove(0);
    for chain in [vec![], vec![own]] {
        let refused = certified.post("/oauth/token", chain, certified.grant()).await;
        refused.unwrap_err();
    }
}

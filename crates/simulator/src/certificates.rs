//! The OAuth server's second host (sap-wire.md §1.2): it speaks TLS, wants a client certificate of its own authority in the
//! handshake, and gives tokens. A real one lies at `certurl` of an x509 service key.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::server::{State, pause, serve};

/// The client id of the x509 service key. It is not the one with a client secret.
const CLIENT_ID: &str = "sb-7bf3c8ca-2345-4678-9abc-123456789abc!b12345|aicore!b540";

/// The TLS listener, and what it was made with.
pub(crate) struct Certificates {
    listener: TcpListener,
    address: SocketAddr,
    made: Made,
}

/// The certificates of one run.
struct Made {
    acceptor: TlsAcceptor,
    /// In PEM form, like chain and key of the client.
    server_authority: String,
    client: CertificateDer<'static>,
    client_chain: String,
    client_key: String,
}

impl Certificates {
    /// Makes authorities, a server certificate for the host of `address`, and a client certificate, and listens there.
    pub(crate) async fn bind(address: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let made = make(address).map_err(io::Error::other)?;
        Ok(Self {
            listener,
            address,
            made,
        })
    }

    /// What a client must trust, in PEM form.
    pub(crate) fn server_authority(&self) -> &str {
        &self.made.server_authority
    }

    /// The x509 service key for the AI API at `base`.
    pub(crate) fn service_key(&self, base: &str) -> String {
        let key = json!({
            "clientid": CLIENT_ID,
            "certificate": self.made.client_chain,
            "key": self.made.client_key,
            "certurl": format!("https://{}", self.address),
            "url": base,
            "identityzone": "simulated",
            "appname": "7bf3c8ca-2345-4678-9abc-123456789abc!b12345|aicore!b540",
            "credential-type": "x509",
            "serviceurls": {"AI_API_URL": base},
        });
        key.to_string()
    }

    /// Answers token requests of clients with a certificate, for as long as it is polled.
    pub(crate) async fn run(self, state: Arc<State>) {
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                Some(_) = connections.join_next() => {}
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, _)) => {
                        let (acceptor, state) = (self.made.acceptor.clone(), state.clone());
                        let client = self.made.client.clone();
                        connections.spawn(async move {
                            // Without a certificate of the authority the handshake ends here.
                            let Ok(stream) = acceptor.accept(stream).await else { return };
                            let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
                            let owner = if shown == Some(&client) { CLIENT_ID } else { "" };
                            serve(stream, state, Some(owner)).await;
                        });
                    }
                    Err(_) => pause().await,
                },
            }
        }
    }
}

/// An authority: one of its own, or one that `above` vouches for.
fn authority(
    name: &str,
    above: Option<&CertifiedIssuer<'static, KeyPair>>,
) -> Result<CertifiedIssuer<'static, KeyPair>, rcgen::Error> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params.distinguished_name.push(DnType::CommonName, name);
    let key = KeyPair::generate()?;
    match above {
        None => CertifiedIssuer::self_signed(params, key),
        Some(above) => CertifiedIssuer::signed_by(params, key, above),
    }
}

fn make(address: SocketAddr) -> Result<Made, Box<dyn std::error::Error + Send + Sync>> {
    let servers = authority("Simulated server authority", None)?;
    let clients = authority("Simulated SAP Cloud Root CA", None)?;
    // Clients must send the whole chain, as SAP's service keys have it.
    let between = authority("Simulated SAP PKI Certificate Service Client CA", Some(&clients))?;

    let mut params = CertificateParams::new([address.ip().to_string()])?;
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let server_key = KeyPair::generate()?;
    let server = params.signed_by(&server_key, &servers)?;

    let mut params = CertificateParams::default();
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let subject = &mut params.distinguished_name;
    subject.push(DnType::CountryName, "DE");
    subject.push(DnType::OrganizationName, "SAP SE");
    subject.push(DnType::OrganizationalUnitName, "SAP Cloud Platform Clients");
    subject.push(DnType::CommonName, CLIENT_ID);
    let client_key = KeyPair::generate()?;
    let client = params.signed_by(&client_key, &between)?;

    let mut roots = RootCertStore::empty();
    roots.add(clients.der().clone())?;
    let provider = Arc::new(default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build()?;
    let key = PrivateKeyDer::try_from(server_key.serialize_der())?;
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![server.der().clone()], key)?;
    Ok(Made {
        acceptor: TlsAcceptor::from(Arc::new(config)),
        server_authority: servers.pem(),
        client_chain: client.pem() + &between.pem(),
        client: client.der().clone(),
        client_key: client_key.serialize_pem(),
    })
}

//! The client certificate of an x509 service key, and the private key that belongs to it (sap-wire.md §1.1).

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use pkcs8::der::asn1::OctetStringRef;
use pkcs8::der::{AnyRef, Encode};
use pkcs8::spki::AlgorithmIdentifier;
use pkcs8::{ObjectIdentifier, PrivateKeyInfoRef};
use rustls::client::ResolvesClientCert;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretSlice, SecretString};
use x509_cert::der::Decode;
use x509_cert::der::pem::{LineEnding, encode_string};

use crate::error::Error;

/// The fields of an x509 service key, as SAP spells them.
pub(crate) const CERTIFICATE: &str = "certificate";
pub(crate) const KEY: &str = "key";

const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const ELLIPTIC_CURVE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");

/// A certificate and those that lead from it to its authority: what of an x509 service key is public.
#[derive(Clone, PartialEq, Eq)]
pub struct Certificate {
    /// The client's own comes first.
    chain: Vec<CertificateDer<'static>>,
    subject: String,
    valid_until: x509_cert::time::Time,
}

impl Certificate {
    /// Reads a chain in PEM form, the client's own certificate first. Line ends may be the two characters `\n`, as they
    /// are after a service key has gone through a shell or a YAML file. Whatever stands between the certificates is
    /// passed over.
    ///
    /// # Errors
    /// [`Error::ClientCertificateUnreadable`].
    pub fn from_pem(text: &str) -> Result<Self, Error> {
        let unreadable = |reason| Error::ClientCertificateUnreadable {
            field: CERTIFICATE,
            reason,
        };
        let chain: Result<Vec<_>, _> =
            CertificateDer::pem_slice_iter(with_line_ends(text).as_bytes()).collect();
        let chain = chain.map_err(|_| unreadable("is broken PEM; it may have been cut"))?;
        let own = chain
            .first()
            .ok_or_else(|| unreadable("holds no certificate in PEM form"))?;
        let parsed = x509_cert::Certificate::from_der(own)
            .map_err(|_| unreadable("holds something else than an X.509 certificate"))?;
        let about = parsed.tbs_certificate();
        Ok(Self {
            subject: about.subject().to_string(),
            valid_until: about.validity().not_after,
            chain,
        })
    }

    /// The chain in PEM form, and nothing else.
    pub fn to_pem(&self) -> String {
        let encode = |der: &CertificateDer<'_>| encode_string("CERTIFICATE", LineEnding::LF, der);
        // It fails only for a text of more bytes than there are addresses.
        self.chain.iter().filter_map(|der| encode(der).ok()).collect()
    }

    /// Whom it names, like `CN=…,OU=…,O=SAP SE,C=DE`.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// The last moment at which it is good.
    pub fn valid_until(&self) -> SystemTime {
        self.valid_until.to_system_time()
    }

    /// Whether the certificate is still good at a time.
    ///
    /// # Errors
    /// [`Error::ClientCertificateExpired`].
    pub fn check_expiry(&self, now: SystemTime) -> Result<(), Error> {
        if now <= self.valid_until() {
            return Ok(());
        }
        Err(Error::ClientCertificateExpired {
            when: self.valid_until.to_string(),
        })
    }
}

/// A certificate with its private key. `Debug` never shows the key. What is kept of it here is overwritten when it is
/// dropped; the copy inside the TLS library is not.
#[derive(Clone)]
pub struct ClientCertificate {
    certificate: Certificate,
    /// PKCS#8 in DER form.
    private_key: SecretSlice<u8>,
    ready: Arc<CertifiedKey>,
}

impl ClientCertificate {
    /// Reads what a service key holds: a certificate as [`Certificate::from_pem`] takes it, and its private key in PEM
    /// form, as PKCS#8, PKCS#1 (RSA) or SEC1 (elliptic curves).
    ///
    /// # Errors
    /// [`Error::ClientCertificateUnreadable`], [`Error::ClientCertificateKey`], and
    /// [`Error::ClientCertificateExpired`]: whoever gives a certificate now can give another one.
    pub fn from_pem(certificate: &str, private_key: &SecretString) -> Result<Self, Error> {
        let certificate = Certificate::from_pem(certificate)?;
        certificate.check_expiry(SystemTime::now())?;
        Self::new(certificate, read_private_key(private_key)?)
    }

    /// Puts a certificate together with its private key in PKCS#8 DER form. That it has expired is no error: it is told
    /// when a token is asked for.
    ///
    /// # Errors
    /// [`Error::ClientCertificateUnreadable`] and [`Error::ClientCertificateKey`].
    pub fn new(certificate: Certificate, private_key: SecretSlice<u8>) -> Result<Self, Error> {
        let key = load(&private_key).ok_or(Error::ClientCertificateUnreadable {
            field: KEY,
            reason: "holds no private key of a kind that Coretap can use (RSA, P-256, P-384, Ed25519)",
        })?;
        let ready = CertifiedKey::new(certificate.chain.clone(), key);
        ready.keys_match().map_err(|_| Error::ClientCertificateKey)?;
        Ok(Self {
            certificate,
            private_key,
            ready: Arc::new(ready),
        })
    }

    /// Its public part.
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// Its private key in PKCS#8 DER form.
    pub fn private_key(&self) -> &SecretSlice<u8> {
        &self.private_key
    }

    /// What offers it to a server that asks for it.
    pub(crate) fn resolver(&self) -> Arc<dyn ResolvesClientCert> {
        Arc::new(SingleCertAndKey::from(Arc::clone(&self.ready)))
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate")
            .field("subject", &self.subject)
            .field("valid_until", &format_args!("{}", self.valid_until))
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientCertificate")
            .field("certificate", &self.certificate)
            .field("private_key", &format_args!("<redacted>"))
            .finish_non_exhaustive()
    }
}

/// PEM whose line ends are line ends.
fn with_line_ends(text: &str) -> String {
    text.replace("\\n", "\n")
}

/// A private key in PEM form as PKCS#8 DER.
fn read_private_key(pem: &SecretString) -> Result<SecretSlice<u8>, Error> {
    let unreadable = |reason| Error::ClientCertificateUnreadable { field: KEY, reason };
    let pem = Zeroizing::new(with_line_ends(pem.expose_secret()));
    let Ok(key) = PrivateKeyDer::from_pem_slice(pem.as_bytes()) else {
        return Err(unreadable(if pem.contains("ENCRYPTED") {
            "is encrypted; it is needed without a password"
        } else {
            "holds no private key in PEM form; it may have been cut"
        }));
    };
    let key = Zeroizing::new(key);
    let wrapped = match &*key {
        PrivateKeyDer::Pkcs8(der) => Some(SecretSlice::from(der.secret_pkcs8_der().to_vec())),
        PrivateKeyDer::Pkcs1(der) => in_pkcs8(RSA, AnyRef::NULL, der.secret_pkcs1_der()),
        // The curve may be named in the key or not; a key fits one curve only.
        PrivateKeyDer::Sec1(der) => [P256, P384].iter().find_map(|curve| {
            in_pkcs8(ELLIPTIC_CURVE, AnyRef::from(curve), der.secret_sec1_der())
                .filter(|der| load(der).is_some())
        }),
        _ => None,
    };
    wrapped.ok_or_else(|| unreadable("holds no private key of a kind that Coretap can use"))
}

/// The older forms of a private key are what PKCS#8 holds together with the name of the algorithm (RFC 5208 §5).
fn in_pkcs8(algorithm: ObjectIdentifier, parameters: AnyRef<'_>, key: &[u8]) -> Option<SecretSlice<u8>> {
    let algorithm = AlgorithmIdentifier {
        oid: algorithm,
        parameters: Some(parameters),
    };
    let wrapped = PrivateKeyInfoRef::new(algorithm, OctetStringRef::new(key).ok()?);
    wrapped.to_der().ok().map(SecretSlice::from)
}

fn load(private_key: &SecretSlice<u8>) -> Option<Arc<dyn rustls::sign::SigningKey>> {
    let der = PrivatePkcs8KeyDer::from(private_key.expose_secret().to_vec());
    ring::sign::any_supported_type(&der.into()).ok()
}

//! Certificate authorities that are trusted beside the system's, such as that of a company's proxy.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::error::Error;

/// Further authorities; none by default. Cheap to clone.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ExtraRoots {
    certificates: Arc<[CertificateDer<'static>]>,
}

impl ExtraRoots {
    /// Reads a file with one or more certificates in PEM form. Whatever stands between them is passed over.
    ///
    /// # Errors
    /// [`Error::ExtraRoots`], which names the file: it can't be read, holds no certificate, or one that is broken.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let refused = |reason: String| Error::ExtraRoots {
            path: path.display().to_string(),
            reason,
        };
        let pem = std::fs::read(path).map_err(|error| refused(format!("can't be read: {error}")))?;
        let mut certificates = Vec::new();
        for (index, certificate) in CertificateDer::pem_slice_iter(&pem).enumerate() {
            let broken = || refused(format!("is broken at its certificate {}", index + 1));
            let certificate = certificate.map_err(|_| broken())?;
            RootCertStore::empty()
                .add(certificate.clone())
                .map_err(|_| broken())?;
            certificates.push(certificate);
        }
        if certificates.is_empty() {
            return Err(refused("holds no certificate in PEM form".to_owned()));
        }
        Ok(Self {
            certificates: certificates.into(),
        })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.certificates.is_empty()
    }

    pub(crate) fn certificates(&self) -> impl Iterator<Item = CertificateDer<'static>> + '_ {
        self.certificates.iter().cloned()
    }
}

/// How many there are: nobody reads their bytes.
impl fmt::Debug for ExtraRoots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ExtraRoots({})", self.certificates.len())
    }
}

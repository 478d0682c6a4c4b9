//! Whom a server's certificate must come from, and what was wrong with one that did not hold.
//!
//! The system's roots count, as its own programs see them (`SSL_CERT_FILE` and `SSL_CERT_DIR` in their place where those are
//! set), and what an operator adds: the root of an organisation that signs for its own hosts.

use std::error::Error;
use std::io;

use reqwest::Certificate;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{CertificateError, RootCertStore};

/// Root certificates beside those of the system.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExtraRoots {
    certificates: Vec<CertificateDer<'static>>,
}

/// What was given holds no certificates.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}; expected certificates in PEM form")]
pub struct BadRoots {
    reason: String,
}

impl ExtraRoots {
    /// Adds all certificates of a PEM file.
    ///
    /// # Errors
    /// Where there are none, or one of them is none of an authority's that can be read.
    pub fn add_pem(&mut self, pem: &[u8]) -> Result<(), BadRoots> {
        let bad = |reason: String| BadRoots { reason };
        let n_before = self.certificates.len();
        for found in CertificateDer::pem_slice_iter(pem) {
            let certificate = found.map_err(|error| bad(error.to_string()))?;
            RootCertStore::empty()
                .add(certificate.clone())
                .map_err(|error| {
                    let n = self.certificates.len() - n_before + 1;
                    bad(format!("certificate {n} cannot be read: {error}"))
                })?;
            self.certificates.push(certificate);
        }
        if self.certificates.len() == n_before {
            return Err(bad("there is no certificate in it".to_owned()));
        }
        Ok(())
    }

    /// As the HTTP client takes them.
    pub(crate) fn certificates(&self) -> Vec<Certificate> {
        self.certificates
            .iter()
            .filter_map(|der| Certificate::from_der(der).ok())
            .collect()
    }
}

/// What is wrong with the certificate that broke a connection off; `None` where it was something else.
pub(crate) fn certificate_fault(error: &(dyn Error + 'static)) -> Option<&'static str> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(rustls::Error::InvalidCertificate(fault)) = error.downcast_ref() {
            return Some(in_words(fault));
        }
        // An I/O error counts as the source of what it wraps, not as the thing itself.
        next = match error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref)
        {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}

const fn in_words(fault: &CertificateError) -> &'static str {
    match fault {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "has expired",
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "is not valid yet"
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "is for another host"
        }
        CertificateError::UnknownIssuer => "comes from nobody whom this system trusts",
        CertificateError::Revoked => "has been revoked",
        _ => "does not hold",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roots_are_certificates() {
        let root = cairn_testkit::TestRoot::new();
        let mut roots = ExtraRoots::default();
        roots.add_pem(root.pem().repeat(2).as_bytes()).unwrap();
        assert_eq!(roots.certificates().len(), 2);
        let empty = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        for (pem, expect) in [
            ("", "no certificate"),
            ("text", "no certificate"),
            (empty, "certificate 1 cannot be read"),
        ] {
            let error = roots.add_pem(pem.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(expect), "{pem}: {error}");
        }
        assert_eq!(roots.certificates().len(), 2, "nothing was half added");
    }

    #[test]
    fn faults_are_found_however_deep() {
        let fault = || rustls::Error::InvalidCertificate(CertificateError::Expired);
        let wrapped = io::Error::other(io::Error::other(fault()));
        assert_eq!(certificate_fault(&wrapped), Some("has expired"));
        assert_eq!(certificate_fault(&fault()), Some("has expired"));
        let other = io::Error::other(rustls::Error::HandshakeNotComplete);
        assert_eq!(certificate_fault(&other), None);
    }
}

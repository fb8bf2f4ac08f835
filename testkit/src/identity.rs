//! Certificates that nobody has signed but themselves, with their keys.

use std::fmt;

use rcgen::{CertificateParams, KeyPair, date_time_ymd};

/// A certificate for some names, and its key.
#[derive(Clone)]
pub struct Identity {
    /// The certificate as PEM.
    pub certificate_pem: String,
    /// The certificate as DER.
    pub certificate_der: Vec<u8>,
    /// Its key as PEM.
    pub key_pem: String,
    /// Its key as DER (PKCS #8).
    pub(crate) key_der: Vec<u8>,
}

impl Identity {
    /// One for 127.0.0.1 and localhost, good for longer than any test.
    pub fn local() -> Self {
        Self::new(&["127.0.0.1", "localhost"], (1975, 4096))
    }

    /// One for these names or addresses, valid from the beginning of the first of these years to that of the second.
    ///
    /// # Panics
    /// If a name is none.
    pub fn new(names: &[&str], (from, until): (i32, i32)) -> Self {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let mut params = CertificateParams::new(names).expect("the names are valid");
        (params.not_before, params.not_after) = (date_time_ymd(from, 1, 1), date_time_ymd(until, 1, 1));
        let key = KeyPair::generate().expect("ring makes keys");
        let certificate = params.self_signed(&key).expect("the key fits");
        Self {
            certificate_pem: certificate.pem(),
            certificate_der: certificate.der().to_vec(),
            key_pem: key.serialize_pem(),
            key_der: key.serialize_der(),
        }
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").finish_non_exhaustive()
    }
}

//! An authority of the test's own, and the certificates that it signs: good, expired, and of another host.

use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    date_time_ymd,
};
use tempfile::TempDir;

/// An authority with a folder for its files; gone with it.
pub(crate) struct Authority {
    folder: TempDir,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate with its key, as files in PEM form.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    /// The certificate.
    pub(crate) certificate: PathBuf,
    /// Its private key, PKCS#8.
    pub(crate) key: PathBuf,
    /// Both in one file, as Kafka's `ssl.keystore.type=PEM` wants them.
    pub(crate) both: PathBuf,
}

impl Authority {
    /// Creates an authority.
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let folder = tempfile::Builder::new().prefix("sluice-certificates-").tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), certificate.pem()).unwrap();
        Self { folder, issuer: Issuer::new(params, key) }
    }

    /// Returns the file with the authority's own certificate.
    pub(crate) fn file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// Signs a certificate for these host names and addresses, which is also good for clients.
    pub(crate) fn sign(&self, name: &str, hosts: &[&str]) -> Identity {
        self.sign_until(name, hosts, 2096)
    }

    /// Signs one that expired long ago.
    pub(crate) fn sign_expired(&self, name: &str, hosts: &[&str]) -> Identity {
        self.sign_until(name, hosts, 2020)
    }

    fn sign_until(&self, name: &str, hosts: &[&str], year: i32) -> Identity {
        let mut params = CertificateParams::new(hosts.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        params.not_before = date_time_ymd(2019, 1, 1);
        params.not_after = date_time_ymd(year, 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap().pem();
        let write = |end: &str, text: &str| write(self.folder.path(), &format!("{name}.{end}"), text);
        Identity {
            certificate: write("pem", &certificate),
            key: write("key", &key.serialize_pem()),
            both: write("both.pem", &format!("{}{certificate}", key.serialize_pem())),
        }
    }
}

fn write(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path
}

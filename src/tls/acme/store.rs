//! The folder in which the account and the certificate are kept. Both hold private keys: nobody but
//! the owner reads them.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use forebay_relay::state::{Access, Dir};
use url::Url;

/// For the owner of a folder.
const FOLDER_MODE: u32 = 0o700;

const ACCOUNT: &str = "account.json";

/// The key first and the chain behind it, in one file: it is whole or not there.
const CERTIFICATE: &str = "certificate.pem";

/// What is kept of one authority.
#[derive(Debug)]
pub(super) struct Store {
    dir: Dir,
}

impl Store {
    /// Makes the folder where it is missing, and makes sure that it can be written to: a
    /// certificate that is lost at a restart is one of the few that an authority signs in a week.
    pub(super) fn open(cache: &Path, directory: &Url) -> io::Result<Self> {
        let folder = cache.join(name(directory));
        let dir = Dir::new(&folder, Access::Owner);
        dir.create()?;
        // It may have been made by somebody else.
        fs::set_permissions(&folder, Permissions::from_mode(FOLDER_MODE))?;
        // Tried at the start, where an operator sees it, and not after the authority has signed.
        dir.write("probe", b"")?;
        dir.remove("probe")?;
        Ok(Self { dir })
    }

    /// The account's credentials.
    pub(super) fn account(&self) -> io::Result<Option<Vec<u8>>> {
        self.dir.read(ACCOUNT)
    }

    pub(super) fn save_account(&self, json: &[u8]) -> io::Result<()> {
        self.dir.write(ACCOUNT, json)
    }

    /// The authority does not know the account any more.
    pub(super) fn forget_account(&self) -> io::Result<()> {
        self.dir.remove(ACCOUNT)
    }

    /// The certificate with its key, in PEM.
    pub(super) fn certificate(&self) -> io::Result<Option<Vec<u8>>> {
        self.dir.read(CERTIFICATE)
    }

    pub(super) fn save_certificate(&self, pem: &[u8]) -> io::Result<()> {
        self.dir.write(CERTIFICATE, pem)
    }
}

/// A folder for each directory, so that a trial with an authority's staging does not mix with the
/// real thing.
fn name(directory: &Url) -> String {
    let address = directory.as_str().trim_start_matches("https://");
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' };
    address.trim_end_matches('/').chars().map(plain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_for_the_owner_alone_and_survives() {
        let folder = tempfile::tempdir().unwrap();
        let cache = folder.path().join("state/acme");
        let directory = Url::parse("https://acme.example:9000/acme/x/directory").unwrap();
        let store = Store::open(&cache, &directory).unwrap();
        assert_eq!((store.account().unwrap(), store.certificate().unwrap()), (None, None));
        store.save_account(b"old").unwrap();
        store.save_account(b"new").unwrap();
        store.save_certificate(b"pem").unwrap();

        let inside = cache.join("acme.example-9000-acme-x-directory");
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        let mut names: Vec<_> = inside
            .read_dir()
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names, [ACCOUNT, CERTIFICATE]);
        assert_eq!([mode(&cache), mode(&inside)], [0o700; 2]);
        assert_eq!([mode(&inside.join(ACCOUNT)), mode(&inside.join(CERTIFICATE))], [0o600; 2]);

        let store = Store::open(&cache, &directory).unwrap();
        assert_eq!(store.account().unwrap().as_deref(), Some(&b"new"[..]));
        assert_eq!(store.certificate().unwrap().as_deref(), Some(&b"pem"[..]));
        store.forget_account().unwrap();
        assert_eq!(store.account().unwrap(), None);
    }

    #[test]
    fn a_folder_that_cannot_be_is_found_out_at_once() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("file"), "").unwrap();
        let directory = Url::parse("https://acme.example/").unwrap();
        assert!(Store::open(&folder.path().join("file"), &directory).is_err());
    }
}

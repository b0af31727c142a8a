//! Certificates from files, read again when they change.
//!
//! A mounted Secret is updated by swapping the symlink `..data` in its directory: the files that were opened
//! never change, so a watch on them sees nothing. The content is polled and compared instead.

use std::{
    fs,
    hash::{BuildHasher, RandomState},
    io,
    path::{Path, PathBuf},
    pin::pin,
    sync::Arc,
    time::Duration,
};

use super::{LiveCertificate, ServingCertificate, TlsError};

/// How often a pair of files is read again when it changes while it is being read.
const ATTEMPTS: usize = 3;

/// Why a certificate could not be loaded, and from where.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// The file cannot be read.
    #[error("cannot read {path}: {source}; check the path, the mount and the permissions", path = path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is read, but what is in it cannot be used.
    #[error("{path}: {problem}", path = path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        problem: TlsError,
    },
    /// Each file is fine, but they do not belong together.
    #[error("{key} does not belong to {certificate}: {problem}", key = key.display(), certificate = certificate.display())]
    Pair {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// What is wrong between them.
        #[source]
        problem: TlsError,
    },
    /// The files changed each time that they were read.
    #[error("{path} keeps changing while it is read; it is tried again at the next poll", path = path.display())]
    Unsettled {
        /// The certificate's file.
        path: PathBuf,
    },
}

/// Where the serving certificate (chain, leaf first) and its key are, both PEM: `tls.crt` and `tls.key` of a
/// `kubernetes.io/tls` Secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The certificate chain.
    pub certificate: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

impl CertificateFiles {
    /// Reads and checks both files.
    ///
    /// # Errors
    /// [`FileError`] naming the file and what is wrong with it.
    pub fn load(&self) -> Result<ServingCertificate, FileError> {
        self.parse(&self.read()?)
    }

    fn read(&self) -> Result<Contents, FileError> {
        for _ in 0..ATTEMPTS {
            let certificate = read(&self.certificate)?;
            let key = read(&self.key)?;
            // The same certificate before and after the key: no swap fell between the two.
            if read(&self.certificate)? == certificate {
                return Ok(Contents { certificate, key });
            }
        }
        Err(FileError::Unsettled {
            path: self.certificate.clone(),
        })
    }

    fn parse(&self, contents: &Contents) -> Result<ServingCertificate, FileError> {
        ServingCertificate::from_pem(&contents.certificate, &contents.key).map_err(|problem| match problem {
            TlsError::KeyMismatch => FileError::Pair {
                certificate: self.certificate.clone(),
                key: self.key.clone(),
                problem,
            },
            TlsError::NoKey { .. } | TlsError::UnsupportedKey(_) => FileError::Invalid {
                path: self.key.clone(),
                problem,
            },
            // Damaged Base64 can stand in either; the certificate alone tells in which.
            TlsError::Pem(_) if super::pem::certificates(&contents.certificate).is_ok() => {
                FileError::Invalid {
                    path: self.key.clone(),
                    problem,
                }
            }
            _ => FileError::Invalid {
                path: self.certificate.clone(),
                problem,
            },
        })
    }
}

struct Contents {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

fn read(path: &Path) -> Result<Vec<u8>, FileError> {
    fs::read(path).map_err(|source| FileError::Unreadable {
        path: path.to_owned(),
        source,
    })
}

/// What one look at the files found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reload {
    /// The content is the one already looked at.
    Unchanged,
    /// New content, now in use.
    Replaced,
}

/// Keeps a [`LiveCertificate`] in step with its files. A bad file never replaces a good certificate.
#[derive(Debug)]
pub struct Reloader {
    files: CertificateFiles,
    live: Arc<LiveCertificate>,
    hasher: RandomState,
    loaded: Option<u64>,
}

impl Reloader {
    /// Loads the files for the first time.
    ///
    /// # Errors
    /// [`FileError`] naming the file and what is wrong with it.
    pub fn start(files: CertificateFiles) -> Result<(Arc<LiveCertificate>, Self), FileError> {
        let contents = files.read()?;
        let live = LiveCertificate::new(files.parse(&contents)?);
        let mut reloader = Self {
            files,
            live: Arc::clone(&live),
            hasher: RandomState::new(),
            loaded: None,
        };
        reloader.loaded = Some(reloader.fingerprint(&contents));
        Ok((live, reloader))
    }

    /// Looks once. On an error the certificate in use stays, and the next look tries again.
    ///
    /// # Errors
    /// [`FileError`] naming the file and what is wrong with it.
    pub fn poll(&mut self) -> Result<Reload, FileError> {
        let contents = self.files.read()?;
        let fingerprint = self.fingerprint(&contents);
        if self.loaded == Some(fingerprint) {
            return Ok(Reload::Unchanged);
        }
        self.live.replace(self.files.parse(&contents)?);
        self.loaded = Some(fingerprint);
        Ok(Reload::Replaced)
    }

    /// Looks every `interval` until `stop` resolves, off the threads that serve. Every outcome is given to
    /// `observe`, for counters; changes and new errors are logged.
    pub async fn run(
        mut self,
        interval: Duration,
        stop: impl Future<Output = ()> + Send,
        observe: impl Fn(&Result<Reload, FileError>) + Send,
    ) {
        let mut stop = pin!(stop);
        let mut last_error: Option<String> = None;
        loop {
            tokio::select! {
                () = &mut stop => return,
                () = tokio::time::sleep(interval) => {}
            }
            let looked = tokio::task::spawn_blocking(move || {
                let outcome = self.poll();
                (self, outcome)
            });
            // The task neither panics nor is cancelled while the runtime lives.
            let Ok((reloader, outcome)) = looked.await else {
                return;
            };
            self = reloader;
            last_error = log(&outcome, last_error.as_deref(), &self.live);
            observe(&outcome);
        }
    }

    fn fingerprint(&self, contents: &Contents) -> u64 {
        self.hasher.hash_one((&contents.certificate, &contents.key))
    }
}

/// Says each thing once: a file that stays broken is not reported at every look.
fn log(
    outcome: &Result<Reload, FileError>,
    last_error: Option<&str>,
    live: &LiveCertificate,
) -> Option<String> {
    match outcome {
        Ok(Reload::Unchanged) => None,
        Ok(Reload::Replaced) => {
            tracing::info!(not_after = %live.not_after(), "serving certificate replaced");
            None
        }
        Err(error) => {
            let text = error.to_string();
            if last_error != Some(text.as_str()) {
                tracing::warn!(error = %text, not_after = %live.not_after(), "serving certificate not reloaded");
            }
            Some(text)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use jiff::Timestamp;

    use super::*;
    use crate::tls::{Authority, Bundle};

    fn issue() -> Bundle {
        let now = Timestamp::now();
        Authority::generate("test", now)
            .unwrap()
            .issue(&["localhost"], now)
            .unwrap()
    }

    /// What the kubelet's atomic writer does (`k8s.io/kubernetes/pkg/volume/util/atomic_writer.go`): a directory
    /// with the new content, a new symlink to it, renamed over `..data`, the old directory removed.
    fn publish(volume: &Path, generation: &str, certificate: &str, key: &str) {
        let directory = volume.join(format!("..{generation}"));
        fs::create_dir(&directory).unwrap();
        fs::write(directory.join("tls.crt"), certificate).unwrap();
        fs::write(directory.join("tls.key"), key).unwrap();
        let old = fs::read_link(volume.join("..data")).ok();
        symlink(directory.file_name().unwrap(), volume.join("..data_tmp")).unwrap();
        fs::rename(volume.join("..data_tmp"), volume.join("..data")).unwrap();
        for name in ["tls.crt", "tls.key"] {
            if old.is_none() {
                symlink(Path::new("..data").join(name), volume.join(name)).unwrap();
            }
        }
        if let Some(old) = old {
            fs::remove_dir_all(volume.join(old)).unwrap();
        }
    }

    fn publish_bundle(volume: &Path, generation: &str, bundle: &Bundle) {
        publish(volume, generation, &bundle.cert_pem, bundle.key_pem.expose());
    }

    fn files(volume: &Path) -> CertificateFiles {
        CertificateFiles {
            certificate: volume.join("tls.crt"),
            key: volume.join("tls.key"),
        }
    }

    fn der(bundle: &Bundle) -> Vec<u8> {
        crate::tls::certificates(bundle.cert_pem.as_bytes()).unwrap()[0].to_vec()
    }

    #[test]
    fn a_swapped_secret_volume_is_seen() {
        let volume = tempfile::tempdir().unwrap();
        let (first, second) = (issue(), issue());
        publish_bundle(volume.path(), "2026_11_21_1", &first);
        let (live, mut reloader) = Reloader::start(files(volume.path())).unwrap();
        assert_eq!(live.leaf(), der(&first));
        assert_eq!(reloader.poll().unwrap(), Reload::Unchanged);

        publish_bundle(volume.path(), "2026_11_21_2", &second);
        assert_eq!(reloader.poll().unwrap(), Reload::Replaced);
        assert_eq!(live.leaf(), der(&second));
        assert_eq!(reloader.poll().unwrap(), Reload::Unchanged);
    }

    #[test]
    fn a_bad_update_leaves_the_good_certificate_until_it_is_repaired() {
        let volume = tempfile::tempdir().unwrap();
        let (first, second) = (issue(), issue());
        publish_bundle(volume.path(), "1", &first);
        let (live, mut reloader) = Reloader::start(files(volume.path())).unwrap();

        publish(volume.path(), "2", &second.cert_pem, first.key_pem.expose());
        for _ in 0..2 {
            let error = reloader.poll().unwrap_err();
            assert!(matches!(error, FileError::Pair { .. }), "{error}");
            assert_eq!(live.leaf(), der(&first));
        }
        fs::remove_file(volume.path().join("tls.key")).unwrap();
        assert!(matches!(reloader.poll(), Err(FileError::Unreadable { .. })));
        symlink("..data/tls.key", volume.path().join("tls.key")).unwrap();

        publish_bundle(volume.path(), "3", &second);
        assert_eq!(reloader.poll().unwrap(), Reload::Replaced);
        assert_eq!(live.leaf(), der(&second));
    }

    #[test]
    fn errors_name_the_file_and_what_is_wrong_with_it() {
        let volume = tempfile::tempdir().unwrap();
        let bundle = issue();
        let (certificate, key) = (bundle.cert_pem.as_str(), bundle.key_pem.expose());
        let damaged = certificate.replacen('M', "!", 1);
        for (generation, certificate, key, file, words) in [
            ("1", "", key, "tls.crt", "it is empty"),
            ("2", key, certificate, "tls.crt", "it holds PRIVATE KEY"),
            ("3", certificate, certificate, "tls.key", "it holds CERTIFICATE"),
            ("4", certificate, "", "tls.key", "it is empty"),
            ("5", &damaged, key, "tls.crt", "damaged PEM"),
            (
                "6",
                certificate,
                "-----BEGIN PRIVATE KEY-----\n!",
                "tls.key",
                "not complete",
            ),
            (
                "7",
                certificate,
                issue().key_pem.expose(),
                "tls.key",
                "does not belong to",
            ),
        ] {
            publish(volume.path(), generation, certificate, key);
            let error = files(volume.path()).load().unwrap_err().to_string();
            assert!(
                error.contains(file) && error.contains(words),
                "{generation}: {error}"
            );
        }
        let missing = files(&volume.path().join("absent"))
            .load()
            .unwrap_err()
            .to_string();
        assert!(
            missing.contains("absent/tls.crt") && missing.contains("check the path"),
            "{missing}"
        );
    }

    #[tokio::test]
    async fn the_loop_reports_every_look_and_ends_with_the_process() {
        let volume = tempfile::tempdir().unwrap();
        publish_bundle(volume.path(), "1", &issue());
        let (_, reloader) = Reloader::start(files(volume.path())).unwrap();
        publish_bundle(volume.path(), "2", &issue());
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let (seen, mut outcomes) = tokio::sync::mpsc::unbounded_channel();
        let stopped = async { stopped.await.unwrap_or_default() };
        let task = tokio::spawn(reloader.run(Duration::from_millis(1), stopped, move |outcome| {
            let _ = seen.send(outcome.as_ref().ok().copied());
        }));
        assert_eq!(outcomes.recv().await, Some(Some(Reload::Replaced)));
        assert_eq!(outcomes.recv().await, Some(Some(Reload::Unchanged)));
        stop.send(()).unwrap();
        task.await.unwrap();
    }
}

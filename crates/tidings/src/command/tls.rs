//! The server's certificate and key, from the files that the configuration names. Nothing of what
//! is in them is ever told.

use std::path::Path;

use anyhow::anyhow;
use tidings_server::{PemFile, TlsError, TlsKeys, TlsOptions, TlsVersion};

use crate::command::config::{self, Tls};
use crate::command::pem_file;

/// The keys to serve with; none without `tls.cert` and `tls.key`.
///
/// # Errors
///
/// A file cannot be read or is not what it should be; the error names it.
pub fn keys(tls: &Tls) -> anyhow::Result<Option<TlsKeys>> {
    let (Some(cert), Some(key)) = (&tls.cert, &tls.key) else {
        return Ok(None);
    };
    let chain = pem_file::read(cert).map_err(|error| error.context("tls.cert"))?;
    let private = pem_file::read(key).map_err(|error| error.context("tls.key"))?;
    let keys = TlsKeys::from_pem(&chain.text, &private.text, options(tls))
        .map_err(|error| anyhow!("{}: {error}", whose(&error, cert, key)))?;
    if private.is_public {
        tracing::warn!(
            file = %key.display(),
            "everybody on this machine may read the private key; `chmod o-rwx FILE` ends that"
        );
    }
    Ok(Some(keys))
}

fn options(tls: &Tls) -> TlsOptions {
    TlsOptions {
        min_version: match tls.min_version {
            config::TlsVersion::V1_2 => TlsVersion::V1_2,
            config::TlsVersion::V1_3 => TlsVersion::V1_3,
        },
    }
}

/// The keys of the configuration that an error is about, with their files.
fn whose(error: &TlsError, cert: &Path, key: &Path) -> String {
    let cert = format!("tls.cert: {}", cert.display());
    let key = format!("tls.key: {}", key.display());
    match error.file() {
        Some(PemFile::Certificate) => cert,
        Some(PemFile::Key) => key,
        None => format!("{cert}, {key}"),
    }
}

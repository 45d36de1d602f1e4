//! The server that `pub` and `sub` talk to: the client for it, and what is said of its errors. It
//! sends nothing.

use std::fmt;

use tidings_client::{BadCertificate, Client, ClientBuilder, Error};

use crate::command::cli::Target;
use crate::command::pem_file;

/// A client as the arguments say.
///
/// # Errors
///
/// The file of `--cacert` cannot be read.
pub fn client(target: &Target) -> anyhow::Result<ClientBuilder> {
    let mut builder = Client::builder(&target.url);
    if let Some(user) = &target.user {
        builder = builder.user(user);
    }
    // An empty variable is as good as none.
    if let Some(path) = target.cacert.as_ref().filter(|path| !path.is_empty()) {
        let file = pem_file::read(path.as_ref()).map_err(|error| error.context("--cacert"))?;
        builder = builder.authorities(file.text);
    }
    Ok(builder)
}

/// An error of the client, with the flag that mends it where there is one.
pub struct Told<'a>(pub &'a Error);

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(error) = self;
        write!(f, "{error}")?;
        match error {
            Error::Certificate(BadCertificate::Untrusted) => f.write_str(
                "\n  fix: if the server is yours, give the certificate of its authority with --cacert FILE",
            ),
            Error::Authorities(_) => {
                f.write_str("\n  fix: give a PEM file of certificates with --cacert FILE")
            }
            _ => Ok(()),
        }
    }
}

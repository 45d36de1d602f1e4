//! The server that `pub` and `sub` talk to: the client for it, and what is said of its errors. It
//! sends nothing.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use tidings_client::{BadCertificate, Client, ClientBuilder, Error};

use crate::command::cli::Target;
use crate::command::config::TOKEN_VARIABLE;
use crate::command::pem_file;

/// The most that is read of a token's file, in bytes.
const TOKEN_FILE: u64 = 64 << 10;

/// A client as the arguments say.
///
/// # Errors
///
/// The file of `--cacert` or of `--token-file` cannot be read.
pub fn client(target: &Target) -> anyhow::Result<ClientBuilder> {
    let mut builder = Client::builder(&target.url);
    if let Some(user) = &target.user {
        builder = builder.user(user);
    }
    builder = with_token(builder, target.token_file.as_deref())?;
    // An empty variable is as good as none.
    if let Some(path) = target.cacert.as_ref().filter(|path| !path.is_empty()) {
        let file = pem_file::read(path.as_ref()).map_err(|error| error.context("--cacert"))?;
        builder = builder.authorities(file.text);
    }
    Ok(builder)
}

/// With the token of the file, else of the environment: a flag would be seen by everybody on the machine.
fn with_token(builder: ClientBuilder, file: Option<&Path>) -> anyhow::Result<ClientBuilder> {
    let Some(path) = file else {
        let token = std::env::var(TOKEN_VARIABLE).unwrap_or_default();
        return Ok(match token.trim() {
            "" => builder,
            token => builder.token(token),
        });
    };
    read_token(path).map_err(anyhow::Error::msg)?;
    let path = path.to_owned();
    Ok(builder.token_from(move || {
        // A file of some bytes: it is read where it stands.
        let token = read_token(&path);
        async { token }
    }))
}

fn read_token(path: &Path) -> Result<String, String> {
    let wrong = |why: &dyn fmt::Display| format!("--token-file {}: {why}", path.display());
    let mut text = String::new();
    let file = File::open(path).map_err(|error| wrong(&error))?;
    let read = file.take(TOKEN_FILE).read_to_string(&mut text);
    read.map_err(|error| wrong(&error))?;
    match text.trim() {
        "" => Err(wrong(&"it is empty")),
        token if token.contains(char::is_whitespace) => {
            Err(wrong(&"it holds more than a token: write the token alone"))
        }
        token => Ok(token.to_owned()),
    }
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
            _ => match error.code() {
                Some("unauthorized" | "token_expired") => f.write_str(
                    "\n  fix: give a token or key that is good with --token-file FILE, or in TIDINGS_TOKEN",
                ),
                _ => Ok(()),
            },
        }
    }
}

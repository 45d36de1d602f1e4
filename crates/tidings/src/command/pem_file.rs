//! Files of certificates and keys as they are read for TLS: whole, bounded, and with a look at who
//! else may read them. What is in them is judged by the crates below.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use anyhow::{Context, ensure};

/// Bytes of a file at most: all authorities of a system are a fifth of this.
const MOST: u64 = 1 << 20;

/// The bit of a file's mode by which others than its owner and group may read it.
const READ_BY_OTHERS: u32 = 0o004;

/// A file that was read.
pub struct PemFile {
    /// What is in it.
    pub text: Vec<u8>,
    /// Everybody on this machine may read it.
    pub is_public: bool,
}

/// Reads a file.
///
/// # Errors
///
/// It cannot be read, or is larger than any file of this kind; the error names it.
pub fn read(path: &Path) -> anyhow::Result<PemFile> {
    let (file, size) =
        read_some(path).with_context(|| format!("{} cannot be read", path.display()))?;
    ensure!(
        size <= MOST,
        "{} is larger than {MOST} bytes: it is no file of certificates or keys",
        path.display()
    );
    Ok(file)
}

/// Reads no more than one byte too many.
fn read_some(path: &Path) -> io::Result<(PemFile, u64)> {
    let file = File::open(path)?;
    let is_public = file.metadata()?.mode() & READ_BY_OTHERS != 0;
    let mut text = Vec::new();
    let size = file.take(MOST + 1).read_to_end(&mut text)? as u64;
    Ok((PemFile { text, is_public }, size))
}

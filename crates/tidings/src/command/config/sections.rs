//! What the tables of the configuration hold, as plain values. Paths of files are only named here:
//! whoever serves reads them. What a value means for a request is the business of the crates below.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tidings_core::{LagPolicy, Patterns};
use tidings_server::ForwardedField;

/// A text that is never shown: neither printed, nor logged, nor part of an error.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// `[channels]`: what channels can do.
#[derive(Clone, Debug, PartialEq)]
pub struct Channels {
    /// Who reads them can be told.
    pub presence: bool,
    /// All their messages are ephemeral.
    pub ephemeral: bool,
    /// Messages that one takes in a second, for long; 0: as many as come.
    pub publish_rate: u32,
}

/// `[lag]`: what happens to readers that lag. How far they may is in the limits.
#[derive(Clone, Debug, PartialEq)]
pub struct LagRules {
    /// What a reader gets that comes late to several messages.
    pub policy: LagPolicy,
    /// The JSON pointer (RFC 6901) to what a message is about; `None`: the publisher says it.
    pub by: Option<Arc<str>>,
    /// Readers are woken at most this often; zero: at every message.
    pub every: Duration,
}

/// `[auth]`: how those who come say who they are, besides tokens and keys.
#[derive(Clone, Debug, PartialEq)]
pub struct Auth {
    /// The cookie that may hold a token.
    pub cookie: Option<String>,
    /// Signs sessions, at least 32 bytes; with neither this nor the file: random at each start.
    pub session_secret: Option<Secret>,
    /// The file that holds it.
    pub session_secret_file: Option<PathBuf>,
    /// Whom to ask what tokens leave open: https, or http on this machine.
    pub authorize: Option<String>,
    /// Time for its answer.
    pub authorize_timeout: Duration,
    /// How long its answer holds where it says nothing else.
    pub authorize_cache: Duration,
    /// By how much clocks may differ.
    pub leeway: Duration,
    /// Time in which a ticket is first used.
    pub ticket_time: Duration,
}

/// `[tokens.NAME]`: one issuer of tokens. Exactly one of `secret`, `secret_file`, `key_file` and
/// `jwks` is set, and it fits the algorithm.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TokenSource {
    /// How they are signed; no other algorithm is taken.
    pub algorithm: Algorithm,
    /// The secret shared with the issuer, at least 32 bytes.
    pub secret: Option<Secret>,
    /// The file that holds it.
    pub secret_file: Option<PathBuf>,
    /// The issuer's public key, PEM.
    pub key_file: Option<PathBuf>,
    /// Where the issuer's public keys are: https, or http on this machine.
    pub jwks: Option<String>,
    /// The claim `iss` that they must have.
    pub issuer: Option<String>,
    /// What their claim `aud` must hold.
    pub audience: Option<String>,
    /// The `kid` of their header that names this source.
    pub kid: Option<String>,
}

/// How tokens are signed (RFC 7518, RFC 8037).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Algorithm {
    /// HMAC with SHA-256: a shared secret.
    #[default]
    Hs256,
    /// RSA, PKCS #1 v1.5, with SHA-256.
    Rs256,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// Ed25519.
    EdDsa,
}

impl Algorithm {
    /// All by name.
    pub const ALL: &[(&str, Self)] = &[
        ("HS256", Self::Hs256),
        ("RS256", Self::Rs256),
        ("ES256", Self::Es256),
        ("EdDSA", Self::EdDsa),
    ];
}

/// `[keys.NAME]`: the key of a part of the application.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ApiKey {
    /// SHA-256 of the key.
    pub hash: [u8; 32],
    /// Channels that it reads.
    pub subscribe: Patterns,
    /// Channels that it publishes to.
    pub publish: Patterns,
    /// Channels of which it sees the presence.
    pub presence: Patterns,
    /// It may use the administration.
    pub admin: bool,
}

/// `[admin]`: administration and metrics.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Admin {
    /// An address of their own; `None`: the main one, for keys with `admin`.
    pub listen: Option<SocketAddr>,
}

/// `[demo]`: the pages at `/demos/`.
#[derive(Clone, Debug, PartialEq)]
pub struct Demo {
    /// They are shown, and what they show goes on.
    pub on: bool,
    /// Where a language model is; `None`: none.
    pub model_url: Option<String>,
    /// Its name there.
    pub model: Option<String>,
    /// The key to it.
    pub model_key: Option<Secret>,
}

impl Default for Demo {
    /// Of an open server on loopback.
    fn default() -> Self {
        Self {
            on: true,
            model_url: None,
            model: None,
            model_key: None,
        }
    }
}

/// `[tls]`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tls {
    /// The certificate with its chain: set together with the key, or neither for plain HTTP.
    pub cert: Option<PathBuf>,
    /// Its private key.
    pub key: Option<PathBuf>,
    /// Where plain HTTP is answered with the way to https.
    pub redirect: Option<SocketAddr>,
    /// The oldest version that is spoken.
    pub min_version: TlsVersion,
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TlsVersion {
    /// RFC 5246.
    #[default]
    V1_2,
    /// RFC 8446.
    V1_3,
}

impl TlsVersion {
    /// All by name.
    pub const ALL: &[(&str, Self)] = &[("1.2", Self::V1_2), ("1.3", Self::V1_3)];
}

/// `[proxy]`: what stands before the server.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Proxy {
    /// Whose word about the client's address is believed.
    pub trusted: Vec<Network>,
    /// In which field they give it.
    pub field: ForwardedField,
    /// Connections begin with the PROXY protocol, version 2.
    pub protocol: bool,
}

/// A network, or one address: all addresses whose first bits are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    /// Its first address.
    pub address: IpAddr,
    /// How many bits are the same, at most 32 or 128.
    pub bits: u8,
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.address)?;
        match self.address {
            IpAddr::V4(_) if self.bits == 32 => Ok(()),
            IpAddr::V6(_) if self.bits == 128 => Ok(()),
            _ => write!(f, "/{}", self.bits),
        }
    }
}

/// `[log]`: what is logged and how.
#[derive(Clone, Debug, PartialEq)]
pub struct Log {
    /// How much.
    pub level: LogLevel,
    /// In which form.
    pub format: LogFormat,
}

/// How much is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogLevel {
    /// Nothing.
    Off,
    /// What failed.
    Error,
    /// And what may become a failure.
    Warn,
    /// And what an operator wants to know.
    Info,
    /// And what helps to find a fault.
    Debug,
    /// Everything.
    Trace,
}

/// In which form it is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// One JSON object per line.
    Json,
}

impl LogLevel {
    /// The levels by name.
    pub const ALL: &[(&str, Self)] = &[
        ("off", Self::Off),
        ("error", Self::Error),
        ("warn", Self::Warn),
        ("info", Self::Info),
        ("debug", Self::Debug),
        ("trace", Self::Trace),
    ];
}

impl LogFormat {
    /// The forms by name.
    pub const ALL: &[(&str, Self)] = &[("text", Self::Text), ("json", Self::Json)];
}

impl Default for Channels {
    fn default() -> Self {
        Self {
            presence: true,
            ephemeral: false,
            publish_rate: 0,
        }
    }
}

impl Default for LagRules {
    fn default() -> Self {
        Self {
            policy: LagPolicy::Keep,
            by: None,
            every: Duration::ZERO,
        }
    }
}

impl Default for Auth {
    fn default() -> Self {
        Self {
            cookie: Some("tidings_token".into()),
            session_secret: None,
            session_secret_file: None,
            authorize: None,
            authorize_timeout: Duration::from_secs(2),
            authorize_cache: Duration::from_secs(30),
            leeway: Duration::from_secs(5),
            ticket_time: Duration::from_secs(30),
        }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self {
            level: LogLevel::Info,
            format: LogFormat::Text,
        }
    }
}

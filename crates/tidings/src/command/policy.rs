//! From the configuration to what tells who somebody is: files of keys and secrets are read here,
//! and nothing of what is in them is ever told.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, anyhow, bail};
use tidings_auth::{
    Algorithm as Signed, ApiKey, ApiKeys, Issuer, KeySource, Sessions, VerificationKey, Verifier,
};
use tidings_core::Grants;
use tidings_server::outbound::{Authorizer, AuthorizerOptions, Outbound};
use tidings_server::{AccessRules, Auth, Policy, Tokens};

use crate::command::config::{Algorithm, Config, TokenSource, is_loopback};
use crate::command::pem_file;

/// Answers of the application that are kept.
const ANSWERS: usize = 10_000;

/// What holds by a configuration. `random` signs sessions where no secret is configured: the same
/// for as long as the process lives, or a reload would make every client a new one.
///
/// # Errors
///
/// A file cannot be read or is not what it should be, or values do not go together; the error names
/// the key.
pub fn policy(config: &Config, random: &[u8; 32]) -> anyhow::Result<Policy> {
    Ok(Policy {
        access: access(config),
        auth: auth(config, random)?,
        admin_elsewhere: config.admin.listen.is_some(),
    })
}

/// Whether all of it can be made: what keeps a server from starting, without starting anything.
///
/// # Errors
///
/// As with [`policy`].
pub fn check(config: &Config) -> anyhow::Result<()> {
    Verifier::new(issuers(&config.tokens)?)?;
    keys(config)?;
    sessions(config, &[0; 32])?;
    authorizer(config, Outbound::new(None, false)?)?;
    Ok(())
}

fn access(config: &Config) -> AccessRules {
    let only_here = is_loopback(config.listen);
    AccessRules {
        origins: config.origins.clone(),
        hosts: config.hosts.clone(),
        any_host: !only_here && config.hosts.is_empty(),
        // Pages of this machine ride on no cookie here: nobody is asked who they are.
        loopback_origins: only_here && config.is_open(),
        read_only: false,
        hides_own_channels: false,
    }
}

fn auth(config: &Config, random: &[u8; 32]) -> anyhow::Result<Auth> {
    let outbound = Outbound::new(None, false)?;
    let verifier = Verifier::new(issuers(&config.tokens)?)?;
    let verifier = verifier.with_leeway(config.auth.leeway.as_secs());
    Ok(Auth {
        tokens: Tokens::new(verifier, outbound.clone()).context("tokens")?,
        keys: keys(config)?,
        sessions: sessions(config, random)?,
        authorizer: authorizer(config, outbound)?,
        cookie: config.auth.cookie.clone(),
        open: config.is_open(),
        ticket_time: config.auth.ticket_time,
    })
}

fn keys(config: &Config) -> anyhow::Result<ApiKeys> {
    let key = |(name, key): (&String, &crate::command::config::ApiKey)| ApiKey {
        name: name.clone(),
        hash: key.hash,
        grants: Grants {
            subscribe: key.subscribe.clone(),
            publish: key.publish.clone(),
            presence: key.presence.clone(),
        },
        admin: key.admin,
    };
    Ok(ApiKeys::new(config.keys.iter().map(key).collect())?)
}

fn sessions(config: &Config, random: &[u8; 32]) -> anyhow::Result<Sessions> {
    let auth = &config.auth;
    let sessions = match (&auth.session_secret, &auth.session_secret_file) {
        (Some(secret), _) => Sessions::new(secret.0.as_bytes()).context("auth.session_secret")?,
        (None, Some(file)) => {
            let named = || format!("auth.session_secret_file: {}", file.display());
            Sessions::new(&secret_in(file).context("auth.session_secret_file")?)
                .with_context(named)?
        }
        (None, None) => Sessions::new(random)?,
    };
    Ok(sessions)
}

fn authorizer(config: &Config, outbound: Outbound) -> anyhow::Result<Option<Authorizer>> {
    let Some(url) = &config.auth.authorize else {
        return Ok(None);
    };
    let options = AuthorizerOptions {
        url: url.clone(),
        timeout: config.auth.authorize_timeout,
        cache_time: config.auth.authorize_cache,
        cache_entries: ANSWERS,
    };
    Authorizer::new(outbound, options)
        .map(Some)
        .context("auth.authorize")
}

/// Sources of one issuer are one: so a key is replaced by having both for a while.
fn issuers(sources: &BTreeMap<String, TokenSource>) -> anyhow::Result<Vec<Issuer>> {
    let mut issuers: Vec<Issuer> = Vec::new();
    for (name, source) in sources {
        let keys = source_keys(source).with_context(|| format!("tokens.{name}"))?;
        let known = issuers
            .iter_mut()
            .find(|known| known.issuer == source.issuer);
        match (known, keys) {
            (None, keys) => issuers.push(Issuer {
                name: name.clone(),
                issuer: source.issuer.clone(),
                audience: source.audience.clone(),
                keys,
            }),
            (Some(known), KeySource::Static(more)) if known.audience == source.audience => {
                match &mut known.keys {
                    KeySource::Static(keys) => keys.extend(more),
                    KeySource::Remote { .. } => bail!(together(name, &known.name)),
                }
            }
            (Some(known), _) => bail!(together(name, &known.name)),
        }
    }
    Ok(issuers)
}

fn together(name: &str, other: &str) -> String {
    format!(
        "tokens.{name} and tokens.{other} have the same `issuer`, or none, and do not go together: give each its own `issuer`, or the same `audience` and keys of their own"
    )
}

fn source_keys(source: &TokenSource) -> anyhow::Result<KeySource> {
    if let Some(url) = &source.jwks {
        return Ok(KeySource::Remote {
            url: url.clone(),
            algorithm: Some(signed(source.algorithm)),
        });
    }
    let key = match (&source.secret, &source.secret_file, &source.key_file) {
        (Some(secret), _, _) => {
            VerificationKey::from_secret(secret.0.as_bytes()).context("secret")?
        }
        (None, Some(file), _) => {
            let named = || format!("secret_file: {}", file.display());
            VerificationKey::from_secret(&secret_in(file).context("secret_file")?)
                .with_context(named)?
        }
        (None, None, Some(file)) => {
            let text = pem_file::read(file).context("key_file")?.text;
            let named = || format!("key_file: {}", file.display());
            VerificationKey::from_pem(&text).with_context(named)?
        }
        (None, None, None) => bail!("set `secret`, `secret_file`, `key_file` or `jwks`"),
    };
    if key.algorithm() != signed(source.algorithm) {
        return Err(anyhow!(
            "algorithm: the key is one for {}; write that, or give a key that fits",
            key.algorithm().as_str()
        ));
    }
    let key = match &source.kid {
        Some(id) => key.with_id(id.clone()),
        None => key,
    };
    Ok(KeySource::Static(vec![key]))
}

/// A secret in a file: without the end of its line, which editors put there.
fn secret_in(file: &Path) -> anyhow::Result<Vec<u8>> {
    let read = pem_file::read(file)?;
    if read.is_public {
        tracing::warn!(
            file = %file.display(),
            "everybody on this machine may read the secret; `chmod o-rwx FILE` ends that"
        );
    }
    let mut secret = read.text;
    for end in [b'\n', b'\r'] {
        if secret.last() == Some(&end) {
            secret.pop();
        }
    }
    Ok(secret)
}

fn signed(algorithm: Algorithm) -> Signed {
    match algorithm {
        Algorithm::Hs256 => Signed::Hs256,
        Algorithm::Rs256 => Signed::Rs256,
        Algorithm::Es256 => Signed::Es256,
        Algorithm::EdDsa => Signed::EdDsa,
    }
}

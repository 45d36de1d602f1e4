//! The keys of backends. What is configured is a hash, so that a configuration that is read by
//! others gives no key away; keys are random, so a plain SHA-256 is as good as any hash for it.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::Engine;
use tidings_core::{Claims, Grants, Role};

use crate::sha256;

/// What every key begins with. A token has dots, a key has none.
const PREFIX: &str = "tdk_";

/// What stands before the digits of a hash.
const HASH_PREFIX: &str = "sha256:";

/// The longest name in bytes.
const NAME_BYTES: usize = 64;

/// Characters of the random part: 32 bytes in base64url.
const SECRET_CHARS: usize = 43;

/// Longer texts are no keys.
const KEY_BYTES: usize = PREFIX.len() + NAME_BYTES + 1 + SECRET_CHARS;

/// A key as it is configured.
#[derive(Clone, Debug)]
pub struct ApiKey {
    /// The name of the backend.
    pub name: String,
    /// The SHA-256 of the whole key.
    pub hash: [u8; 32],
    /// The channels that it is for.
    pub grants: Grants,
    /// It may use the administration.
    pub admin: bool,
}

/// Why keys do not go together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApiKeysError {
    /// A name is none.
    #[error("the key {0:?}: {KeyNameError}")]
    Name(String),
    /// Two of one name.
    #[error("two keys are called {0:?}")]
    SameName(String),
    /// Two with one hash.
    #[error("the key {0:?} has the same hash as another: every key is its own")]
    SameHash(String),
}

/// A text is no name of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the name of a key has 1 to {NAME_BYTES} letters, digits, - and _ (ASCII)")]
pub struct KeyNameError;

/// A text is no hash of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a hash is written sha256: and 64 hexadecimal digits, as `tidings key hash` prints it")]
pub struct HashError;

/// The keys of all backends.
#[derive(Debug, Default)]
pub struct ApiKeys(Vec<([u8; 32], Arc<Claims>)>);

impl ApiKeys {
    /// These keys.
    ///
    /// # Errors
    ///
    /// [`ApiKeysError`].
    pub fn new(keys: Vec<ApiKey>) -> Result<Self, ApiKeysError> {
        let (mut names, mut hashes) = (HashSet::new(), HashSet::new());
        for ApiKey { name, hash, .. } in &keys {
            check_name(name).map_err(|_| ApiKeysError::Name(name.clone()))?;
            if !names.insert(name) {
                return Err(ApiKeysError::SameName(name.clone()));
            }
            if !hashes.insert(hash) {
                return Err(ApiKeysError::SameHash(name.clone()));
            }
        }
        Ok(Self(keys.into_iter().map(entry).collect()))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whom a key that somebody brought belongs to. All keys are compared, each in constant time.
    pub fn check(&self, presented: &str) -> Option<Arc<Claims>> {
        if !is_key(presented) {
            return None;
        }
        let hash = sha256(presented.as_bytes());
        let mut found = None;
        for (of, claims) in &self.0 {
            if verify_slices_are_equal(of, &hash).is_ok() {
                found = Some(claims);
            }
        }
        found.cloned()
    }
}

impl ApiKeys {
    /// Whether claims that a key once had are still those of a key: it was not taken away, replaced
    /// or given other rights.
    pub fn hold(&self, claims: &Claims) -> bool {
        self.0.iter().any(|(_, known)| **known == *claims)
    }
}

/// Whether a text is meant as a key, right or wrong, and not as a token.
fn is_key(text: &str) -> bool {
    text.len() <= KEY_BYTES && text.starts_with(PREFIX)
}

fn entry(key: ApiKey) -> ([u8; 32], Arc<Claims>) {
    let role = Role::Backend {
        name: key.name.into(),
        admin: key.admin,
    };
    let claims = Claims {
        role,
        grants: key.grants,
        // Tells it from another of the same name that takes its place.
        id: Some(hash_of(&key.hash).into()),
        ..Claims::anonymous()
    };
    (key.hash, Arc::new(claims))
}

fn check_name(name: &str) -> Result<(), KeyNameError> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    match (1..=NAME_BYTES).contains(&name.len()) && name.bytes().all(plain) {
        true => Ok(()),
        false => Err(KeyNameError),
    }
}

/// A key: `tdk_NAME_` and 32 random bytes in base64url.
#[derive(Clone)]
pub struct KeyText(String);

impl KeyText {
    /// A new key of this name, from random bytes.
    ///
    /// # Errors
    ///
    /// [`KeyNameError`].
    pub fn generate(name: &str, random: [u8; 32]) -> Result<Self, KeyNameError> {
        check_name(name)?;
        Ok(Self(format!(
            "{PREFIX}{name}_{}",
            crate::BASE64.encode(random)
        )))
    }

    /// The name in a text, if that has the form of a key.
    pub fn name_in(text: &str) -> Option<&str> {
        let rest = text.strip_prefix(PREFIX)?;
        let (name, secret) = rest.split_at_checked(rest.len().checked_sub(SECRET_CHARS + 1)?)?;
        let secret = crate::BASE64.decode(secret.strip_prefix('_')?).ok()?;
        (secret.len() == 32 && check_name(name).is_ok()).then_some(name)
    }

    /// The key: a secret.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its hash as it is configured.
    pub fn hash(&self) -> String {
        hash_text(&self.0)
    }
}

impl fmt::Debug for KeyText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyText(…)")
    }
}

/// The hash of a key as it is configured: `sha256:` and hexadecimal digits.
pub fn hash_text(key: &str) -> String {
    hash_of(&sha256(key.as_bytes()))
}

fn hash_of(hash: &[u8; 32]) -> String {
    let mut text = String::from(HASH_PREFIX);
    for byte in hash {
        text.push_str(&format!("{byte:02x}"));
    }
    text
}

/// The hash that a text of [`hash_text`] is of. Digits may be in capitals.
///
/// # Errors
///
/// [`HashError`].
pub fn parse_hash(text: &str) -> Result<[u8; 32], HashError> {
    let digits = text.strip_prefix(HASH_PREFIX).ok_or(HashError)?.as_bytes();
    let mut hash = [0; 32];
    if digits.len() != 2 * hash.len() {
        return Err(HashError);
    }
    for (byte, pair) in hash.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
    }
    Ok(hash)
}

fn nibble(digit: u8) -> Result<u8, HashError> {
    let value = char::from(digit).to_digit(16).ok_or(HashError)?;
    Ok(value as u8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tidings_core::Patterns;

    fn key(name: &str, random: u8) -> (KeyText, ApiKey) {
        let text = KeyText::generate(name, [random; 32]).unwrap();
        let grants = Grants {
            publish: Patterns::parse(["news:*"]).unwrap(),
            ..Grants::default()
        };
        let hash = parse_hash(&text.hash()).unwrap();
        let name = name.to_owned();
        let key = ApiKey {
            name,
            hash,
            grants,
            admin: random == 1,
        };
        (text, key)
    }

    #[test]
    fn a_key_is_whose_it_is() {
        let ((app, app_key), (ops, ops_key)) = (key("app", 0), key("ops-2_x", 1));
        let keys = ApiKeys::new(vec![app_key.clone(), ops_key]).unwrap();
        let claims = keys.check(app.as_str()).unwrap();
        assert_eq!(
            claims.role,
            Role::Backend {
                name: "app".into(),
                admin: false
            }
        );
        assert_eq!((&claims.grants, &claims.user), (&app_key.grants, &None));
        assert!(keys.check(ops.as_str()).unwrap().is_admin());
        for wrong in [
            "",
            "tdk_",
            "tdk_app_",
            key("app", 2).0.as_str(),
            key("apq", 0).0.as_str(),
            &app.as_str()[..app.as_str().len() - 1],
            &format!("{} ", app.as_str()),
            &app.as_str().to_uppercase(),
            &app.hash(),
            &"tdk_".repeat(1_000),
        ] {
            assert!(keys.check(wrong).is_none(), "{wrong}");
        }
        assert!(ApiKeys::default().check(app.as_str()).is_none());
    }

    #[test]
    fn keys_that_do_not_go_together() {
        let (_, app) = key("app", 0);
        let (_, other) = key("other", 1);
        let new = |name: &str, hash| ApiKey {
            name: name.into(),
            hash,
            ..app.clone()
        };
        let together = |two| ApiKeys::new(vec![app.clone(), two]).map(|_| ());
        assert_eq!(together(other.clone()), Ok(()));
        assert_eq!(
            together(new("app", other.hash)),
            Err(ApiKeysError::SameName("app".into()))
        );
        assert_eq!(
            together(new("b", app.hash)),
            Err(ApiKeysError::SameHash("b".into()))
        );
        assert_eq!(
            together(new("a b", other.hash)),
            Err(ApiKeysError::Name("a b".into()))
        );
    }

    #[test]
    fn a_text_of_a_key_shows_its_name_and_nothing_in_logs() {
        let (text, _) = key("ops-2_x", 1);
        assert_eq!(
            text.as_str(),
            "tdk_ops-2_x_AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE"
        );
        assert_eq!(KeyText::name_in(text.as_str()), Some("ops-2_x"));
        assert!(!format!("{text:?}").contains("AQEB"));
        for bad in ["", "a.b", "a b", "é", &"x".repeat(65)] {
            assert!(KeyText::generate(bad, [0; 32]).is_err(), "{bad}");
        }
        for bad in [
            "",
            "tdk_x",
            "tdk__AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE",
        ] {
            assert_eq!(KeyText::name_in(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_hash_is_read_as_it_is_written() {
        // The test vector "abc" of FIPS 180-2.
        let text = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(hash_text("abc"), text);
        assert_eq!(parse_hash(text).unwrap()[..2], [0xba, 0x78]);
        assert!(parse_hash(&text.replace("ba78", "BA78")).is_ok());
        for bad in [
            "",
            &text[7..],
            &text[..70],
            &text.replace("ba", "+a"),
            "sha256:é",
        ] {
            assert_eq!(parse_hash(bad), Err(HashError), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_text_is_too_much(text in ".{0,200}") {
            let (_, app) = key("app", 0);
            prop_assert!(ApiKeys::new(vec![app]).unwrap().check(&text).is_none());
            let _ = (KeyText::name_in(&text), parse_hash(&text));
        }
    }
}

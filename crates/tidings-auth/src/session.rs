//! Sessions: by the text of one, a client that comes back is the same client. It proves an id, and
//! carries no rights.

use aws_lc_rs::hmac;
use base64::Engine;
use tidings_core::ClientId;

use crate::key::SECRET_BYTES_MIN;

/// What every session of this form begins with: its version.
const VERSION: &str = "s1_";

/// The client and the time of issue, 8 bytes each, and the signature.
const BYTES: usize = 8 + 8 + 32;

/// Seconds by which the clocks of two nodes may differ.
const LEEWAY: u64 = 300;

/// Why a text is not a session to go on with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SessionError {
    /// No session at all.
    #[error("this is no session: send the text as it was given")]
    Malformed,
    /// Of somebody else. Which of them it is cannot be told apart.
    #[error("this session is of another user, or of a server with another secret: begin a new one")]
    NotYours,
    /// Too old.
    #[error("this session is too old: begin a new one")]
    Expired,
}

/// A secret is too short; the number is its length in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a secret for sessions has at least {SECRET_BYTES_MIN} bytes and this one has {0}")]
pub struct ShortSecret(pub usize);

/// Signs sessions and knows them again.
///
/// The text is ASCII for a header: `s1_` and base64url of the client's id, the time of issue, and an
/// HMAC-SHA256 over both and the user. The user is not in it; with another one the signature is
/// wrong.
#[derive(Debug)]
pub struct Sessions {
    current: hmac::Key,
    previous: Option<hmac::Key>,
    age: u64,
}

impl Sessions {
    /// The age in seconds to which a session is taken, if nothing else is said: a week.
    pub const AGE: u64 = 7 * 24 * 3600;

    /// Signs with a secret.
    ///
    /// # Errors
    ///
    /// [`ShortSecret`].
    pub fn new(secret: &[u8]) -> Result<Self, ShortSecret> {
        Ok(Self {
            current: key(secret)?,
            previous: None,
            age: Self::AGE,
        })
    }

    /// Takes also what another secret signed: the one before, so that a change ends no session.
    ///
    /// # Errors
    ///
    /// [`ShortSecret`].
    pub fn with_previous(self, secret: &[u8]) -> Result<Self, ShortSecret> {
        let previous = Some(key(secret)?);
        Ok(Self { previous, ..self })
    }

    /// Takes sessions up to another age, in seconds.
    pub fn with_age(self, seconds: u64) -> Self {
        Self {
            age: seconds,
            ..self
        }
    }

    /// The session of a client and the user that it is, if that is known. `now` is Unix time in
    /// seconds.
    pub fn sign(&self, client: ClientId, user: Option<&str>, now: u64) -> String {
        let mut bytes = [0; BYTES];
        bytes[..8].copy_from_slice(&client.0.to_be_bytes());
        bytes[8..16].copy_from_slice(&now.to_be_bytes());
        let tag = hmac::sign(&self.current, &message(&bytes[..16], user));
        bytes[16..].copy_from_slice(tag.as_ref());
        format!("{VERSION}{}", crate::BASE64.encode(bytes))
    }

    /// The client whose session a text is, for a user that is known otherwise, at `now`.
    ///
    /// # Errors
    ///
    /// [`SessionError`].
    pub fn verify(
        &self,
        text: &str,
        user: Option<&str>,
        now: u64,
    ) -> Result<ClientId, SessionError> {
        let bytes = decode(text).ok_or(SessionError::Malformed)?;
        let (said, tag) = bytes.split_at(16);
        let message = message(said, user);
        let signed = |key| hmac::verify(key, &message, tag).is_ok();
        if !signed(&self.current) && !self.previous.as_ref().is_some_and(signed) {
            return Err(SessionError::NotYours);
        }
        let (client, issued) = (number(&said[..8]), number(&said[8..]));
        if issued > now.saturating_add(LEEWAY) || now.saturating_sub(issued) > self.age {
            return Err(SessionError::Expired);
        }
        Ok(ClientId(client))
    }
}

fn key(secret: &[u8]) -> Result<hmac::Key, ShortSecret> {
    match secret.len() < SECRET_BYTES_MIN {
        true => Err(ShortSecret(secret.len())),
        false => Ok(hmac::Key::new(hmac::HMAC_SHA256, secret)),
    }
}

/// What is signed. `said` has a fixed length, so no two triples make one message; nobody and a user
/// without a name differ. The first part keeps what another use of the secret signs from being a
/// session.
fn message(said: &[u8], user: Option<&str>) -> Vec<u8> {
    let sign = [u8::from(user.is_some())];
    let user = user.unwrap_or_default().as_bytes();
    [b"tidings session 1\0".as_slice(), said, &sign, user].concat()
}

fn decode(text: &str) -> Option<[u8; BYTES]> {
    let text = text.strip_prefix(VERSION)?;
    if text.len() != BYTES / 3 * 4 {
        return None;
    }
    crate::BASE64.decode(text).ok()?.try_into().ok()
}

fn number(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0, |number, &byte| number << 8 | u64::from(byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: u64 = 1_800_000_000;
    const ME: ClientId = ClientId(0x0102_0304_0506_0708);

    fn sessions(secret: u8) -> Sessions {
        Sessions::new(&[secret; 32]).unwrap()
    }

    #[test]
    fn a_session_is_of_one_client_and_one_user() {
        let sessions = sessions(1);
        let users = [None, Some(""), Some("alice"), Some("bob"), Some("\0")];
        for signed in users {
            let text = sessions.sign(ME, signed, NOW);
            assert!(
                text.len() <= 128 && text.bytes().all(|b| b.is_ascii_graphic()),
                "{text}"
            );
            for user in users {
                let expected = match user == signed {
                    true => Ok(ME),
                    false => Err(SessionError::NotYours),
                };
                assert_eq!(
                    sessions.verify(&text, user, NOW),
                    expected,
                    "{signed:?} {user:?}"
                );
            }
        }
        let anonymous = sessions.sign(ME, None, NOW);
        assert!(!anonymous.contains("alice"));
    }

    #[test]
    fn a_session_ages() {
        let sessions = sessions(1).with_age(60);
        let text = sessions.sign(ME, None, NOW);
        for (now, expected) in [
            (NOW + 60, Ok(ME)),
            (NOW + 61, Err(SessionError::Expired)),
            (NOW - 300, Ok(ME)),
            (NOW - 301, Err(SessionError::Expired)),
            (0, Err(SessionError::Expired)),
            (u64::MAX, Err(SessionError::Expired)),
        ] {
            assert_eq!(sessions.verify(&text, None, now), expected, "{now}");
        }
    }

    #[test]
    fn a_secret_can_be_changed() {
        let (old, other) = (sessions(1), sessions(3));
        let new = sessions(2).with_previous(&[1; 32]).unwrap();
        let of_old = old.sign(ME, None, NOW);
        assert_eq!(new.verify(&of_old, None, NOW), Ok(ME));
        let of_new = new.sign(ME, None, NOW);
        assert_eq!(new.verify(&of_new, None, NOW), Ok(ME));
        assert_eq!(old.verify(&of_new, None, NOW), Err(SessionError::NotYours));
        let of_other = other.sign(ME, None, NOW);
        assert_eq!(
            new.verify(&of_other, None, NOW),
            Err(SessionError::NotYours)
        );
        assert_eq!(Sessions::new(&[0; 31]).err(), Some(ShortSecret(31)));
    }

    proptest! {
        #[test]
        fn no_other_text_is_a_session(text in ".{0,100}", at in 0usize..67, to in 33u8..127) {
            let sessions = sessions(1);
            prop_assert!(sessions.verify(&text, None, NOW).is_err());
            let mut forged = sessions.sign(ME, None, NOW).into_bytes();
            if forged[at] != to {
                forged[at] = to;
                let forged = String::from_utf8(forged).unwrap();
                prop_assert!(sessions.verify(&forged, None, NOW).is_err());
            }
        }
    }
}

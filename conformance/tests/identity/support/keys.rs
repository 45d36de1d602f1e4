//! An issuer that signs with each algorithm, and two backends.

use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ED25519, PKCS_RSA_SHA256, SignatureAlgorithm};
use serde_json::{Value, json};
use tidings_auth::{
    ApiKey, ApiKeys, Issuer, KeySource, KeyText, SigningKey, VerificationKey, parse_hash,
};
use tidings_core::{Grants, Patterns};

use super::now;

/// One of HS256, RS256, ES256 and EdDSA.
pub static SIGNERS: LazyLock<[Signer; 4]> = LazyLock::new(|| {
    [
        Signer::secret("hs", &[5; 32]),
        Signer::pair("rs", &PKCS_RSA_SHA256),
        Signer::pair("es", &PKCS_ECDSA_P256_SHA256),
        Signer::ed25519("ed"),
    ]
});

/// The key of a backend that may publish and read everything.
pub static BACKEND: LazyLock<String> = LazyLock::new(|| key_text("app", 1));

/// The key of a backend that may administrate and nothing else.
pub static ADMIN: LazyLock<String> = LazyLock::new(|| key_text("ops", 2));

/// What signs tokens, and what they are verified with.
pub struct Signer {
    id: String,
    signing: SigningKey,
    pub verifying: VerificationKey,
    /// The public key as JSON Web Key, where it is one of Ed25519.
    pub jwk: Value,
}

impl Signer {
    /// A secret.
    pub fn secret(id: &str, secret: &[u8]) -> Self {
        let verifying = VerificationKey::from_secret(secret).expect("long enough");
        Self {
            id: id.into(),
            signing: SigningKey::from_secret(secret).expect("long enough"),
            verifying: verifying.with_id(id),
            jwk: Value::Null,
        }
    }

    /// A new pair of Ed25519.
    pub fn ed25519(id: &str) -> Self {
        Self::pair(id, &PKCS_ED25519)
    }

    fn pair(id: &str, algorithm: &'static SignatureAlgorithm) -> Self {
        let pair = KeyPair::generate_for(algorithm).expect("a pair of keys");
        let public = pair.public_key_pem();
        let verifying = VerificationKey::from_pem(public.as_bytes()).expect("a public key");
        let x = URL_SAFE_NO_PAD.encode(pair.public_key_raw());
        Self {
            id: id.into(),
            signing: SigningKey::from_pem(pair.serialize_pem().as_bytes()).expect("a private key"),
            verifying: verifying.with_id(id),
            jwk: json!({"kty": "OKP", "crv": "Ed25519", "kid": id, "alg": "EdDSA", "x": x}),
        }
    }

    /// A token that was issued now and is good for ten minutes, unless the claims say otherwise.
    pub fn token(&self, mut claims: Value) -> String {
        for (name, time) in [("iat", now()), ("exp", now() + 600)] {
            if claims.get(name).is_none() {
                claims[name] = time.into();
            }
        }
        let claims = claims.as_object().expect("claims are an object");
        let token = self.signing.mint(Some(&self.id), claims);
        token.expect("a signature")
    }

    /// Its name.
    pub fn algorithm(&self) -> &'static str {
        self.signing.algorithm().as_str()
    }
}

/// Who signs with all of them.
pub fn issuer() -> Issuer {
    let keys = SIGNERS.iter().map(|signer| signer.verifying.clone());
    Issuer {
        name: "main".into(),
        issuer: None,
        audience: None,
        keys: KeySource::Static(keys.collect()),
    }
}

/// The two backends.
pub fn backend_keys() -> ApiKeys {
    // A star alone is nobody's inbox.
    let all = || Patterns::parse(["*", "@*", "~*"]).expect("patterns");
    let grants = Grants {
        subscribe: all(),
        publish: all(),
        presence: all(),
    };
    let key = |name: &str, text: &str, grants, admin| ApiKey {
        name: name.into(),
        hash: parse_hash(&tidings_auth::hash_text(text)).expect("a hash"),
        grants,
        admin,
    };
    let keys = vec![
        key("app", &BACKEND, grants, false),
        key("ops", &ADMIN, Grants::default(), true),
    ];
    ApiKeys::new(keys).expect("two keys")
}

fn key_text(name: &str, byte: u8) -> String {
    let text = KeyText::generate(name, [byte; 32]).expect("a name");
    text.as_str().to_owned()
}

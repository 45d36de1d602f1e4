use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, PKCS_ECDSA_P256_SHA256,
    PKCS_ECDSA_P384_SHA384, PKCS_ED25519, PKCS_RSA_SHA256, SignatureAlgorithm,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, HandshakeKind, ProtocolVersion, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio_rustls::TlsConnector;

use super::*;

/// An ECDSA key under a passphrase, in PKCS#8.
const ENCRYPTED: &str = "-----BEGIN ENCRYPTED PRIVATE KEY-----
MIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAg/8QQLNeO8EwICCAAw
DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEOmwrFFmvHNiyfcoj+ERthUEgZBP
Sp2PPTASHkcm9ZROd1Tl4secjJVxxscPe0+qcSmlmBMMwi6xRFg9OzPgBIqL2t2E
r6sDFtEg5HhAV4ozLJqBkNpqGG9W1IniWqMjUsMCiu+bdggn3heKpazO5pXqRl2y
+HD5z57n7d3F9KhB5m72D1suSsl94b4nsQGvTlByj0fGPXLTxDirq6dxrd1VGEI=
-----END ENCRYPTED PRIVATE KEY-----
";

/// The same in the older form.
const ENCRYPTED_BEFORE: &str = "-----BEGIN EC PRIVATE KEY-----
Proc-Type: 4,ENCRYPTED
DEK-Info: AES-128-CBC,DCDE5BEF3336AC096ADBD85D0526E760

eSXPfB8GgPviS5iudvt6AU26A0Ulf2q5CUchA0TXI7c21A8lb4+bUDtcPmFMlDnw
t5sPo++C+0RUGtc3v/zsufy4jWgvxqnkQ+UbtGHFI+c+EOnbRqVZQeifO3xuPMlD
AwyMDUop372OQqscZ6FeTP5W+coFQEANeOVaWsUygkA=
-----END EC PRIVATE KEY-----
";

/// A key on secp256k1, which TLS does not use.
const OTHER_CURVE: &str = "-----BEGIN PRIVATE KEY-----
MIGEAgEAMBAGByqGSM49AgEGBSuBBAAKBG0wawIBAQQgFsJniZDvBX8gJyx+65/9
r6P38TCtH4Lnx8es7xryv+ehRANCAATLff6XCYobWoUKr+JzmkafyP79eUyXhWUJ
6PnVacmmXwG1zVPbQ0VHxIu/tdR8Nr+RJnjF1zPNGSuzdAvGVXkD
-----END PRIVATE KEY-----
";

/// An issuer, an issuer below it, and a certificate of that for `localhost`.
struct Chain {
    root: String,
    middle: String,
    leaf: String,
    key: String,
}

impl Chain {
    fn new(algorithm: &'static SignatureAlgorithm) -> Self {
        let root = CertifiedIssuer::self_signed(authority("root"), pair(algorithm)).unwrap();
        let middle =
            CertifiedIssuer::signed_by(authority("middle"), pair(algorithm), &root).unwrap();
        let key = pair(algorithm);
        let leaf = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        Self {
            root: root.pem(),
            middle: middle.pem(),
            leaf: leaf.signed_by(&key, &middle).unwrap().pem(),
            key: key.serialize_pem(),
        }
    }

    fn served(&self) -> String {
        format!("{}{}", self.leaf, self.middle)
    }

    fn keys(&self) -> TlsKeys {
        self.keys_from(TlsVersion::V1_2)
    }

    fn keys_from(&self, min_version: TlsVersion) -> TlsKeys {
        let options = TlsOptions { min_version };
        TlsKeys::from_pem(self.served().as_bytes(), self.key.as_bytes(), options)
            .expect("good files")
    }

    fn trusting(&self, versions: &[&'static rustls::SupportedProtocolVersion]) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        let root = CertificateDer::from_pem_slice(self.root.as_bytes()).unwrap();
        roots.add(root).unwrap();
        ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth()
    }
}

fn authority(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params
        .distinguished_name
        .push(rcgen::DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
}

fn pair(algorithm: &'static SignatureAlgorithm) -> KeyPair {
    KeyPair::generate_for(algorithm).expect("a key")
}

fn small() -> Chain {
    Chain::new(&PKCS_ECDSA_P256_SHA256)
}

fn error(chain: impl AsRef<[u8]>, key: impl AsRef<[u8]>) -> TlsError {
    TlsKeys::from_pem(chain.as_ref(), key.as_ref(), TlsOptions::default()).expect_err("bad files")
}

/// What a client and the server agreed on.
#[derive(Debug, PartialEq)]
struct Agreed {
    version: ProtocolVersion,
    protocol: Option<Vec<u8>>,
    kind: HandshakeKind,
}

/// Shakes hands and sends a byte either way.
async fn shake_hands(keys: &TlsKeys, client: &Arc<ClientConfig>) -> std::io::Result<Agreed> {
    let (near, far) = duplex(64 * 1024);
    let name = ServerName::try_from("localhost").unwrap();
    let server = async {
        let mut stream = keys.accept(far).await?;
        stream.write_u8(7).await?;
        stream.flush().await?;
        stream.read_u8().await
    };
    let client = async {
        let mut stream = TlsConnector::from(client.clone())
            .connect(name, near)
            .await?;
        stream.read_u8().await?;
        stream.write_u8(9).await?;
        stream.flush().await?;
        let tls = stream.get_ref().1;
        Ok(Agreed {
            version: tls.protocol_version().unwrap(),
            protocol: tls.alpn_protocol().map(<[u8]>::to_vec),
            kind: tls.handshake_kind().unwrap(),
        })
    };
    let (server, client) = tokio::join!(server, client);
    client.inspect(|_| assert_eq!(server.expect("both sides agree"), 9))
}

#[tokio::test]
async fn every_kind_of_key_serves_both_versions() {
    for algorithm in [
        &PKCS_RSA_SHA256,
        &PKCS_ECDSA_P256_SHA256,
        &PKCS_ECDSA_P384_SHA384,
        &PKCS_ED25519,
    ] {
        let chain = Chain::new(algorithm);
        for (offered, version) in [
            (&TLS12, ProtocolVersion::TLSv1_2),
            (&TLS13, ProtocolVersion::TLSv1_3),
        ] {
            let client = Arc::new(chain.trusting(&[offered]));
            let agreed = shake_hands(&chain.keys(), &client).await.unwrap();
            assert_eq!(agreed.version, version, "{algorithm:?}");
            assert_eq!(agreed.protocol, None);
        }
    }
}

#[tokio::test]
async fn http2_is_preferred_and_strange_protocols_are_refused() {
    let chain = small();
    for (offered, taken) in [
        (&["http/1.1", "h2"][..], "h2"),
        (&["http/1.1"], "http/1.1"),
        (&["http/1.0", "http/1.1"], "http/1.1"),
    ] {
        let mut client = chain.trusting(&[&TLS13]);
        client.alpn_protocols = offered.iter().map(|name| name.as_bytes().into()).collect();
        let agreed = shake_hands(&chain.keys(), &Arc::new(client)).await.unwrap();
        assert_eq!(agreed.protocol.as_deref(), Some(taken.as_bytes()));
    }
    let mut client = chain.trusting(&[&TLS13]);
    client.alpn_protocols = vec![b"smtp".to_vec()];
    let refused = shake_hands(&chain.keys(), &Arc::new(client)).await;
    let refused = refused.expect_err("no protocol in common").to_string();
    assert!(refused.contains("NoApplicationProtocol"), "{refused}");
}

#[tokio::test]
async fn clients_resume_by_tickets_and_without_early_data() {
    let chain = small();
    for version in [&TLS12, &TLS13] {
        let keys = chain.keys();
        let mut client = chain.trusting(&[version]);
        client.enable_early_data = true;
        let client = Arc::new(client);
        let first = shake_hands(&keys, &client).await.unwrap();
        assert_ne!(first.kind, HandshakeKind::Resumed);
        let second = shake_hands(&keys, &client).await.unwrap();
        assert_eq!(second.kind, HandshakeKind::Resumed, "{version:?}");
        // Keys of another process: the ticket is nothing to it, and the connection is made all the same.
        let other = shake_hands(&chain.keys(), &client).await.unwrap();
        assert_ne!(other.kind, HandshakeKind::Resumed, "{version:?}");
    }
    let keys = chain.keys();
    let config = keys.acceptor.config();
    assert_eq!(config.max_early_data_size, 0);
    assert!(!config.session_storage.can_cache());
}

#[test]
fn one_file_for_both_serves() {
    let chain = small();
    let both = format!(
        "# 설명\n{}{}",
        chain.key,
        chain.served().replace('\n', "\r\n")
    );
    TlsKeys::from_pem(both.as_bytes(), both.as_bytes(), TlsOptions::default())
        .expect("a good file");
}

#[test]
fn nothing_of_a_key_is_shown() {
    assert_eq!(format!("{:?}", small().keys()), "TlsKeys");
}

#[test]
fn what_is_no_pem_is_told() {
    let good = small();
    let (chain, key) = (good.served(), good.key.clone());
    let der = CertificateDer::from_pem_slice(good.leaf.as_bytes()).unwrap();
    let (certificate, private) = (PemFile::Certificate, PemFile::Key);
    for text in ["", "\u{feff}쓰레기", "\0\0\0"] {
        assert_eq!(error(text, &key), TlsError::NotPem(certificate));
        assert_eq!(error(&chain, text), TlsError::NotPem(private));
    }
    assert_eq!(error(&der, &key), TlsError::Binary(certificate));
    assert_eq!(error(&chain, &der), TlsError::Binary(private));
    for cut in [
        chain
            .trim_end()
            .trim_end_matches("-----END CERTIFICATE-----"),
        &chain.replacen("\nMII", "\n*II", 1),
        "-----BEGIN CERTIFICATE\n",
    ] {
        assert_eq!(error(cut, &key), TlsError::Damaged(certificate), "{cut}");
    }
    let cut = &key[..key.len() / 2];
    assert_eq!(error(&chain, cut), TlsError::Damaged(private));
}

#[test]
fn what_is_not_in_the_files_is_told() {
    let good = small();
    let (chain, key) = (good.served(), &good.key);
    for (wrong, has_key) in [(&**key, true), (ENCRYPTED, true), (&other_section(), false)] {
        assert_eq!(error(wrong, key), TlsError::NoCertificate { has_key });
    }
    for (wrong, has_certificate) in [(&chain, true), (&other_section(), false)] {
        assert_eq!(error(&chain, wrong), TlsError::NoKey { has_certificate });
    }
    let swapped = error(key, &chain).to_string();
    assert!(swapped.ends_with("are the two files swapped?"), "{swapped}");
}

fn other_section() -> String {
    let pem = small().leaf;
    pem.replace("CERTIFICATE", "X509 CRL")
}

#[test]
fn keys_that_cannot_be_used_are_told() {
    let good = small();
    let (chain, key) = (good.served(), &good.key);
    for encrypted in [ENCRYPTED, ENCRYPTED_BEFORE] {
        assert_eq!(error(&chain, encrypted), TlsError::EncryptedKey);
    }
    let two = format!("{key}{}", small().key);
    assert_eq!(error(&chain, two), TlsError::SeveralKeys(2));
    let empty = "-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n";
    for unusable in [OTHER_CURVE, empty] {
        assert_eq!(error(&chain, unusable), TlsError::UnsupportedKey);
    }
    for other in [small(), Chain::new(&PKCS_ED25519)] {
        assert_eq!(error(&chain, other.key), TlsError::KeyMismatch);
    }
}

#[test]
fn chains_that_cannot_be_used_are_told() {
    let good = small();
    let key = &good.key;
    let reversed = format!("{}{}", good.middle, good.leaf);
    assert_eq!(error(reversed, key), TlsError::LeafNotFirst { number: 2 });
    let text = "-----BEGIN CERTIFICATE-----\nTm90IGEgY2VydGlmaWNhdGU=\n-----END CERTIFICATE-----\n";
    for (chain, bad) in [
        (text.to_owned(), 1),
        (format!("{}{text}", good.served()), 3),
    ] {
        let error = error(chain, key);
        assert!(
            matches!(error, TlsError::BadCertificate { number, .. } if number == bad),
            "{error}"
        );
        assert_eq!(error.file(), Some(PemFile::Certificate));
    }
}

#[tokio::test]
async fn an_older_version_is_refused_where_it_is_too_old() {
    let chain = small();
    let keys = chain.keys_from(TlsVersion::V1_3);
    let old = Arc::new(chain.trusting(&[&TLS12]));
    assert!(shake_hands(&keys, &old).await.is_err());
    let new = Arc::new(chain.trusting(&[&TLS12, &TLS13]));
    let agreed = shake_hands(&keys, &new).await.unwrap();
    assert_eq!(agreed.version, ProtocolVersion::TLSv1_3);
}

#[tokio::test]
async fn keys_are_replaced_and_sessions_of_before_are_not_resumed() {
    let (first, second) = (small(), small());
    let slot = TlsSlot::new(first.keys());
    let (old, new) = (
        Arc::new(first.trusting(&[&TLS13])),
        Arc::new(second.trusting(&[&TLS13])),
    );
    shake_hands(&slot.keys(), &old).await.unwrap();
    assert!(shake_hands(&slot.keys(), &new).await.is_err());
    slot.clone().replace(second.keys());
    shake_hands(&slot.keys(), &new).await.unwrap();
    // It has a ticket of the first: resumed, it would never see the other certificate.
    assert!(shake_hands(&slot.keys(), &old).await.is_err());
}

//! A configuration from outside: a file, variables and flags, and what they make or what is wrong.
#![allow(dead_code)]

use std::path::PathBuf;

use tidings::command::config::{Config, Flag, Inputs, Loaded, load};

pub struct Given {
    pub inputs: Inputs,
    pub folder: tempfile::TempDir,
}

impl Given {
    pub fn new() -> Self {
        Self {
            inputs: Inputs::default(),
            folder: tempfile::tempdir().expect("a folder"),
        }
    }

    pub fn file(mut self, text: &str) -> Self {
        let path = self.path();
        std::fs::write(&path, text).expect("written");
        self.inputs.file = Some(path);
        self
    }

    pub fn path(&self) -> PathBuf {
        self.folder.path().join("설정.toml")
    }

    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.inputs.variables.push((name.into(), value.into()));
        self
    }

    pub fn set(mut self, key: &str, value: &str) -> Self {
        self.inputs.flags.push(Flag {
            typed: format!("--set {key}={value}"),
            key: key.into(),
            value: value.into(),
        });
        self
    }

    pub fn load(&self) -> Loaded {
        load(&self.inputs).unwrap_or_else(|faults| panic!("{faults}"))
    }

    pub fn config(&self) -> Config {
        self.load().config
    }

    /// The errors, each as one text, with the file's folder left out.
    pub fn errors(&self) -> Vec<String> {
        let folder = format!("{}/", self.folder.path().display());
        let faults = load(&self.inputs).expect_err("there is something wrong").0;
        faults
            .iter()
            .map(|fault| fault.to_string().replace(&folder, ""))
            .collect()
    }

    pub fn error(&self) -> String {
        let mut errors = self.errors();
        assert_eq!(errors.len(), 1, "{errors:#?}");
        errors.remove(0)
    }
}

/// What must be seen nowhere: long enough for a secret.
pub const CANARY: &str = "canary-canary-canary-canary-canary-canary";
pub const HASH: &str = "sha256:00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

/// A file in which all named tables and all kinds of values stand.
pub fn rich() -> String {
    format!(
        "
        listen = '0.0.0.0:8000'
        origins = ['https://app.example.com']
        tls = {{ cert = 'a.pem', key = 'b.pem', redirect = '0.0.0.0:80', min_version = '1.3' }}
        proxy = {{ trusted = ['10.0.0.0/8', '2001:db8::/32', '192.0.2.7'], protocol = true }}
        admin.listen = '127.0.0.1:9000'
        [auth]
        cookie = '__Host-t'
        session_secret = '{CANARY}'
        authorize = 'http://127.0.0.1:3000/may'
        authorize_timeout = '500ms'
        authorize_cache = '0s'
        leeway = '10s'
        ticket_time = '1m'
        [may]
        subscribe = 'authenticated'
        [channels]
        publish_rate = 100
        [lag]
        every = '50ms'
        [demo]
        on = true
        model_url = 'http://127.0.0.1:11434/v1'
        model = 'small'
        model_key = '{CANARY}'
        [namespaces.room]
        presence = false
        ephemeral = true
        publish_rate = 7
        may.history = 'backend'
        lag = {{ policy = 'latest_by', by = '/a~1b/c', every = '1s', bytes = '1MiB', time = '5s' }}
        [namespaces.plain]
        [tokens.login]
        algorithm = 'HS256'
        secret = '{CANARY}'
        issuer = 'https://login.example.com'
        audience = 'tidings'
        kid = '1'
        [tokens.file]
        algorithm = 'HS256'
        secret_file = '/run/secret'
        [tokens.public]
        algorithm = 'EdDSA'
        key_file = 'public.pem'
        [tokens.provider]
        algorithm = 'RS256'
        jwks = 'https://login.example.com/jwks'
        issuer = 'https://login.example.com'
        [keys.app]
        hash = '{HASH}'
        subscribe = ['room:*', '@*']
        publish = ['*']
        presence = ['room:*']
        admin = true
        "
    )
}

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

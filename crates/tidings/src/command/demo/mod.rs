//! The demo: pages at `/demos/` and what they show, as an extension of the server. What runs in the
//! background publishes in this process, as any code that embeds the server does.
//!
//! Deliberately absent: anything that the pages could not do with the server alone. Chat, cursors and
//! calls have no part here, since their pages publish to each other.

mod answers;
mod channel;
mod dashboard;
mod exchange;
mod generator;
mod machine;
mod model;
mod pages;

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;
use http::Method;
use tidings_server::outbound::Outbound;
use tidings_server::{Answering, App, Asked, Extended, Extension};
use tokio::task::JoinSet;

use self::answers::Answers;
use self::channel::Channel;
use self::model::Model;
use crate::command::config;

/// Bytes of a request's body at most: a prompt, or a conversation.
const BODY: usize = 32 << 10;

/// Where an answer is asked for that is read in a channel.
const ANSWERS: &str = "/demos/answers";

/// What is posted to; the last is where pages of other makers expect it.
const POSTS: [&str; 3] = [ANSWERS, "/demos/api/chat", "/api/chat"];

/// The demo of one server.
pub struct Demo {
    answers: Answers,
    /// What goes on for as long as the server runs.
    shows: Mutex<JoinSet<()>>,
}

impl Demo {
    /// Begins nothing yet.
    ///
    /// # Errors
    ///
    /// The URL of the model is none to ask at.
    pub fn new(settings: &config::Demo) -> anyhow::Result<Arc<Self>> {
        let model = settings.model_url.as_ref().map(|url| {
            let outbound = Outbound::new(None, false)?;
            Model::new(outbound, url, settings)
        });
        Ok(Arc::new(Self {
            answers: Answers::new(model.transpose().context("demo.model_url")?),
            shows: Mutex::default(),
        }))
    }

    /// Begins what goes on for as long as the server runs. Where nobody reads, it only looks whether
    /// somebody does.
    pub fn start(&self, app: &Arc<App>) {
        let mut shows = self.shows.lock().unwrap_or_else(PoisonError::into_inner);
        shows.spawn(dashboard::run(Channel::new(app, "demo:server")));
        shows.spawn(exchange::run(Channel::new(app, "demo-ticker:all")));
    }

    /// Ends all of it, and takes no more.
    pub fn stop(&self) {
        let mut shows = self.shows.lock().unwrap_or_else(PoisonError::into_inner);
        shows.abort_all();
        self.answers.stop();
    }
}

impl Extension for Demo {
    fn methods(&self, path: &str) -> Option<&'static str> {
        match (POSTS.contains(&path), pages::is_one(path)) {
            (true, false) => Some("POST, OPTIONS"),
            (true, true) => Some("GET, HEAD, POST, OPTIONS"),
            (false, true) => Some("GET, HEAD, OPTIONS"),
            (false, false) => None,
        }
    }

    fn body_bytes(&self) -> usize {
        BODY
    }

    fn answer<'a>(&'a self, asked: Asked<'a>) -> Answering<'a> {
        Box::pin(async move {
            let uri = &asked.head.uri;
            match uri.path() {
                path if asked.head.method != Method::POST => {
                    Ok(Extended::Answer(pages::answer(path, uri.query())))
                }
                ANSWERS => self.answers.answer(&asked).await,
                _ => self.answers.chat(&asked).await,
            }
        })
    }
}

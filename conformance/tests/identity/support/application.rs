//! An application on this machine that is asked by the server: for keys, and for who somebody is.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use http::{HeaderMap, Response};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// It answers what it is told to, and keeps what it was asked with. It is gone when dropped.
pub struct Application {
    /// Where it is, with a path.
    pub url: String,
    state: Arc<Mutex<State>>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct State {
    status: u16,
    body: String,
    asked: Vec<HeaderMap>,
}

impl Application {
    /// One that answers with this.
    pub async fn start(status: u16, body: impl ToString) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let addr = listener.local_addr().expect("a bound socket");
        let state = Arc::new(Mutex::new(State::default()));
        let answers = state.clone();
        let answer = move |request: Request| {
            let answer = answers.lock().expect("no holder panics").answer(&request);
            async move { answer }
        };
        let serve = axum::serve(listener, Router::new().fallback(answer));
        let task = tokio::spawn(async move { serve.await.expect("it accepts for ever") });
        let application = Self {
            url: format!("http://{addr}/asked"),
            state,
            task,
        };
        application.answers(status, body);
        application
    }

    /// It answers otherwise from now on.
    pub fn answers(&self, status: u16, body: impl ToString) {
        let mut state = self.state.lock().expect("no holder panics");
        (state.status, state.body) = (status, body.to_string());
    }

    /// How often it was asked.
    pub fn asked(&self) -> usize {
        self.state.lock().expect("no holder panics").asked.len()
    }

    /// What it was asked with, last.
    pub fn last(&self) -> HeaderMap {
        let state = self.state.lock().expect("no holder panics");
        state.asked.last().expect("it was asked").clone()
    }
}

impl State {
    fn answer(&mut self, request: &Request) -> Response<Body> {
        self.asked.push(request.headers().clone());
        let answer = Response::builder().status(self.status);
        answer
            .header("content-type", "application/json")
            .body(self.body.clone().into())
            .expect("a status")
    }
}

impl Drop for Application {
    fn drop(&mut self) {
        self.task.abort();
    }
}

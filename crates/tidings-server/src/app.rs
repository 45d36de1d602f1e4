//! What all connections share.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tidings_core::{
    Action, ChannelName, Claims, ClientId, Draft, Hub, Limits, Millis, Now, Realm, Receipt, Signal,
};
use tidings_protocol::{Code, Problem};

use crate::access::AccessRules;
use crate::clock::Clock;
use crate::publish::check;
use crate::stats::ServerStats;

/// What can be chosen besides the limits.
#[derive(Clone, Debug)]
pub struct Options {
    /// Who may ask.
    pub access: AccessRules,
    /// WebSocket messages are compressed for clients that offer it (RFC 7692).
    pub compresses: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            access: AccessRules::default(),
            compresses: true,
        }
    }
}

/// A hub and the rules of its door.
pub struct App {
    pub(crate) hub: Arc<Hub>,
    pub(crate) access: AccessRules,
    pub(crate) compresses: bool,
    pub(crate) stats: ServerStats,
    pub(crate) clock: Clock,
    streams: Mutex<HashMap<u64, Arc<Signal>>>,
    next_stream: AtomicU64,
    stopping: AtomicBool,
}

/// The key by which a stream is woken for another reason than a message.
const NO_CHANNEL: u32 = u32::MAX;

impl App {
    /// An app over `hub`.
    pub fn new(hub: Arc<Hub>, options: Options) -> Arc<Self> {
        Arc::new(Self {
            hub,
            access: options.access,
            compresses: options.compresses,
            stats: ServerStats::default(),
            clock: Clock::new(),
            streams: Mutex::default(),
            next_stream: AtomicU64::new(0),
            stopping: AtomicBool::new(false),
        })
    }

    /// Its counters.
    pub fn stats(&self) -> &ServerStats {
        &self.stats
    }

    /// The hub: to publish from the same process, and for its counters.
    pub fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }

    /// Publishes from this process. All holds that holds for clients, but whether they may.
    pub async fn publish(&self, draft: Draft) -> Result<Receipt, Problem> {
        let server = Claims::anonymous();
        self.hub
            .may(Action::Publish, &draft.channel, &server, None)?;
        check(self, &draft)?;
        Ok(self.hub.publish(draft, self.now()).await?)
    }

    /// Whether clients may read a channel.
    pub(crate) fn may_read(&self, channel: &ChannelName) -> Result<(), Problem> {
        if self.access.hides_own_channels && channel.realm() == Realm::Server {
            let detail = "names that begin with $ are the application's own business here";
            return Err(Problem::new(Code::Forbidden, detail));
        }
        let anonymous = Claims::anonymous();
        Ok(self.hub.may(Action::Subscribe, channel, &anonymous, None)?)
    }

    pub(crate) fn limits(&self) -> &Limits {
        self.hub.limits()
    }

    /// The time, as the hub wants it.
    pub fn now(&self) -> Now {
        self.clock.now()
    }

    /// What a read needs of the time: the wall is not asked.
    pub(crate) fn monotonic(&self) -> Millis {
        self.clock.monotonic()
    }

    pub(crate) fn new_client(&self) -> ClientId {
        ClientId(fastrand::u64(..))
    }

    /// Whether the server goes away: streams end, and new ones are sent elsewhere.
    pub(crate) fn stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// Tells every stream that the server goes away; new ones are told the same.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
        for signal in self.lock_streams().values() {
            signal.ring(NO_CHANNEL);
        }
    }

    /// Makes a stream known, so that it can be told; it is known until the guard goes.
    pub(crate) fn register(self: &Arc<Self>, signal: Arc<Signal>) -> Registered {
        let id = self.next_stream.fetch_add(1, Ordering::Relaxed);
        // Rung at once if the server began to stop before the stream was known.
        self.lock_streams().insert(id, signal.clone());
        if self.stopping() {
            signal.ring(NO_CHANNEL);
        }
        Registered {
            app: self.clone(),
            id,
        }
    }

    fn lock_streams(&self) -> std::sync::MutexGuard<'_, HashMap<u64, Arc<Signal>>> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A stream that the app knows.
pub(crate) struct Registered {
    app: Arc<App>,
    id: u64,
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.app.lock_streams().remove(&self.id);
    }
}

//! What all connections share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use arc_swap::{ArcSwap, Guard};
use tidings_core::{
    Action, ChannelName, Claims, ClientId, Denied, Draft, Hub, Limits, Millis, Now, Realm, Receipt,
    Rulebook,
};
use tidings_protocol::{Code, Problem};

use crate::access::AccessRules;
use crate::clock::Clock;
use crate::extension::Extension;
use crate::identity::{Auth, Clients};
use crate::publish::check;
use crate::quota::Quotas;
use crate::routes;
use crate::stats::ServerStats;

/// What can be chosen besides the limits.
pub struct Options {
    /// Who may ask, and who they are.
    pub policy: Policy,
    /// WebSocket messages are compressed for clients that offer it (RFC 7692).
    pub compresses: bool,
    /// Answers paths that the server does not have.
    pub extension: Option<Arc<dyn Extension>>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            policy: Policy::default(),
            compresses: true,
            extension: None,
        }
    }
}

/// What can be replaced while the server runs.
#[derive(Default)]
pub struct Policy {
    /// Who may ask at all.
    pub access: AccessRules,
    /// What tells who somebody is.
    pub auth: Auth,
    /// Administration and metrics have a listener of their own, and are not found elsewhere.
    pub admin_elsewhere: bool,
}

/// A hub and the rules of its door.
pub struct App {
    pub(crate) hub: Arc<Hub>,
    pub(crate) compresses: bool,
    pub(crate) extension: Option<Arc<dyn Extension>>,
    pub(crate) stats: ServerStats,
    pub(crate) clock: Clock,
    pub(crate) clients: Clients,
    pub(crate) quotas: Quotas,
    policy: ArcSwap<Policy>,
    /// Changes with the rules and the policy.
    generation: AtomicU32,
    stopping: AtomicBool,
}

impl App {
    /// An app over `hub`.
    pub fn new(hub: Arc<Hub>, options: Options) -> Arc<Self> {
        Arc::new(Self {
            quotas: Quotas::new(hub.limits()),
            hub,
            compresses: options.compresses,
            extension: options.extension,
            stats: ServerStats::default(),
            clock: Clock::new(),
            clients: Clients::default(),
            policy: ArcSwap::from_pointee(options.policy),
            generation: AtomicU32::new(0),
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
    pub async fn publish(&self, mut draft: Draft) -> Result<Receipt, Problem> {
        if draft.channel.realm() == Realm::Server {
            return Err(Denied::ServerOnly.into());
        }
        check(self, &mut draft)?;
        Ok(self.hub.publish(draft, self.now()).await?)
    }

    /// Puts another policy and other rules in the place of those that hold. Streams go on; what
    /// they may is looked at again.
    pub fn reload(&self, policy: Policy, rules: Rulebook) {
        self.hub.set_rules(rules, self.now());
        policy.auth.tokens.keep_keys_of(&self.policy().auth.tokens);
        self.policy.store(Arc::new(policy));
        self.generation.fetch_add(1, Ordering::Release);
        self.clients.wake_all();
    }

    /// Tells every stream that the server goes away; new ones are told the same.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
        self.clients.wake_all();
    }

    /// The time, as the hub wants it.
    pub fn now(&self) -> Now {
        self.clock.now()
    }

    /// The methods of a path, of the server's own or its extension's; `None` where there is none.
    pub(crate) fn methods(&self, path: &str) -> Option<&'static str> {
        let extension = self.extension.as_ref();
        routes::methods(path).or_else(|| extension?.methods(path))
    }

    /// Whether somebody may do something with a channel now.
    pub(crate) fn may(
        &self,
        action: Action,
        channel: &ChannelName,
        claims: &Claims,
        me: Option<ClientId>,
    ) -> Result<(), Problem> {
        let policy = self.policy();
        if policy.access.hides_own_channels && channel.is_server_channel() {
            let detail = "the server's figures are the application's own business here";
            return Err(Problem::new(Code::Forbidden, detail));
        }
        if policy.access.read_only && action == Action::Publish {
            let detail = "clients only read here: the application publishes";
            return Err(Problem::new(Code::Forbidden, detail));
        }
        Ok(self.hub.may(action, channel, claims, me)?)
    }

    /// Whether what somebody shows was revoked.
    pub(crate) fn check_revoked(
        &self,
        claims: &Claims,
        client: Option<ClientId>,
    ) -> Result<(), Problem> {
        let now_s = self.now().unix / 1000;
        let revocations = self.hub.revocations();
        revocations
            .check(claims, client, now_s)
            .map_err(|revoked| Problem::new(Code::Revoked, revoked.to_string()))
    }

    /// Ends the streams of all whose right was revoked meanwhile; gives how many clients.
    pub(crate) fn end_revoked(&self) -> usize {
        let ended = self
            .clients
            .end(|client, claims| self.check_revoked(claims, Some(client)).err());
        self.stats.revoked.add(ended as u64);
        ended
    }

    /// What holds now.
    pub(crate) fn policy(&self) -> Guard<Arc<Policy>> {
        self.policy.load()
    }

    /// Changes with every [`reload`](Self::reload).
    pub(crate) fn generation(&self) -> u32 {
        self.generation.load(Ordering::Acquire)
    }

    pub(crate) fn limits(&self) -> &Limits {
        self.hub.limits()
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

    /// Bytes that nobody can guess.
    pub(crate) fn random(&self) -> Result<[u8; 32], Problem> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(|error| {
            tracing::error!(%error, "the system gives no random numbers");
            Problem::new(Code::Internal, "the system gives no random numbers")
        })?;
        Ok(bytes)
    }
}

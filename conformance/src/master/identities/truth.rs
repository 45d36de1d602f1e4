//! What is true in a run with identities: who may read what, and since when. What happens takes a while, so each
//! change has a time before which it was not, and one after which it surely is; times are Unix milliseconds.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use tidings_core::Audience;

/// Not yet, or never.
pub const NEVER: u64 = u64::MAX;

/// How late the end of a right may show.
pub const MARGIN: u64 = 1_200;

/// What a namespace gives to who may read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Namespace {
    /// Its channels with their past.
    Past,
    /// What is published from now on.
    Live,
}

/// All of them, each at its own place as a number.
pub const NAMESPACES: [Namespace; 2] = [Namespace::Past, Namespace::Live];

/// Who may subscribe in each namespace.
pub type Audiences = [Audience; NAMESPACES.len()];

impl Namespace {
    /// What its channels' names begin with.
    pub fn name(self) -> &'static str {
        match self {
            Self::Past => "past",
            Self::Live => "live",
        }
    }
}

/// A channel of one epoch.
pub struct Channel {
    /// Its name.
    pub name: String,
    /// Its namespace.
    pub namespace: Namespace,
    /// Its epoch.
    pub epoch: String,
    /// Messages that may be in it.
    pub asked: AtomicU64,
    /// Messages that are.
    pub acknowledged: AtomicU64,
}

/// A token, and what became of it.
#[derive(Clone, Debug)]
pub struct Token {
    /// As it is sent.
    pub text: String,
    /// Whose it is.
    pub user: String,
    /// Its `jti`.
    pub id: String,
    /// Its `iat`, in seconds.
    pub issued: u64,
    /// Its `exp`, in milliseconds.
    pub expires: u64,
    /// The channels that it names.
    pub channels: Vec<bool>,
    /// It is no good.
    pub forged: bool,
    /// Since when a server may know it.
    pub shown: u64,
    /// Since when another one is surely known in its place.
    pub replaced: u64,
}

/// Whom a revocation is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// All that was issued to a user.
    User(String),
    /// One token.
    Token(String),
    /// One client.
    Client(String),
}

#[derive(Debug)]
struct Revocation {
    subject: Subject,
    asked: u64,
    sure: u64,
    /// Its second, once it is known.
    at: u64,
    until: u64,
}

#[derive(Debug)]
struct Rule {
    asked: u64,
    sure: u64,
    audiences: Audiences,
}

/// What is true.
pub struct Truth {
    /// The channels.
    pub channels: Vec<Channel>,
    rules: Mutex<Vec<Rule>>,
    revocations: Mutex<Vec<Revocation>>,
    /// Nothing is published, ruled or revoked any more.
    pub done: AtomicBool,
}

/// Why a request may be refused, and whether it must be.
#[derive(Debug, Default)]
pub struct Causes {
    /// Codes that are right.
    pub codes: Vec<&'static str>,
    /// Success is wrong.
    pub certain: bool,
}

impl Causes {
    fn add(&mut self, code: &'static str, certain: bool) {
        self.codes.push(code);
        self.certain |= certain;
    }
}

impl Truth {
    /// At first tokens say everything.
    pub fn new(channels: Vec<Channel>) -> Self {
        let audiences = [Audience::Token; 2];
        let rule = Rule {
            asked: 0,
            sure: 0,
            audiences,
        };
        Self {
            channels,
            rules: Mutex::new(vec![rule]),
            revocations: Mutex::default(),
            done: AtomicBool::new(false),
        }
    }

    /// Whether nothing changes any more.
    pub fn is_done(&self) -> bool {
        self.done.load(Ordering::SeqCst)
    }

    /// The rules change while `act` runs.
    pub fn rule(&self, audiences: Audiences, act: impl FnOnce()) {
        let rule = Rule {
            asked: now(),
            sure: NEVER,
            audiences,
        };
        self.rules.lock().expect("no holder panics").push(rule);
        act();
        let mut rules = self.rules.lock().expect("no holder panics");
        rules.last_mut().expect("pushed above").sure = now();
    }

    /// Somebody is about to be revoked; gives the number for [`revoked`](Self::revoked).
    pub fn revoke(&self, subject: Subject) -> usize {
        let mut all = self.revocations.lock().expect("no holder panics");
        all.push(Revocation {
            subject,
            asked: now(),
            sure: NEVER,
            at: NEVER,
            until: NEVER,
        });
        all.len() - 1
    }

    /// It was done; `at` and `until` in seconds.
    pub fn revoked(&self, number: usize, at: u64, until: u64) {
        let mut all = self.revocations.lock().expect("no holder panics");
        let revocation = &mut all[number];
        (revocation.sure, revocation.at) = (now(), at);
        // It holds within its last second.
        revocation.until = (until + 1) * 1000;
    }

    /// Whether a token of the user that is minted in this second was revoked before.
    pub fn is_fresh(&self, user: &str, second: u64) -> bool {
        let all = self.revocations.lock().expect("no holder panics");
        let mut of_user = all
            .iter()
            .filter(|r| r.subject == Subject::User(user.into()));
        !of_user.any(|revocation| revocation.at >= second)
    }

    /// When a token may have been refused as revoked, and whether over all of that time.
    fn is_revoked(&self, token: &Token, client: &str, from: u64, to: u64) -> (bool, bool) {
        let all = self.revocations.lock().expect("no holder panics");
        let about = all.iter().filter(|revocation| match &revocation.subject {
            Subject::User(user) => *user == token.user && token.issued <= revocation.at,
            Subject::Token(id) => *id == token.id,
            Subject::Client(id) => id == client,
        });
        about.fold((false, false), |(maybe, surely), revocation| {
            let touches = revocation.asked <= to && from <= revocation.until;
            let covers = revocation.sure <= from && to < revocation.until;
            (maybe || touches, surely || covers)
        })
    }

    /// What the rules say of a token and channel at any time of these: that it may, that it may not.
    fn ruled(&self, token: &Token, channel: usize, from: u64, to: u64) -> (bool, bool) {
        let rules = self.rules.lock().expect("no holder panics");
        let namespace = self.channels[channel].namespace as usize;
        let (mut may, mut may_not) = (false, false);
        for (at, rule) in rules.iter().enumerate() {
            let until = rules.get(at + 1).map_or(NEVER, |next| next.sure);
            if rule.asked > to || until < from {
                continue;
            }
            match rule.audiences[namespace] {
                Audience::Token => {
                    may |= token.channels[channel];
                    may_not |= !token.channels[channel];
                }
                Audience::Anyone | Audience::Authenticated => may = true,
                Audience::Backend => may_not = true,
            }
        }
        (may, may_not)
    }

    /// Whether a server may hold that a token allowed a channel at any time of these.
    pub fn may(&self, token: &Token, channel: usize, client: &str, from: u64, to: u64) -> bool {
        let from = from.max(token.shown);
        let to = to.min(token.expires).min(token.replaced);
        from <= to
            && !token.forged
            && !self.is_revoked(token, client, from, to).1
            && self.ruled(token, channel, from, to).0
    }

    /// Whether a token's right to a channel may have been missing while the token held.
    pub fn may_lose(&self, token: &Token, channel: usize, from: u64, to: u64) -> bool {
        let (from, to) = (from.max(token.shown), to.min(token.replaced));
        from <= to && self.ruled(token, channel, from, to).1
    }

    /// Why a request with a token for channels may be refused.
    pub fn causes(
        &self,
        token: &Token,
        channels: &[usize],
        client: &str,
        from: u64,
        to: u64,
    ) -> Causes {
        let mut causes = Causes::default();
        if token.forged {
            causes.add("unauthorized", true);
        }
        if to >= token.expires {
            causes.add("token_expired", from >= token.expires);
        }
        let (maybe, surely) = self.is_revoked(token, client, from, to);
        if maybe {
            causes.add("revoked", surely);
        }
        for &channel in channels {
            let (may, may_not) = self.ruled(token, channel, from, to);
            if may_not {
                causes.add("forbidden", !may);
            }
        }
        causes
    }

    /// Why a stream may end, that was opened at `from` with a token and what was shown since.
    pub fn ends(&self, token: &Token, client: &str, from: u64, to: u64) -> Vec<&'static str> {
        let (from, to) = (from.max(token.shown), to.min(token.replaced));
        match from <= to {
            true => self.causes(token, &[], client, from, to).codes,
            false => Vec::new(),
        }
    }
}

/// Unix milliseconds, as the server knows them.
pub fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.expect("a clock after 1970").as_millis() as u64
}

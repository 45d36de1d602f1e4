//! The proxy with one fault for each kind of request, which come and go one by one.

use std::{collections::BTreeMap, net::SocketAddr, ops::Deref, sync::Mutex};

use conformance::fault::{Action, Fault, FaultProxy, Kind, Page};

/// The rungs above the last, as the proxy knows them.
pub const ABOVE: [Kind; 4] = [Kind::Websocket, Kind::Sse, Kind::SsePost, Kind::LongPoll];

/// What the proxy of a network says to what it does not like.
pub fn refused() -> Action {
    Action::Status(Page::of(403))
}

pub struct Network {
    proxy: FaultProxy,
    faults: Mutex<BTreeMap<Kind, Action>>,
}

impl Network {
    pub async fn before(server: SocketAddr) -> Self {
        let proxy = FaultProxy::start(server, 1).await.expect("a free port");
        let faults = Mutex::default();
        Self { proxy, faults }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.proxy.addr)
    }

    /// From the next request of this kind on.
    pub fn set(&self, kind: Kind, action: impl Into<Option<Action>>) {
        let mut faults = self.faults.lock().expect("no panic");
        match action.into() {
            Some(action) => faults.insert(kind, action),
            None => faults.remove(&kind),
        };
        let all = faults.iter();
        let all = all.map(|(kind, action)| Fault::new(action.clone()).on(&[*kind]));
        self.proxy.set(all.collect());
    }

    /// No fault any more.
    pub fn clear(&self) {
        self.faults.lock().expect("no panic").clear();
        self.proxy.clear();
    }

    /// What was told of moves: `FROM.REASON`, and whether it came through.
    pub fn moves(&self) -> Vec<(String, bool)> {
        let log = self.proxy.log().into_iter();
        let told = log.filter_map(|entry| {
            let (_, told) = entry.path.split_once("_moved=")?;
            let told = told.split('&').next()?.to_owned();
            Some((told, entry.fault.is_none()))
        });
        told.collect()
    }
}

impl Deref for Network {
    type Target = FaultProxy;

    fn deref(&self) -> &FaultProxy {
        &self.proxy
    }
}

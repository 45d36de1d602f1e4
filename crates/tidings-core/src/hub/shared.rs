//! What nodes share besides messages, as the hub gives it: the broker's, counted. Channels are named
//! as such here, not by their presence channel.

use super::Hub;
use crate::Now;
use crate::broker::{
    Arrival, BrokerError, ChannelPage, ChannelQuery, Digest, Hold, Joined, Member, Presence,
    Redeemed, Release, Revocation, Revocations, Ticket, TicketError,
};
use crate::channel::ChannelName;
use crate::message::ClientId;

impl Hub {
    /// Makes a client a member of `channel`, or gives it one more hold. Rights were checked by who
    /// calls.
    pub async fn join(
        &self,
        channel: &ChannelName,
        member: Member,
        hold: Hold,
        now: Now,
    ) -> Result<Joined, BrokerError> {
        let channel = channel.presence();
        let rules = self.rules(&channel);
        let arrival = Arrival {
            channel: &channel,
            rules: &rules,
            member,
            hold,
        };
        let joined = self.broker.join(arrival, now).await?;
        self.stats.presence_joins.add(u64::from(joined.new));
        Ok(joined)
    }

    /// Ends a hold of a client on `channel`; true if it has left by that.
    pub async fn release(
        &self,
        channel: &ChannelName,
        client: ClientId,
        release: Release,
        now: Now,
    ) -> Result<bool, BrokerError> {
        let channel = channel.presence();
        let left = self.broker.release(&channel, client, release, now).await?;
        self.stats.presence_leaves.add(u64::from(left));
        Ok(left)
    }

    /// Who is in `channel`. Rights were checked by who calls.
    pub async fn presence(
        &self,
        channel: &ChannelName,
        limit: usize,
    ) -> Result<Presence, BrokerError> {
        self.broker.presence(&channel.presence(), limit).await
    }

    /// Lets members go that nothing holds any longer. To be called at least once a second.
    pub fn expire(&self, now: Now) {
        let left = self.broker.expire(now) as u64;
        self.stats.presence_leaves.add(left);
        self.stats.presence_expired.add(left);
    }

    /// Takes a ticket.
    pub async fn issue(&self, ticket: Ticket, now: Now) -> Result<(), BrokerError> {
        self.broker.issue(ticket, now).await?;
        self.stats.tickets_issued.add(1);
        Ok(())
    }

    /// Uses a ticket.
    pub async fn redeem(
        &self,
        digest: &Digest,
        origin: Option<&str>,
        now: Now,
    ) -> Result<Redeemed, TicketError> {
        let redeemed = self.broker.redeem(digest, origin, now).await;
        match &redeemed {
            Ok(_) => self.stats.tickets_redeemed.add(1),
            Err(_) => self.stats.tickets_refused.add(1),
        }
        redeemed
    }

    /// Takes a revocation.
    pub async fn revoke(&self, revocation: Revocation, now: Now) -> Result<(), BrokerError> {
        self.broker.revoke(revocation, now).await?;
        self.stats.revocations.add(1);
        Ok(())
    }

    /// What is revoked.
    pub fn revocations(&self) -> &Revocations {
        self.broker.revocations()
    }

    /// Channels, for the administration.
    pub fn channels(&self, query: ChannelQuery<'_>, now: Now) -> ChannelPage {
        self.broker.channels(query, now)
    }
}

//! `/metrics` in the text form of Prometheus (OpenMetrics 1.0). Read from plain counters when asked.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;
use std::sync::Arc;
use tidings_core::{Counter, GapReason};
use tidings_protocol::Code;

use crate::app::App;
use crate::stats::{Transport, TransportStats};

pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// All counters as text.
pub fn render(app: &Arc<App>) -> String {
    let mut registry = Registry::with_prefix("tidings");
    registry.register_collector(Box::new(Figures(app.clone())));
    let mut out = String::new();
    // Writing to a String does not fail.
    let _ = text::encode(&mut out, &registry);
    out
}

struct Figures(Arc<App>);

impl fmt::Debug for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Figures")
    }
}

impl Collector for Figures {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut out = Out(&mut encoder);
        self.server(&mut out)?;
        self.hub(&mut out)?;
        self.identity(&mut out)?;
        self.transports(&mut out)
    }
}

impl Figures {
    fn server(&self, out: &mut Out<'_, '_>) -> fmt::Result {
        let (stats, clock) = (&self.0.stats, &self.0.clock);
        self.edge(out)?;
        out.gauge(
            "uptime_seconds",
            "Seconds since the start",
            clock.uptime().as_secs() as i64,
        )?;
        out.counter("requests", "Requests judged", &stats.requests)?;
        out.counter("panics", "Connections that ended by a panic", &stats.panics)?;
        out.counter(
            "write_timeouts",
            "Streams cut because nothing could be written in time",
            &stats.write_timeouts,
        )?;
        out.counter(
            "idle_timeouts",
            "Connections ended because nothing was asked on them in time",
            &stats.idle_timeouts,
        )?;
        out.counter(
            "tls_errors",
            "TLS handshakes that failed or came too late",
            &stats.tls_errors,
        )?;
        out.counter(
            "http2_errors",
            "HTTP/2 connections ended because their client broke the protocol",
            &stats.http2_errors,
        )?;
        out.counter(
            "http2_floods",
            "HTTP/2 connections ended because their client asked for nothing, too often",
            &stats.http2_floods,
        )?;
        out.counter(
            "heartbeat_timeouts",
            "WebSockets ended for want of a sign of life",
            &stats.heartbeat_timeouts,
        )?;
        out.counter(
            "frame_errors",
            "WebSockets ended for a broken frame",
            &stats.frame_errors,
        )?;
        let refusals = Code::ALL
            .iter()
            .map(|code| (code.as_str(), stats.refusals[code.index()].get()));
        out.counters("refusals", "Refusals by code", "code", refusals)
    }

    /// Who comes, and who is kept out before a request is judged.
    fn edge(&self, out: &mut Out<'_, '_>) -> fmt::Result {
        let stats = &self.0.stats;
        out.gauge("connections", "Open connections", stats.connections.get())?;
        out.gauge(
            "handshakes",
            "Open connections from which no whole request came yet",
            stats.handshakes.get(),
        )?;
        let counters = [
            (
                "connections_accepted",
                "Connections accepted",
                &stats.accepted,
            ),
            (
                "connections_turned_away",
                "Connections over the limit",
                &stats.turned_away,
            ),
            (
                "connections_crowded",
                "Connections over the limit of their address",
                &stats.crowded,
            ),
            (
                "admin_connections_turned_away",
                "Connections of administration over their limit",
                &stats.admin_turned_away,
            ),
            (
                "handshakes_refused",
                "Connections closed because too many had said nothing yet",
                &stats.handshakes_refused,
            ),
            (
                "proxy_errors",
                "Connections closed for their PROXY header or for want of trust in its proxy",
                &stats.proxy_errors,
            ),
            ("redirects", "Requests sent to HTTPS", &stats.redirects),
            (
                "accept_errors",
                "Connections that could not be accepted",
                &stats.accept_errors,
            ),
        ];
        counters
            .into_iter()
            .try_for_each(|(name, help, counter)| out.counter(name, help, counter))
    }

    fn hub(&self, out: &mut Out<'_, '_>) -> fmt::Result {
        let (stats, held) = (self.0.hub.stats(), self.0.hub.broker().holdings());
        out.counter("published", "Messages taken into a log", &stats.published)?;
        out.counter(
            "published_bytes",
            "Payload bytes of messages published",
            &stats.published_bytes,
        )?;
        out.counter("ephemeral", "Ephemeral messages", &stats.ephemeral)?;
        out.counter(
            "duplicates",
            "Publishes answered from an idempotency key",
            &stats.duplicates,
        )?;
        out.counter(
            "resumed",
            "Readings that went on from a position",
            &stats.resumed,
        )?;
        out.counter("skipped", "Messages told as skipped", &stats.skipped)?;
        out.counter("channels_closed", "Channels ended", &stats.closed)?;
        out.counter("channels_cleared", "Channels emptied", &stats.cleared)?;
        let gaps = GapReason::ALL
            .iter()
            .map(|reason| (reason.as_str(), stats.gaps[*reason as usize].get()));
        out.counters("gaps", "Gaps told to readers, by reason", "reason", gaps)?;
        out.gauge(
            "channels",
            "Channels with a log in memory",
            held.channels as i64,
        )?;
        out.gauge(
            "channels_remembered",
            "Idle channels of which the position is remembered",
            held.remembered as i64,
        )?;
        out.gauge(
            "history_messages",
            "Messages retained",
            held.messages as i64,
        )?;
        out.gauge(
            "history_bytes",
            "Bytes of messages retained",
            held.bytes as i64,
        )
    }

    /// Who is known, who is there, and who was sent away.
    fn identity(&self, out: &mut Out<'_, '_>) -> fmt::Result {
        let (stats, hub) = (&self.0.stats, self.0.hub.stats());
        let held = self.0.hub.broker().holdings();
        let gauges = [
            (
                "members",
                "Clients that are members, in each channel",
                held.members,
            ),
            ("tickets", "Tickets that can still be used", held.tickets),
            (
                "revocations_held",
                "Revocations that hold",
                held.revocations,
            ),
        ];
        for (name, help, value) in gauges {
            out.gauge(name, help, value as i64)?;
        }
        let counters = [
            ("presence_joins", "Members that came", &hub.presence_joins),
            ("presence_leaves", "Members that left", &hub.presence_leaves),
            (
                "presence_expired",
                "Members that left without a word",
                &hub.presence_expired,
            ),
            ("tickets_issued", "Tickets issued", &hub.tickets_issued),
            ("tickets_redeemed", "Uses of tickets", &hub.tickets_redeemed),
            (
                "tickets_refused",
                "Uses of tickets that were refused",
                &hub.tickets_refused,
            ),
            ("revocations", "Revocations taken", &hub.revocations),
            (
                "clients_revoked",
                "Clients whose streams ended because they were revoked",
                &stats.revoked,
            ),
            (
                "sessions_refused",
                "Sessions that were not good: their clients began anew",
                &stats.sessions_refused,
            ),
        ];
        for (name, help, counter) in counters {
            out.counter(name, help, counter)?;
        }
        Ok(())
    }

    fn transports(&self, out: &mut Out<'_, '_>) -> fmt::Result {
        let of = |get: fn(&TransportStats) -> u64| {
            Transport::ALL
                .iter()
                .map(move |transport| (transport.as_str(), get(self.0.stats.of(*transport))))
        };
        let open = Transport::ALL
            .iter()
            .map(|t| (t.as_str(), self.0.stats.of(*t).open.get()));
        out.gauges(
            "readers",
            "Streams and waiting polls open",
            "transport",
            open,
        )?;
        out.counters(
            "readings",
            "Streams opened and polls answered",
            "transport",
            of(|s| s.opened.get()),
        )?;
        out.counters(
            "delivered",
            "Messages handed to sockets",
            "transport",
            of(|s| s.delivered.get()),
        )?;
        out.counters(
            "sent_bytes",
            "Bytes written to readers",
            "transport",
            of(|s| s.sent_bytes.get()),
        )?;
        out.counters(
            "received_bytes",
            "Bytes read from readers",
            "transport",
            of(|s| s.received_bytes.get()),
        )?;
        out.counters(
            "reading_milliseconds",
            "How long ended readings were open, summed",
            "transport",
            of(|s| s.open_ms.get()),
        )?;
        let mut moves = out.0.encode_descriptor(
            "client_moves",
            "Moves of clients between transports, as they tell",
            None,
            MetricType::Counter,
        )?;
        for ([from, to, reason], count) in self.0.stats.moves.seen() {
            let labels = [("from", from), ("to", to), ("reason", reason)];
            ConstCounter::new(count).encode(moves.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

/// The encoder, with short words for what is written here.
struct Out<'a, 'e>(&'a mut DescriptorEncoder<'e>);

impl Out<'_, '_> {
    fn counter(&mut self, name: &str, help: &str, counter: &Counter) -> fmt::Result {
        let metric = self
            .0
            .encode_descriptor(name, help, None, MetricType::Counter)?;
        ConstCounter::new(counter.get()).encode(metric)
    }

    fn gauge(&mut self, name: &str, help: &str, value: i64) -> fmt::Result {
        let metric = self
            .0
            .encode_descriptor(name, help, None, MetricType::Gauge)?;
        ConstGauge::new(value).encode(metric)
    }

    fn counters<'v>(
        &mut self,
        name: &str,
        help: &str,
        label: &str,
        values: impl Iterator<Item = (&'v str, u64)>,
    ) -> fmt::Result {
        let mut metric = self
            .0
            .encode_descriptor(name, help, None, MetricType::Counter)?;
        for (value, count) in values {
            ConstCounter::new(count).encode(metric.encode_family(&[(label, value)])?)?;
        }
        Ok(())
    }

    fn gauges<'v>(
        &mut self,
        name: &str,
        help: &str,
        label: &str,
        values: impl Iterator<Item = (&'v str, i64)>,
    ) -> fmt::Result {
        let mut metric = self
            .0
            .encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (value, count) in values {
            ConstGauge::new(count).encode(metric.encode_family(&[(label, value)])?)?;
        }
        Ok(())
    }
}

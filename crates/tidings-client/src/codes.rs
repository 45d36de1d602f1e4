//! The codes of the server's refusals, made from its table by
//! `BLESS=1 cargo test -p conformance --test codes`. What follows from them is the connector's.

/// Each code, and whether the same request may work later.
const TABLE: &[(&str, bool)] = &[
    ("bad_request", false),
    ("invalid_name", false),
    ("invalid_parameter", false),
    ("unknown_parameter", false),
    ("invalid_payload", false),
    ("invalid_event", false),
    ("invalid_key", false),
    ("invalid_command", false),
    ("too_many_channels", false),
    ("batch_too_large", false),
    ("already_subscribed", false),
    ("not_subscribed", false),
    ("bad_handshake", false),
    ("too_many_frames", false),
    ("unauthorized", false),
    ("token_expired", false),
    ("revoked", false),
    ("forbidden", false),
    ("origin_not_allowed", false),
    ("host_not_allowed", false),
    ("not_found", false),
    ("method_not_allowed", false),
    ("request_timeout", true),
    ("channel_closed", false),
    ("message_too_large", false),
    ("body_too_large", false),
    ("key_reused", false),
    ("upgrade_required", false),
    ("too_many_requests", true),
    ("head_too_large", false),
    ("internal", true),
    ("server_full", true),
    ("broker_unavailable", true),
    ("authorizer_unavailable", true),
    ("stopping", true),
    ("no_heartbeat", true),
    ("too_slow", true),
    ("disconnected", true),
    ("raw_gap", true),
];

/// Whether the same request may work later. `None`: this version does not know the code.
pub(crate) fn is_temporary(code: &str) -> Option<bool> {
    let row = TABLE.iter().find(|(name, _)| *name == code)?;
    Some(row.1)
}

/// Whether a WebSocket that ended with this close code is not to come back.
pub(crate) fn is_final_close(code: u16) -> bool {
    matches!(code, 1000 | 1002 | 1003 | 1007..=1009 | 4000..=4099)
}

/// Whether it is to come back at once.
pub(crate) fn is_close_at_once(code: u16) -> bool {
    matches!(code, 4200..=4299)
}

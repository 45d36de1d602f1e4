//! The server side of WebSocket (RFC 6455) as a codec without I/O: the opening handshake as a
//! function of plain values, client bytes to [`Event`]s, and server frames to bytes.
//!
//! It deliberately does not read or write sockets, answer pings, run the closing handshake, keep
//! time, or know what a message means.
//!
//! It speaks one extension, permessage-deflate (RFC 7692), where it is negotiated, and never takes
//! a context over from one message to the next: a message is deflated once for all its readers, and
//! a connection holds neither compressor nor window. Those belong to threads.
//!
//! ```
//! use tidings_protocol::websocket::{Decoder, Event, pong_frame};
//!
//! let mut decoder = Decoder::new(64 * 1024, None);
//! let mut input: &[u8] = &[0x89, 0x82, 1, 2, 3, 4, b'h' ^ 1, b'i' ^ 2];
//! let mut output = Vec::new();
//! while let Some(event) = decoder.decode(&mut input)? {
//!     if let Event::Ping(payload) = event {
//!         output.extend_from_slice(&pong_frame(&payload));
//!     }
//! }
//! assert_eq!(output, b"\x8a\x02hi");
//! # Ok::<(), tidings_protocol::websocket::FrameError>(())
//! ```

mod close;
mod decoder;
mod deflate;
mod encode;
mod error;
mod extension;
mod frame;
mod handshake;
mod inflate;
mod utf8;

pub use close::{CloseCode, CloseFrame, MAX_CLOSE_REASON};
pub use decoder::{ControlPayload, Decoder, Event, MessageKind};
pub use deflate::{DEFLATE_FROM, deflated_frame};
pub use encode::{close_frame, close_reply, message_frame, ping_frame, pong_frame, text_frame};
pub use error::FrameError;
pub use extension::Deflate;
pub use frame::{EncodedHeader, MAX_CONTROL_PAYLOAD, Opcode, frame_header};
pub use handshake::{
    Handshake, HandshakeError, SUBPROTOCOL, accept, accept_tunnel, requests_upgrade,
};

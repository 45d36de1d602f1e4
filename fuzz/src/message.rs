//! Messages as a broker would have taken them, made of a fuzzer's bytes.

use arbitrary::{Arbitrary, Unstructured};
use bytes::Bytes;
use tidings_core::{
    ChannelName, ClientId, Draft, EventName, MAX_OFFSET, Message, Payload, PayloadKind, Position,
    Sender,
};
use tidings_protocol::payload;

/// A message, and what it was made of.
#[derive(Debug)]
pub struct Made(pub Message);

impl<'a> Arbitrary<'a> for Made {
    fn arbitrary(u: &mut Unstructured<'a>) -> arbitrary::Result<Self> {
        let wrong = arbitrary::Error::IncorrectFormat;
        let channel = ChannelName::parse(u.arbitrary()?).map_err(|_| wrong)?;
        let mut draft = Draft::new(channel, Payload::empty());
        if let Some(name) = u.arbitrary::<Option<&str>>()? {
            draft.event = Some(EventName::parse(name, 128).map_err(|_| wrong)?);
        }
        let user: Option<&str> = u.arbitrary()?;
        draft.from = Sender {
            client: u.arbitrary::<Option<u64>>()?.map(ClientId),
            user: user.map(Into::into),
        };
        let position = u.arbitrary::<Option<(&str, u64)>>()?;
        let position = position.map(|(epoch, offset)| {
            Ok(Position {
                epoch: epoch.parse().map_err(|_| wrong)?,
                offset: offset % (MAX_OFFSET + 1),
            })
        });
        let (kind, time) = (u.int_in_range(0..=2)?, u.arbitrary()?);
        draft.payload = Some(payload_of(kind, u)?);
        Ok(Self(Message::new(draft, position.transpose()?, time)))
    }
}

fn payload_of(kind: u8, u: &mut Unstructured<'_>) -> arbitrary::Result<Payload> {
    let bytes = Bytes::copy_from_slice(u.bytes(u.len())?);
    let wrong = arbitrary::Error::IncorrectFormat;
    match kind {
        0 => payload::json(&bytes).map_err(|_| wrong),
        1 if std::str::from_utf8(&bytes).is_err() => Err(wrong),
        1 => Ok(payload::payload(PayloadKind::Text, bytes)),
        _ => Ok(payload::binary(&bytes)),
    }
}

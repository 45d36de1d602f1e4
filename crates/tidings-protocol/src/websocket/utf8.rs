//! UTF-8 checked while it arrives, so that a wrong byte is noticed when it comes and not when its
//! message ends. It keeps a state of one byte and no text.

use super::FrameError;

/// Where the bytes seen so far end within a code point. The names tell what must follow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Utf8 {
    /// Between two code points.
    #[default]
    Boundary,
    /// One, two or three more continuation bytes of any value.
    One,
    Two,
    Three,
    /// The lead bytes whose second byte has a narrower range: overlong forms, surrogates, values
    /// over U+10FFFF.
    AfterE0,
    AfterEd,
    AfterF0,
    AfterF4,
}

impl Utf8 {
    /// Takes the next bytes of the text, cut anywhere. Fails at the first byte that no valid text
    /// can have there.
    pub(super) fn feed(&mut self, mut bytes: &[u8]) -> Result<(), FrameError> {
        while *self != Self::Boundary {
            let Some((&byte, rest)) = bytes.split_first() else {
                return Ok(());
            };
            self.step(byte)?;
            bytes = rest;
        }
        match std::str::from_utf8(bytes) {
            Ok(_) => Ok(()),
            Err(error) if error.error_len().is_some() => Err(FrameError::Utf8Invalid),
            Err(error) => bytes[error.valid_up_to()..]
                .iter()
                .try_for_each(|&byte| self.step(byte)),
        }
    }

    /// Whether the text may end here.
    pub(super) fn is_complete(self) -> bool {
        self == Self::Boundary
    }

    /// One row of the table "Well-Formed UTF-8 Byte Sequences" (Unicode, section 3.9) at a time.
    fn step(&mut self, byte: u8) -> Result<(), FrameError> {
        *self = match (*self, byte) {
            (Self::Boundary, 0x00..=0x7f) | (Self::One, 0x80..=0xbf) => Self::Boundary,
            (Self::Boundary, 0xc2..=0xdf)
            | (Self::Two, 0x80..=0xbf)
            | (Self::AfterE0, 0xa0..=0xbf)
            | (Self::AfterEd, 0x80..=0x9f) => Self::One,
            (Self::Boundary, 0xe0) => Self::AfterE0,
            (Self::Boundary, 0xed) => Self::AfterEd,
            (Self::Boundary, 0xe1..=0xef)
            | (Self::Three, 0x80..=0xbf)
            | (Self::AfterF0, 0x90..=0xbf)
            | (Self::AfterF4, 0x80..=0x8f) => Self::Two,
            (Self::Boundary, 0xf0) => Self::AfterF0,
            (Self::Boundary, 0xf1..=0xf3) => Self::Three,
            (Self::Boundary, 0xf4) => Self::AfterF4,
            _ => return Err(FrameError::Utf8Invalid),
        };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bytes taken before the error, or whether the text may end.
    fn byte_by_byte(text: &[u8]) -> Result<bool, usize> {
        let mut utf8 = Utf8::default();
        for (index, byte) in text.iter().enumerate() {
            utf8.feed(&[*byte]).map_err(|_| index)?;
        }
        Ok(utf8.is_complete())
    }

    #[test]
    fn agrees_with_std_on_every_sequence_of_up_to_three_bytes() {
        for value in 0..=0x00ff_ffff_u32 {
            let [_, bytes @ ..] = value.to_be_bytes();
            let expected = match std::str::from_utf8(&bytes) {
                Ok(_) => Ok(true),
                Err(error) if error.error_len().is_none() => Ok(false),
                Err(_) => Err(()),
            };
            assert_eq!(byte_by_byte(&bytes).map_err(|_| ()), expected, "{bytes:x?}");
        }
    }

    #[test]
    fn takes_every_code_point_in_every_cut() {
        for point in ('\u{0}'..=char::MAX).step_by(7) {
            let text = point.to_string();
            assert_eq!(byte_by_byte(text.as_bytes()), Ok(true), "{point:?}");
            for cut in 0..=text.len() {
                let mut utf8 = Utf8::default();
                assert_eq!(utf8.feed(&text.as_bytes()[..cut]), Ok(()));
                assert_eq!(utf8.is_complete(), cut == 0 || cut == text.len());
                assert_eq!(utf8.feed(&text.as_bytes()[cut..]), Ok(()));
                assert!(utf8.is_complete());
            }
        }
    }

    #[test]
    fn fails_at_the_byte_that_is_wrong() {
        for (text, wrong) in [
            (&b"\xf4\x90\x80\x80"[..], 1), // over U+10FFFF
            (b"\xed\xa0\x80", 1),          // a surrogate
            (b"\xe0\x9f\x80", 1),          // overlong, 3 bytes
            (b"\xf0\x8f\x80\x80", 1),      // overlong, 4 bytes
            (b"\xc0\x80", 0),              // overlong NUL
            (b"\xf5", 0),
            (b"\x80", 0),
            (
                "안녕\u{1f44b}"
                    .as_bytes()
                    .first_chunk::<8>()
                    .expect("10 bytes"),
                8,
            ),
        ] {
            let expected = if wrong < text.len() {
                Err(wrong)
            } else {
                Ok(false)
            };
            assert_eq!(byte_by_byte(text), expected, "{text:x?}");
        }
    }
}

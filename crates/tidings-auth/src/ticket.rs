//! Tickets: what stands in a URL where no header can be set. A text of random bytes; what it stands
//! for, and how often, whoever gives it out remembers by its digest.

use base64::Engine;

/// A ticket of random bytes: `tdt_` and base64url.
pub fn generate(random: [u8; 32]) -> String {
    format!("tdt_{}", crate::BASE64.encode(random))
}

/// What a ticket is remembered by: whoever reads the memory of a server has no ticket yet, and
/// looking it up in a map tells nothing of it by the time that takes.
pub fn digest(text: &str) -> [u8; 32] {
    crate::sha256(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_fits_a_url() {
        let ticket = generate([0xff; 32]);
        assert_eq!(ticket, "tdt___________________________________________8");
        assert_ne!(digest(&ticket), digest(&generate([0xfe; 32])));
        assert_eq!(digest("abc")[..2], [0xba, 0x78]);
    }
}

//! As much of HPACK (RFC 7541) as the tests need: literal fields on the way out, the status on the way
//! in. It keeps no table.

/// A literal field without indexing (RFC 7541 section 6.2.2).
pub fn field(name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Vec<u8> {
    [vec![0], string(name.as_ref()), string(value.as_ref())].concat()
}

/// A literal field that is put into the dynamic table (RFC 7541 section 6.2.1).
pub fn indexed_field(name: &str, value: &str) -> Vec<u8> {
    [
        vec![0x40],
        string(name.as_bytes()),
        string(value.as_bytes()),
    ]
    .concat()
}

/// A string literal (RFC 7541 section 5.2), its length with a prefix of 7 bits (section 5.1).
fn string(text: &[u8]) -> Vec<u8> {
    const PREFIX: usize = 127;
    let mut out = Vec::new();
    if text.len() < PREFIX {
        out.push(text.len() as u8);
    } else {
        out.push(PREFIX as u8);
        let mut rest = text.len() - PREFIX;
        while rest >= 128 {
            out.push((rest % 128) as u8 | 128);
            rest /= 128;
        }
        out.push(rest as u8);
    }
    out.extend(text);
    out
}

/// The status in the first field of a head, written by an encoder that was told to index nothing.
pub fn status(mut block: &[u8]) -> u16 {
    const STATIC: [u16; 7] = [200, 204, 206, 304, 400, 404, 500];
    // The sizes of the table (RFC 7541 section 6.3) fit their prefix: it was set to zero.
    while let [0x20..=0x3e, rest @ ..] = block {
        block = rest;
    }
    match block {
        [index @ 0x88..=0x8e, ..] => STATIC[usize::from(index - 0x88)],
        [0x08 | 0x18 | 0x48, length, text @ ..] if length & 0x80 == 0 => text
            [..usize::from(*length)]
            .iter()
            .fold(0, |status, digit| status * 10 + u16::from(digit - b'0')),
        [0x08 | 0x18 | 0x48, _, text @ ..] => huffman_digits(text),
        _ => panic!("a head begins with its status: {block:02x?}"),
    }
}

/// Three digits (RFC 7541 appendix B): of 5 bits up to 2, of 6 bits from 3, which is 0b011001.
fn huffman_digits(text: &[u8]) -> u16 {
    let mut bits = text
        .iter()
        .flat_map(|byte| (0..8).rev().map(move |at| byte >> at & 1));
    let mut digit = || {
        let five = (0..5).fold(0, |code, _| {
            code << 1 | u16::from(bits.next().expect("a bit"))
        });
        if five < 3 {
            return five;
        }
        let six = five << 1 | u16::from(bits.next().expect("a bit"));
        six - 0b011001 + 3
    };
    (0..3).fold(0, |status, _| status * 10 + digit())
}

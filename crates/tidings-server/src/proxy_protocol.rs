//! The PROXY protocol, version 2 (HAProxy's proxy-protocol.txt, section 2.2): the header that a proxy
//! sends before the bytes of its client. Version 1, a line of text, is told from garbage and refused.
//! Whether the proxy may say so at all is not decided here.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use tokio::io::{AsyncRead, AsyncReadExt};

const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// The signature, version and command, family and protocol, and the length of the rest.
const FIXED: usize = 16;

/// Bytes behind the fixed part: the addresses and what else proxies say.
const LONGEST: usize = 4 << 10;

/// Why there is no such header.
#[derive(Debug, thiserror::Error)]
pub enum ProxyError {
    /// The text form.
    #[error("the proxy speaks version 1 of the PROXY protocol; make it send version 2")]
    Version1,
    /// Something else.
    #[error("this is no PROXY header of version 2")]
    Missing,
    /// A header that cannot be.
    #[error("the PROXY header is malformed: {0}")]
    Malformed(&'static str),
    /// The connection ended within it.
    #[error("the connection ended within its PROXY header: {0}")]
    Cut(io::Error),
    /// It ended before it, as those of health checks do.
    #[error("nothing was said")]
    Silent,
}

/// Reads the header, and not a byte more. `None`: the proxy speaks for itself, or for a client whose
/// address is not one of TCP.
pub async fn read<IO: AsyncRead + Unpin>(io: &mut IO) -> Result<Option<IpAddr>, ProxyError> {
    let mut header = Vec::with_capacity(FIXED);
    loop {
        let missing = match parse(&header)? {
            Parsed::Whole(client) => return Ok(client),
            Parsed::Missing(bytes) => bytes,
        };
        let mut rest = (&mut *io).take(missing as u64);
        match rest.read_buf(&mut header).await {
            Ok(0) if header.is_empty() => return Err(ProxyError::Silent),
            Ok(0) => return Err(ProxyError::Cut(io::ErrorKind::UnexpectedEof.into())),
            Ok(_) => {}
            Err(error) => return Err(ProxyError::Cut(error)),
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Parsed {
    /// So many bytes are needed before more can be said.
    Missing(usize),
    Whole(Option<IpAddr>),
}

fn parse(header: &[u8]) -> Result<Parsed, ProxyError> {
    let Some(fixed) = header.first_chunk::<FIXED>() else {
        let signature = &header[..header.len().min(SIGNATURE.len())];
        return match SIGNATURE.starts_with(signature) {
            true => Ok(Parsed::Missing(FIXED - header.len())),
            false => Err(not_version_2(header)),
        };
    };
    if !fixed.starts_with(SIGNATURE) {
        return Err(not_version_2(header));
    }
    let [command, family] = [fixed[12], fixed[13]];
    let length = usize::from(u16::from_be_bytes([fixed[14], fixed[15]]));
    let is_local = match command {
        0x20 => true,
        0x21 => false,
        _ => return Err(ProxyError::Malformed("its version or command is not known")),
    };
    let address_bytes = match family {
        // What stands there with LOCAL is not looked at.
        _ if is_local => 0,
        0x00 => 0,
        0x11 | 0x12 => 12,
        0x21 | 0x22 => 36,
        0x31 | 0x32 => 216,
        _ => return Err(ProxyError::Malformed("its family is not known")),
    };
    if length > LONGEST {
        return Err(ProxyError::Malformed("it is longer than 4 KiB"));
    }
    if length < address_bytes {
        return Err(ProxyError::Malformed("it is too short for its addresses"));
    }
    let rest = &header[FIXED..];
    if rest.len() < length {
        return Ok(Parsed::Missing(length - rest.len()));
    }
    Ok(Parsed::Whole(match (is_local, family) {
        (false, 0x11) => rest.first_chunk::<4>().map(|&v4| Ipv4Addr::from(v4).into()),
        (false, 0x21) => rest
            .first_chunk::<16>()
            .map(|&v6| IpAddr::from(Ipv6Addr::from(v6)).to_canonical()),
        _ => None,
    }))
}

fn not_version_2(header: &[u8]) -> ProxyError {
    match header.starts_with(b"PROXY ") || b"PROXY ".starts_with(header) {
        true => ProxyError::Version1,
        false => ProxyError::Missing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
        [SIGNATURE, &[command, family][..], &length, rest].concat()
    }

    /// What it says, all its bytes needed and no more.
    fn whole(header: &[u8]) -> Option<IpAddr> {
        for at in 0..header.len() {
            let Parsed::Missing(bytes) = parse(&header[..at]).unwrap() else {
                panic!("whole after {at} bytes");
            };
            assert!((1..=header.len() - at).contains(&bytes), "{bytes} at {at}");
        }
        match parse(header).unwrap() {
            Parsed::Whole(client) => client,
            Parsed::Missing(bytes) => panic!("{bytes} missing"),
        }
    }

    fn v6(address: &str) -> Vec<u8> {
        let address: Ipv6Addr = address.parse().unwrap();
        [&address.octets()[..], &[0; 20]].concat()
    }

    #[test]
    fn whom_a_proxy_speaks_for() {
        let v4 = [&[192, 0, 2, 7][..], &[0; 8]].concat();
        let client = Some("192.0.2.7".parse().unwrap());
        assert_eq!(whole(&header(0x21, 0x11, &v4)), client);
        let with_more = [&v4[..], &[4; 524]].concat();
        assert_eq!(whole(&header(0x21, 0x11, &with_more)), client);
        assert_eq!(
            whole(&header(0x21, 0x21, &v6("2001:db8::7"))),
            Some("2001:db8::7".parse().unwrap())
        );
        assert_eq!(whole(&header(0x21, 0x21, &v6("::ffff:192.0.2.7"))), client);
    }

    #[test]
    fn a_proxy_speaks_for_itself_or_for_what_is_no_tcp_client() {
        for (command, family, rest) in [
            (0x20, 0x00, 0),
            (0x20, 0x11, 12),
            (0x20, 0xff, 3),
            (0x21, 0x00, 0),
            (0x21, 0x00, 4096),
            (0x21, 0x12, 12),
            (0x21, 0x22, 36),
            (0x21, 0x31, 216),
        ] {
            let header = header(command, family, &vec![1; rest]);
            assert_eq!(whole(&header), None, "{command:x} {family:x}");
        }
    }

    #[test]
    fn what_cannot_be_is_refused_at_once() {
        for (command, family, rest) in [
            (0x11, 0x11, 12),
            (0x22, 0x11, 12),
            (0x21, 0x10, 12),
            (0x21, 0x01, 12),
            (0x21, 0x41, 300),
            (0x21, 0x11, 11),
            (0x21, 0x21, 35),
            (0x21, 0x31, 215),
            (0x21, 0x11, 4097),
            (0x20, 0x00, 65_535),
        ] {
            let header = header(command, family, &vec![1; rest]);
            let error = parse(&header[..FIXED]).expect_err("the fixed part says it");
            assert!(matches!(error, ProxyError::Malformed(_)), "{error}");
        }
        for (bytes, version_1) in [
            (&b"P"[..], true),
            (b"PROXY UNKNOWN\r\n", true),
            (b"PROXY TCP4 192.0.2.7 192.0.2.8 1 2\r\n", true),
            (b"POST / HTTP/1.1\r\n", false),
            (b"\r\n\r\nG", false),
            (b"\x16\x03\x01", false),
        ] {
            let error = parse(bytes).expect_err("another protocol");
            assert_eq!(matches!(error, ProxyError::Version1), version_1, "{error}");
        }
    }

    #[tokio::test]
    async fn nothing_of_the_client_is_taken() {
        let header = header(0x21, 0x11, &[&[192, 0, 2, 7][..], &[0; 8]].concat());
        let bytes = [&header[..], b"GET /"].concat();
        let mut io = &bytes[..];
        assert_eq!(
            read(&mut io).await.unwrap(),
            Some("192.0.2.7".parse().unwrap())
        );
        assert_eq!(io, b"GET /");
        let silent = read(&mut &b""[..]).await;
        assert!(matches!(silent, Err(ProxyError::Silent)));
        let cut = read(&mut &header[..20]).await;
        assert!(matches!(cut, Err(ProxyError::Cut(_))));
    }
}

//! Query parameters and path segments as text: decoded once, strictly.

use std::time::Duration;

use http::request;
use percent_encoding::percent_decode_str;
use tidings_core::{ChannelName, Limits};
use tidings_protocol::{Code, Problem};

use crate::moves::Move;
use crate::via::via;

/// The parameters of a request, in order.
pub struct Query {
    pairs: Vec<(String, String)>,
    /// What a client tells about itself.
    pub moved: Option<Move>,
}

impl Query {
    /// The query of a request. Names that begin with `_` are left out, since caches and proxies add
    /// them, but for `_moved`.
    pub fn of(head: &request::Parts) -> Result<Self, Problem> {
        let query = Self::parse(head.uri.query())?;
        if via(head).guest && query.one("user")?.is_some() {
            return Err(invalid(
                "who the user is, is not the client's to say here: leave out `user`".into(),
            ));
        }
        Ok(query)
    }

    /// What stands behind the `?` of a target.
    pub fn parse(query: Option<&str>) -> Result<Self, Problem> {
        let (mut pairs, mut moved) = (Vec::new(), None);
        for part in query
            .unwrap_or("")
            .split('&')
            .filter(|part| !part.is_empty())
        {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let name = decode(&name.replace('+', " "))?;
            if !name.starts_with('_') {
                pairs.push((name, decode(&value.replace('+', " "))?));
            } else if name == "_moved" {
                moved = Move::parse(value);
            }
        }
        Ok(Self { pairs, moved })
    }

    /// Refuses parameters that are not among `known`.
    pub fn only(&self, known: &[&str]) -> Result<(), Problem> {
        match self
            .pairs
            .iter()
            .find(|(name, _)| !known.contains(&name.as_str()))
        {
            None => Ok(()),
            Some((name, _)) => Err(Problem::new(Code::UnknownParameter, unknown(name, known))),
        }
    }

    /// Takes out the one channel that `name` names.
    pub fn take_name(&mut self) -> Result<ChannelName, Problem> {
        let name = match self.one("name")? {
            Some(name) => ChannelName::parse(name)?,
            None => {
                return Err(invalid(
                    "which channel? /channels/NAME, or /channels?name=NAME".into(),
                ));
            }
        };
        self.pairs.retain(|pair| pair.0 != "name");
        Ok(name)
    }

    /// All values of a parameter.
    pub fn all<'q>(&'q self, name: &str) -> impl Iterator<Item = &'q str> {
        self.pairs
            .iter()
            .filter(move |pair| pair.0 == name)
            .map(|pair| pair.1.as_str())
    }

    /// The value of a parameter that may stand once.
    pub fn one(&self, name: &str) -> Result<Option<&str>, Problem> {
        let mut values = self.all(name);
        let value = values.next();
        match values.next() {
            Some(_) => Err(invalid(format!("`{name}` stands twice"))),
            None => Ok(value),
        }
    }

    /// A whole number.
    pub fn number(&self, name: &str) -> Result<Option<usize>, Problem> {
        let Some(text) = self.one(name)? else {
            return Ok(None);
        };
        let number = text
            .parse()
            .map_err(|_| invalid(format!("`{name}` is a whole number from 0")))?;
        Ok(Some(number))
    }

    /// A time in seconds.
    pub fn seconds(&self, name: &str) -> Result<Option<Duration>, Problem> {
        let Some(text) = self.one(name)? else {
            return Ok(None);
        };
        let seconds = text
            .parse()
            .map_err(|_| invalid(format!("`{name}` is a number of seconds")))?;
        check_seconds(name, seconds).map(Some)
    }

    /// `true` or `false`.
    pub fn flag(&self, name: &str) -> Result<Option<bool>, Problem> {
        match self.one(name)? {
            None => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(_) => Err(invalid(format!("`{name}` is true or false"))),
        }
    }

    /// Who asks, as the request says it.
    pub fn user(&self) -> Result<Option<&str>, Problem> {
        let user = self.one("user")?;
        let bad = |user: &&str| {
            user.is_empty()
                || user.len() > Limits::USER_BYTES
                || user.chars().any(|c| c.is_control() || c.is_whitespace())
        };
        match user.filter(bad) {
            Some(_) => Err(invalid(format!(
                "`user` has 1 to {} bytes and no white space or control character",
                Limits::USER_BYTES
            ))),
            None => Ok(user),
        }
    }
}

/// A time that can be waited. One that is longer than can be told is as long as can be.
pub fn check_seconds(name: &str, seconds: f64) -> Result<Duration, Problem> {
    if !seconds.is_finite() || seconds < 0.0 {
        return Err(invalid(format!("`{name}` is a number of seconds from 0")));
    }
    Ok(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX))
}

/// The channel of a path segment.
pub fn channel_of_segment(segment: &str) -> Result<ChannelName, Problem> {
    let use_name = |why: &str| {
        Problem::new(
            Code::InvalidName,
            format!("{why}; use /channels?name= for it"),
        )
    };
    if segment.contains('/') {
        return Err(use_name("a channel in the path is one segment"));
    }
    let name = decode(segment)?;
    if name.contains('/') || name == "." || name == ".." {
        return Err(use_name(
            "a channel with / in its name, or named . or .., cannot stand in the path",
        ));
    }
    Ok(ChannelName::parse(&name)?)
}

fn decode(text: &str) -> Result<String, Problem> {
    let mut rest = text;
    while let Some(at) = rest.find('%') {
        let digits = rest.as_bytes().get(at + 1..at + 3);
        if !digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)) {
            return Err(Problem::new(
                Code::BadRequest,
                "a % that begins no escape; write it as %25",
            ));
        }
        rest = &rest[at + 3..];
    }
    match percent_decode_str(text).decode_utf8() {
        Ok(text) => Ok(text.into_owned()),
        Err(_) => Err(Problem::new(
            Code::BadRequest,
            "the escapes in the URL are not UTF-8",
        )),
    }
}

fn unknown(name: &str, known: &[&str]) -> String {
    let name: String = name.chars().take(40).collect();
    let hint = match name.as_str() {
        "lastId" | "last_id" | "since" | "lastEventId" | "last_event_id" | "cursor" | "offset" => {
            "; where to start is `after`".to_owned()
        }
        "topic" | "channel" | "room" => "; the channel stands in the path, or in `name`".to_owned(),
        "timeout" => "; how long to wait is `wait`".to_owned(),
        "count" | "max" => "; how many is `limit`".to_owned(),
        _ => format!("; known here: {}", known.join(", ")),
    };
    format!("there is no parameter `{name}`{hint}")
}

pub fn invalid(detail: String) -> Problem {
    Problem::new(Code::InvalidParameter, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries() {
        let q = Query::parse(Some(
            "name=%EC%B1%84%ED%8C%85&name=a%2Fb&_=1&wait=0.5&&last=3&x",
        ))
        .unwrap();
        assert_eq!(q.all("name").collect::<Vec<_>>(), ["채팅", "a/b"]);
        assert_eq!(q.seconds("wait").unwrap(), Some(Duration::from_millis(500)));
        let long = Query::parse(Some("wait=1e300")).unwrap();
        assert_eq!(long.seconds("wait").unwrap(), Some(Duration::MAX));
        assert_eq!(q.number("last").unwrap(), Some(3));
        assert!(q.one("name").is_err());
        assert!(q.only(&["name", "wait", "last", "x"]).is_ok());
        assert!(q.only(&["name"]).is_err());
        for bad in ["a=%ff", "a=%", "a=%g1", "%c3%28=1"] {
            assert!(Query::parse(Some(bad)).is_err(), "{bad}");
        }
        for bad in ["wait=-1", "wait=NaN", "wait=inf", "wait=x"] {
            assert!(
                Query::parse(Some(bad)).unwrap().seconds("wait").is_err(),
                "{bad}"
            );
        }
    }

    #[test]
    fn hints() {
        let hint = |q| {
            Query::parse(Some(q))
                .unwrap()
                .only(&["name"])
                .unwrap_err()
                .detail
        };
        assert!(hint("since=1").contains("`after`"));
        assert!(hint("topic=1").contains("path"));
    }

    #[test]
    fn segments() {
        assert_eq!(
            channel_of_segment("%EB%B0%A9%3A7").unwrap().as_str(),
            "방:7"
        );
        assert_eq!(channel_of_segment("a+b").unwrap().as_str(), "a+b");
        assert_eq!(channel_of_segment("%252F").unwrap().as_str(), "%2F");
        for bad in [
            "", ".", "..", "%2e%2E", "a%2Fb", "a/b", "%ff", "%20", "%00", "%",
        ] {
            assert!(channel_of_segment(bad).is_err(), "{bad}");
        }
    }
}

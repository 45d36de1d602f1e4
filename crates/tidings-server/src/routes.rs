//! The paths that the server has, with the methods that each takes. What is answered there is the
//! business of `handler` and `admin`; a path that does not stand here reaches neither.

use crate::admin;

const READS: &str = "GET, HEAD, OPTIONS";
const TAKES: &str = "POST, OPTIONS";
const CHANNEL: &str = "GET, HEAD, POST, DELETE, OPTIONS";

/// Paths, of which the first that fits counts: any text stands for what is in braces.
const ROUTES: [(&str, &str); 15] = [
    ("/channels", CHANNEL),
    ("/channels/{channel}/presence", READS),
    ("/channels/{channel}", CHANNEL),
    ("/presence", READS),
    ("/read", TAKES),
    ("/publish", TAKES),
    ("/session", TAKES),
    ("/tickets", TAKES),
    ("/healthz", READS),
    ("/readyz", READS),
    ("/metrics", READS),
    ("/openapi.json", READS),
    ("/", READS),
    ("/console/{file}", READS),
    ("/tidings.{file}", READS),
];

/// All paths, each with its methods as `Allow` lists them (RFC 9110 section 10.2.1).
pub fn all() -> impl Iterator<Item = (&'static str, &'static str)> {
    ROUTES.into_iter().chain(admin::ROUTES)
}

/// The methods of the path that this one is; `None` where there is no such path.
pub fn methods(path: &str) -> Option<&'static str> {
    all()
        .find(|(route, _)| fits(route, path))
        .map(|(_, methods)| methods)
}

/// The methods of a path that does not exist: it is read in vain.
pub const OF_NOTHING: &str = READS;

fn fits(route: &str, path: &str) -> bool {
    let Some((before, rest)) = route.split_once('{') else {
        return route == path;
    };
    let after = rest.split_once('}').map_or("", |(_, after)| after);
    path.strip_prefix(before)
        .and_then(|rest| rest.strip_suffix(after))
        .is_some_and(|name| !name.is_empty() || after.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_may_have_the_name_of_a_path() {
        for (path, expected) in [
            ("/channels/a", CHANNEL),
            ("/channels/a/presence", READS),
            ("/channels/presence", CHANNEL),
            ("/channels/presence/presence", READS),
            ("/channels/", CHANNEL),
            ("/channels", CHANNEL),
            ("/read", TAKES),
            ("/admin/revoke", TAKES),
        ] {
            assert_eq!(methods(path), Some(expected), "{path}");
        }
        for path in [
            "/presence/",
            "/a/presence",
            "/admin",
            "/admin/",
            "*",
            "/channel",
        ] {
            assert_eq!(methods(path), None, "{path}");
        }
    }
}

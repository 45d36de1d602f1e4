//! "Did you mean": the known name that is nearest to a wrong one.

/// The candidate that is nearest to `wrong`, if one is near: by the whole name, or by its last part
/// (`wait` for `limits.wait`).
pub fn nearest<'a>(wrong: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let reach = (wrong.chars().count() / 3).max(2);
    let far = |candidate: &str| {
        let whole = strsim::damerau_levenshtein(wrong, candidate);
        let parts = strsim::damerau_levenshtein(last(wrong), last(candidate)) + 1;
        whole.min(parts)
    };
    candidates
        .map(|candidate| (far(candidate), candidate))
        .filter(|(distance, _)| *distance <= reach)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

fn last(name: &str) -> &str {
    name.rsplit_once('.').map_or(name, |(_, last)| last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_and_far() {
        let names = || ["limits.wait", "limits.drain", "history.age", "origins"].into_iter();
        assert_eq!(nearest("limits.wiat", names()), Some("limits.wait"));
        assert_eq!(nearest("wait", names()), Some("limits.wait"));
        assert_eq!(nearest("origin", names()), Some("origins"));
        assert_eq!(nearest("history.aeg", names()), Some("history.age"));
        assert_eq!(nearest("완전히.다른.것", names()), None);
    }
}

//! A token bucket: what a peer may do now and then, and not all the time. It has no clock.

/// Tokens that come back with time, up to a bound.
#[derive(Clone, Copy, Debug)]
pub struct Allowance {
    tokens: u32,
    max: u32,
    per_second: u32,
    /// Until when tokens were given, in milliseconds.
    paid: u64,
}

/// There are not enough tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spent;

impl Allowance {
    /// A full bucket of `max` tokens at `now`, in milliseconds of any clock that does not go back.
    #[must_use]
    pub const fn new(max: u32, per_second: u32, now: u64) -> Self {
        Self {
            tokens: max,
            max,
            per_second,
            paid: now,
        }
    }

    /// Takes tokens.
    ///
    /// # Errors
    /// There are fewer; none are taken.
    pub fn spend(&mut self, tokens: u32) -> Result<(), Spent> {
        self.tokens = self.tokens.checked_sub(tokens).ok_or(Spent)?;
        Ok(())
    }

    /// Gives tokens back.
    pub fn earn(&mut self, tokens: u64) {
        let tokens = u64::from(self.tokens).saturating_add(tokens);
        self.tokens = tokens.min(u64::from(self.max)) as u32;
    }

    /// Gives what the time up to `now` is worth.
    pub fn refill(&mut self, now: u64) {
        let elapsed = now.saturating_sub(self.paid);
        let earned = elapsed.saturating_mul(u64::from(self.per_second)) / 1000;
        if earned > 0 {
            // Only whole tokens are paid for: the rest of the time counts the next time.
            self.paid += earned * 1000 / u64::from(self.per_second);
            self.earn(earned);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_come_back_with_time_and_not_beyond_the_bound() {
        let mut allowance = Allowance::new(3, 10, 1_000);
        assert_eq!(allowance.spend(3), Ok(()));
        assert_eq!(allowance.spend(1), Err(Spent));
        for now in 1_000..1_150 {
            allowance.refill(now);
        }
        assert_eq!(allowance.spend(2), Err(Spent));
        assert_eq!(allowance.spend(1), Ok(()));
        allowance.refill(u64::MAX);
        assert_eq!(allowance.spend(4), Err(Spent));
        assert_eq!(allowance.spend(3), Ok(()));
    }
}

//! Answers without a model: a Markov chain over a text of our own, seeded by the prompt, so that one
//! prompt has one answer. It understands nothing, and says so.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use fastrand::Rng;
use tokio::time::{Interval, MissedTickBehavior, interval};

/// What its words are learned from.
const TEXT: &str = include_str!("generator.txt");

/// Between two pieces: some thirty a second.
const PACE: Duration = Duration::from_millis(33);

/// Words that an answer has at least; it ends with the sentence.
const WORDS: std::ops::Range<usize> = 200..400;

/// Characters of the prompt that are repeated.
const QUOTED: usize = 80;

/// An answer on its way.
pub struct Generator {
    words: std::vec::IntoIter<String>,
    pace: Interval,
}

impl Generator {
    /// The answer to a prompt.
    pub fn new(prompt: &str) -> Self {
        let mut pace = interval(PACE);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            words: words(prompt).into_iter(),
            pace,
        }
    }

    /// The next piece, when it is time; `None` at the end.
    pub async fn next(&mut self) -> Option<String> {
        let piece = self.words.next()?;
        self.pace.tick().await;
        Some(piece)
    }
}

/// All pieces: words with the white space that follows them.
fn words(prompt: &str) -> Vec<String> {
    let quoted: String = prompt.trim().chars().take(QUOTED).collect();
    let cut = if quoted.len() < prompt.trim().len() {
        "…"
    } else {
        ""
    };
    let opening = format!(
        "You asked: “{quoted}{cut}”. No model is configured here, so this is a chain of words that follow each other by chance.\n\n"
    );
    let mut pieces: Vec<String> = opening.split_inclusive(' ').map(str::to_owned).collect();
    let mut rng = Rng::with_seed(seed(prompt));
    pieces.extend(walk(&mut rng));
    pieces
}

fn seed(prompt: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    prompt.hash(&mut hasher);
    hasher.finish()
}

/// Words by a chain in which two make the next likely. Some sentences end a paragraph.
fn walk(rng: &mut Rng) -> Vec<String> {
    let text: Vec<&str> = TEXT.split_whitespace().collect();
    let mut after: HashMap<(&str, &str), Vec<&str>> = HashMap::new();
    let mut begins = vec![(text[0], text[1])];
    for words in text.windows(3) {
        after
            .entry((words[0], words[1]))
            .or_default()
            .push(words[2]);
        if words[0].ends_with('.') {
            begins.push((words[1], words[2]));
        }
    }
    let enough = rng.usize(WORDS);
    let mut pieces = Vec::new();
    while pieces.len() < enough {
        let (mut first, mut second) = begins[rng.usize(..begins.len())];
        pieces.push(format!("{first} "));
        while !second.ends_with('.') {
            pieces.push(format!("{second} "));
            let Some(next) = after.get(&(first, second)) else {
                break;
            };
            (first, second) = (second, next[rng.usize(..next.len())]);
        }
        let end = if rng.u8(..5) == 0 { "\n\n" } else { " " };
        pieces.push(format!("{second}{end}"));
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_prompt_has_one_answer_of_some_hundred_words() {
        for prompt in ["Hello", "안녕 👋", &"x".repeat(4096)] {
            let answer = words(prompt);
            assert_eq!(answer, words(prompt));
            assert!((200..600).contains(&answer.len()), "{}", answer.len());
            assert!(answer.concat().trim_end().ends_with('.'));
            assert!(answer.iter().all(|piece| !piece.trim().is_empty()));
        }
        assert_ne!(words("a")[30..], words("b")[30..]);
    }
}

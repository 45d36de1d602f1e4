//! What is asked: a prompt with an id, or a conversation, from the body of a request.

use serde::Deserialize;
use serde_json::{Value, json};
use tidings_protocol::command::parse_body;
use tidings_protocol::{Code, Problem};

/// Bytes of a prompt, and of the last message of a conversation.
const PROMPT: usize = 4 << 10;

/// Messages of a conversation.
const MESSAGES: usize = 64;

/// Characters of an id.
const ID: usize = 64;

/// A conversation: its last message is to be answered.
#[derive(Debug)]
pub struct Question {
    messages: Vec<Message>,
}

#[derive(Debug, Deserialize)]
struct Message {
    role: String,
    content: String,
}

#[derive(Deserialize)]
struct Prompt {
    prompt: String,
    #[serde(default)]
    id: Option<String>,
}

#[derive(Deserialize)]
struct Conversation {
    messages: Vec<Message>,
}

impl Question {
    /// From `{"prompt", "id"}`, with its id.
    pub fn of_prompt(body: &[u8]) -> Result<(Self, String), Problem> {
        let given: Prompt = parse_body(body, "{\"prompt\":\"…\"}")?;
        let id = match given.id {
            Some(id) => check_id(id)?,
            None => random_id()?,
        };
        let message = Message {
            role: "user".into(),
            content: given.prompt,
        };
        let messages = vec![message];
        Ok((Self { messages }.check("prompt")?, id))
    }

    /// From `{"messages": [{"role", "content"}]}`.
    pub fn of_messages(body: &[u8]) -> Result<Self, Problem> {
        let shape = "{\"messages\":[{\"role\":\"user\",\"content\":\"…\"}]}";
        let given: Conversation = parse_body(body, shape)?;
        if !(1..=MESSAGES).contains(&given.messages.len()) {
            return Err(invalid(format!(
                "`messages` holds 1 to {MESSAGES} messages, the newest last"
            )));
        }
        for message in &given.messages {
            if !["system", "user", "assistant"].contains(&message.role.as_str()) {
                return Err(invalid("`role` is system, user or assistant".into()));
            }
        }
        let messages = given.messages;
        Self { messages }.check("content")
    }

    /// What is to be answered.
    pub fn prompt(&self) -> &str {
        self.messages.last().map_or("", |last| &last.content)
    }

    /// All of it, as models are asked.
    pub fn messages(&self) -> Value {
        let one = |message: &Message| json!({"role": message.role, "content": message.content});
        self.messages.iter().map(one).collect()
    }

    fn check(self, field: &str) -> Result<Self, Problem> {
        let prompt = self.prompt();
        if prompt.trim().is_empty() {
            return Err(invalid(format!(
                "`{field}` is empty: there is nothing to answer"
            )));
        }
        if prompt.len() > PROMPT {
            let detail = format!("`{field}` has at most {PROMPT} bytes");
            return Err(Problem::new(Code::BodyTooLarge, detail));
        }
        Ok(self)
    }
}

/// An id that nobody guesses.
pub fn random_id() -> Result<String, Problem> {
    let mut bytes = [0; 12];
    getrandom::fill(&mut bytes)
        .map_err(|_| Problem::new(Code::Internal, "the system gives no random numbers"))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn check_id(id: String) -> Result<String, Problem> {
    let valid = |b: u8| b.is_ascii_alphanumeric() || b"-_".contains(&b);
    match (1..=ID).contains(&id.len()) && id.bytes().all(valid) {
        true => Ok(id),
        false => Err(invalid(format!(
            "`id` has 1 to {ID} letters, digits, - and _, as a UUID has"
        ))),
    }
}

fn invalid(detail: String) -> Problem {
    Problem::new(Code::InvalidParameter, detail)
}

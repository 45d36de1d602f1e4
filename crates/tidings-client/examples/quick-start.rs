//! Publishes to a channel and follows it. A server: `tidings serve`.

use tidings_client::{Client, Error, Event, Publish, Start, SubscribeOptions};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let url = std::env::var("TIDINGS_URL").unwrap_or_else(|_| "http://127.0.0.1:8000".into());
    let client = Client::new(&url)?;
    let hello = Publish::json(&serde_json::json!({ "text": "안녕 from Rust" }))?;
    let receipt = client.publish("room:7", hello).await?;
    println!("{} read it now", receipt.subscribers);

    let newest = SubscribeOptions {
        after: Start::Last(10),
        ..SubscribeOptions::default()
    };
    let mut room = client.subscribe(&["room:7"], newest)?;
    while let Some(event) = room.next().await {
        match event? {
            Event::Message(message) => {
                println!("{}", String::from_utf8_lossy(message.data.as_bytes()));
            }
            Event::Gap(gap) => println!("lost up to {}: {}", gap.to, gap.reason.as_str()),
            _ => {}
        }
    }
    Ok(())
}

//! SIGKILL in the middle of a load, again and again: nothing acknowledged is lost, nothing sent
//! again counts twice. `scripts/kill-rounds` does the same for as long as one likes.
use super::*;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::watch;

const ROUNDS: u64 = 3;
const SENDERS: usize = 6;
/// Events that are acknowledged between one kill and the next.
const ROUND_EVENTS: u64 = 1_500;

/// Where the server is; nowhere at the end.
type Place = Option<String>;

struct Sender {
    number: usize,
    place: watch::Receiver<Place>,
    acknowledged: Arc<watch::Sender<u64>>,
    client: reqwest::Client,
}

impl Sender {
    /// Sends until the end; gives what each acknowledged event amounts to.
    async fn run(mut self) -> BTreeMap<String, u64> {
        let mut told = BTreeMap::new();
        for round in 0_u64.. {
            let count = if self.number.is_multiple_of(2) { 1 } else { 20 + round % 80 };
            let events: Vec<(String, u64)> =
                (0..count).map(|n| (format!("{}-{round}-{n}", self.number), 1 + (round + n) % 9)).collect();
            if !self.send_until_answered(&events).await {
                return told;
            }
            self.acknowledged.send_modify(|sum| *sum += count);
            told.extend(events);
        }
        told
    }

    fn body(&self, events: &[(String, u64)]) -> String {
        let event = |(id, value): &(String, u64)| {
            json!({"id": id, "customer": format!("c{}", value), "meter": "api.calls", "value": value})
                .to_string()
        };
        let all: Vec<String> = events.iter().map(event).collect();
        if self.number.is_multiple_of(2) { all.concat() } else { format!("[{}]", all.join(",")) }
    }

    /// Sends the same again after each kill until it is answered; whether it was, before the end.
    async fn send_until_answered(&mut self, events: &[(String, u64)]) -> bool {
        let body = self.body(events);
        loop {
            let Some(url) = self.place.borrow_and_update().clone() else { return false };
            let request = self.client.post(url).header("x-apikey", TEST_KEY).header("content-type", JSON);
            let answer = match request.body(body.clone()).send().await {
                Ok(answer) => answer.json::<Value>().await,
                Err(error) => Err(error),
            };
            match answer {
                Ok(said) => {
                    let counted = said["accepted"].as_u64().zip(said["duplicate"].as_u64());
                    assert_eq!(counted.map(|(new, known)| new + known), Some(events.len() as u64), "{said}");
                    return true;
                }
                // Cut off: whether it was stored shows when it is sent again.
                Err(_) => self.place.changed().await.expect("the test goes on"),
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_under_load_lose_nothing_and_double_nothing() {
    let mut server = Server::start();
    let (moves, place) = watch::channel(Some(server.url("/v1/events")));
    let acknowledged = Arc::new(watch::Sender::new(0));
    let mut counted = acknowledged.subscribe();
    let senders: Vec<_> = (0..SENDERS)
        .map(|number| {
            let client = reqwest::Client::builder().no_proxy().build().expect("a client");
            let sender =
                Sender { number, place: place.clone(), acknowledged: Arc::clone(&acknowledged), client };
            tokio::spawn(sender.run())
        })
        .collect();
    for round in 1..=ROUNDS {
        counted.wait_for(|count| *count >= round * ROUND_EVENTS).await.expect("senders");
        tokio::task::block_in_place(|| server.crash_and_restart());
        moves.send_replace(Some(server.url("/v1/events")));
    }
    counted.wait_for(|count| *count >= (ROUNDS + 1) * ROUND_EVENTS).await.expect("senders");
    moves.send_replace(None);
    let mut expected = BTreeMap::new();
    for sender in senders {
        expected.extend(sender.await.expect("a sender"));
    }
    // What was cut off at the very end may be stored without having been acknowledged; nothing is.
    let mut stored = ids(&server).await;
    stored.sort();
    assert_eq!(stored, expected.keys().cloned().collect::<Vec<_>>());
    assert_eq!(total(&server).await, expected.values().sum::<u64>().to_string());
    let customers = server.get("/v1/customers?limit=1000").await.json();
    assert_eq!(customers["data"].as_array().map(Vec::len), Some(9));
}

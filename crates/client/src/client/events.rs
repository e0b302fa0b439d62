//! Recording and reading usage.
use super::{Again, Answer, Client, Error, json, segment};
use crate::record::Record;
use http::{Method, StatusCode};
use reckoner_api::event::IngestAnswer;
use reckoner_api::query::{Usage, UsageQuery};

/// What became of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recorded {
    /// It is stored now.
    Accepted,
    /// It was stored before.
    Duplicate,
}

impl Client {
    /// Records one use and answers once it is on stable storage.
    ///
    /// `Err` is [`Error::Refused`] with 409 where the id is taken by other content, with 422 where a field is wrong.
    pub async fn record(&self, record: &Record) -> Result<Recorded, Error> {
        let answer = self.send(Method::POST, "/v1/events", json(record)?, Again::Yes).await?;
        match answer.status {
            StatusCode::CREATED => Ok(Recorded::Accepted),
            StatusCode::OK => Ok(Recorded::Duplicate),
            _ => Err(answer.refused()),
        }
    }

    /// Records up to 1,000 uses, each judged by itself: the answer lists those that were not simply accepted.
    pub async fn record_all(&self, records: &[Record]) -> Result<IngestAnswer, Error> {
        let answer = self.send(Method::POST, "/v1/events", json(&records)?, Again::Yes).await?;
        judged(&answer)
    }

    /// What a meter counts.
    ///
    /// ```no_run
    /// # async fn example(client: reckoner_client::Client) -> Result<(), reckoner_client::Error> {
    /// use reckoner_client::wire::query::UsageQuery;
    ///
    /// let query = UsageQuery {
    ///     from: Some("2026-01-01T00:00:00Z".to_owned()),
    ///     to: Some("2026-02-01T00:00:00Z".to_owned()),
    ///     window: Some("day".to_owned()),
    ///     ..UsageQuery::default()
    /// };
    /// for row in client.usage("api.calls", &query).await?.data {
    ///     println!("{} {:?}", row.window_start, row.value);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn usage(&self, meter: &str, query: &UsageQuery) -> Result<Usage, Error> {
        self.post(&format!("/v1/meters/{}/query", segment(meter)), query, Again::Yes).await
    }
}

/// The outcomes of a batch, some of which may be rejections.
pub(crate) fn judged(answer: &Answer) -> Result<IngestAnswer, Error> {
    let told = matches!(answer.status.as_u16(), 200 | 201 | 207 | 422);
    match serde_json::from_slice(&answer.body) {
        Ok(outcomes) if told => Ok(outcomes),
        Err(error) if answer.status.is_success() => Err(Error::Unexpected(error.to_string())),
        _ => Err(answer.refused()),
    }
}

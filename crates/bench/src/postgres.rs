//! (c): what a team would write first: COPY into a staging table, then insert what is new.
use crate::Result;
use crate::load::Measured;
use crate::sample::{self, ID_BYTES, Ids};
use sqlx::{Connection, PgConnection};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// Connections that write.
const CONNECTIONS: usize = 2;
/// Rows of a transaction: ten batches, which is kind to PostgreSQL.
const ROWS: usize = 10_000;

const CREATE: &str = "
    drop table if exists bench_events;
    create table bench_events (
        id uuid primary key, customer text not null, meter text not null, value numeric not null,
        time timestamptz not null, properties text not null
    )";
const STAGE: &str = "create temp table staging (like bench_events) on commit delete rows";
const INSERT: &str = "insert into bench_events select * from staging on conflict do nothing";
const PROPERTIES: &str =
    r#"{"endpoint":"/api/v1/documents/{id}","method":"POST","region":"eu-west-1","status":201}"#;

/// Writes until the time is up.
pub async fn run(url: &str, duration: Duration) -> Result<Measured> {
    let mut connection = PgConnection::connect(url).await?;
    let fsync: String = sqlx::query_scalar("show fsync").fetch_one(&mut connection).await?;
    if fsync != "on" {
        return Err("this PostgreSQL runs with fsync off: its figures would mean nothing".into());
    }
    sqlx::raw_sql(CREATE).execute(&mut connection).await?;
    let began = Instant::now();
    let mut writers = JoinSet::new();
    for _ in 0..CONNECTIONS {
        writers.spawn(write(url.to_owned(), began + duration));
    }
    let mut latencies = Vec::new();
    while let Some(written) = writers.join_next().await {
        latencies.append(&mut written??);
    }
    let elapsed = began.elapsed();
    let rows: i64 =
        sqlx::query_scalar("select count(*) from bench_events").fetch_one(&mut connection).await?;
    sqlx::raw_sql("drop table bench_events").execute(&mut connection).await?;
    if rows as usize != latencies.len() * ROWS {
        return Err(format!("{rows} rows, expected {}", latencies.len() * ROWS).into());
    }
    Ok(Measured::new(rows as u64, elapsed, latencies))
}

async fn write(url: String, until: Instant) -> Result<Vec<Duration>> {
    let mut connection = PgConnection::connect(&url).await?;
    sqlx::raw_sql(STAGE).execute(&mut connection).await?;
    let (mut rows, mut ids, mut latencies) = (Rows::new(), Ids::new(), Vec::new());
    while Instant::now() < until {
        rows.renew(&mut ids);
        let began = Instant::now();
        sqlx::raw_sql("begin").execute(&mut connection).await?;
        let mut copy = connection.copy_in_raw("copy staging from stdin").await?;
        copy.send(rows.text.as_slice()).await?;
        copy.finish().await?;
        sqlx::raw_sql(INSERT).execute(&mut connection).await?;
        sqlx::raw_sql("commit").execute(&mut connection).await?;
        latencies.push(began.elapsed());
    }
    Ok(latencies)
}

/// Rows in COPY's text form, all of one length, with places for the ids.
struct Rows {
    text: Vec<u8>,
    stride: usize,
}

impl Rows {
    fn new() -> Self {
        let (blank, time) = ("0".repeat(ID_BYTES), sample::now());
        let row =
            |i: usize| format!("{blank}\tcustomer_{:04}\tapi.calls\t1\t{time:.6}\t{PROPERTIES}\n", i % 1_000);
        let text: Vec<u8> = (0..ROWS).flat_map(|i| row(i).into_bytes()).collect();
        Self { stride: text.len() / ROWS, text }
    }

    fn renew(&mut self, ids: &mut Ids) {
        for row in self.text.chunks_mut(self.stride) {
            if let Some(place) = row.get_mut(..ID_BYTES) {
                ids.write(place);
            }
        }
    }
}

//! What a customer may still use.
use super::{Again, Answer, Client, Error, json, segment};
use crate::record::Record;
use http::{Method, StatusCode};
use reckoner_api::entitlement::{EntitlementCheck, Lease, LeaseReport, NewLease, Verdict};

/// What came of asking for a lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LeaseAnswer {
    /// Units to decide with, perhaps fewer than asked for.
    Granted(Lease),
    /// There is nothing to grant.
    Refused(Verdict),
}

impl Client {
    /// Whether a customer may use so many units of a meter; nothing is consumed.
    pub async fn check(&self, customer: &str, meter: &str, units: u64) -> Result<Verdict, Error> {
        let (customer, meter) = (Some(customer.to_owned()), meter.to_owned());
        let check = EntitlementCheck { customer, subject: None, meter, value: Some(units.to_string()) };
        let answer =
            self.send(Method::POST, "/v1/entitlements/check", json(&check)?, Again::NotVerdict).await?;
        told(&answer)
    }

    /// Checks and records in one step; `record`'s meter is a meter's key. A verdict that is not `allowed` recorded
    /// nothing. Sending the same record again gives its first verdict and consumes nothing.
    pub async fn consume(&self, record: &Record) -> Result<Verdict, Error> {
        let body = json(record)?;
        let answer = self.send(Method::POST, "/v1/entitlements/consume", body, Again::NotVerdict).await?;
        told(&answer)
    }

    /// Takes units of a meter ahead. It is sent once only: units of a lease that nobody heard of are missing until
    /// it expires.
    pub async fn lease(&self, customer: &str, meter: &str, units: u64) -> Result<LeaseAnswer, Error> {
        self.lease_at(customer, None, meter, units).await.map(|(answer, _)| answer)
    }

    /// A lease, and what time it was for the server. A subject that is assigned counts for its customer, where it is
    /// named as one.
    pub(crate) async fn lease_at(
        &self,
        customer: &str,
        subject: Option<&str>,
        meter: &str,
        units: u64,
    ) -> Result<(LeaseAnswer, Option<jiff::Timestamp>), Error> {
        let (customer, subject) = (Some(customer.to_owned()), subject.map(str::to_owned));
        let body = json(&NewLease { customer, subject, meter: meter.to_owned(), value: units.to_string() })?;
        let answer = self.send(Method::POST, "/v1/entitlements/leases", body, Again::No).await?;
        let at = server_time(&answer);
        match answer.status {
            StatusCode::CREATED => Ok((LeaseAnswer::Granted(answer.read()?), at)),
            StatusCode::TOO_MANY_REQUESTS => Ok((LeaseAnswer::Refused(verdict(&answer)?), at)),
            _ => Err(answer.refused()),
        }
    }

    /// Tells how many units of a lease were used so far in all, after their records were acknowledged; `renew` lets
    /// it expire later. `None`: the lease has ended.
    pub async fn report_lease(&self, lease_id: &str, used: u64, renew: bool) -> Result<Option<Lease>, Error> {
        Ok(self.report_lease_at(lease_id, used, renew).await?.map(|(lease, _)| lease))
    }

    /// Tells the same at the end: what was not used is free again at once. A lease that has ended is no error.
    pub async fn return_lease(&self, lease_id: &str, used: u64) -> Result<(), Error> {
        let path = format!("/v1/entitlements/leases/{}/return", segment(lease_id));
        let body = json(&LeaseReport { used: used.to_string(), renew: None })?;
        let answer = self.send(Method::POST, &path, body, Again::Yes).await?;
        if answer.status.is_success() || answer.status == StatusCode::NOT_FOUND {
            Ok(())
        } else {
            Err(answer.refused())
        }
    }

    /// A report's lease, and what time it was for the server.
    pub(crate) async fn report_lease_at(
        &self,
        lease_id: &str,
        used: u64,
        renew: bool,
    ) -> Result<Option<(Lease, Option<jiff::Timestamp>)>, Error> {
        let path = format!("/v1/entitlements/leases/{}/report", segment(lease_id));
        let renew = renew.then_some(true);
        let body = json(&LeaseReport { used: used.to_string(), renew })?;
        let answer = self.send(Method::POST, &path, body, Again::Yes).await?;
        match answer.status {
            StatusCode::NOT_FOUND => Ok(None),
            status if status.is_success() => Ok(Some((answer.read()?, server_time(&answer)))),
            _ => Err(answer.refused()),
        }
    }
}

/// A verdict, whichever it is.
fn told(answer: &Answer) -> Result<Verdict, Error> {
    match answer.status {
        StatusCode::OK | StatusCode::TOO_MANY_REQUESTS => verdict(answer),
        _ => Err(answer.refused()),
    }
}

/// A 429 without a verdict comes from a rate limit of the key, not from an entitlement.
fn verdict(answer: &Answer) -> Result<Verdict, Error> {
    answer.read().map_err(|error| if answer.status.is_success() { error } else { answer.refused() })
}

fn server_time(answer: &Answer) -> Option<jiff::Timestamp> {
    let date = answer.headers.get(http::header::DATE)?.to_str().ok()?;
    jiff::fmt::rfc2822::parse(date).ok().map(|time| time.timestamp())
}

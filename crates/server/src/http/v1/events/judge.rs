//! What became of each event of a request.
use crate::auth::caller::Caller;
use crate::events::{AppendError, Outcome};
use crate::http::error::ApiError;
use crate::http::state::App;
use crate::ingest::assignments::Assigned;
use crate::ingest::draft::{Checked, Fault, Rejected, Rules, Sent, text_fault};
use crate::ingest::fields::Raw;
use crate::ingest::record::RecordError;
use crate::ingest::rejections::Rejection;
use crate::ingest::{cloudevents, scan};
use crate::random;
use crate::store::Scope;
use crate::store::rejected_events::Code;
use reckoner_api::error::FieldError;
use reckoner_api::event::{IngestAnswer, Outcome as ApiOutcome, OutcomeStatus};
use reckoner_domain::event::ID_BYTES_MAX;
use reckoner_domain::meter::Catalogue;
use reckoner_domain::time::Timestamp;
use std::time::Duration;

/// The form events come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Reckoner's own.
    Native,
    /// The same, where a meter's key may stand for the event type that it reads.
    OfMeters,
    /// Structured CloudEvents.
    CloudEvents,
}

/// What is wrong with an id in a conflict.
const CONFLICT: &str = "is taken by an event with other content";
/// How long events wait for room before the committer, in milliseconds, and how often.
const ROOM_WAIT_MS: u64 = 20;
const ROOM_WAITS_MAX: u32 = 500;

/// Reads and records events of one request.
pub struct Judge<'a> {
    app: &'a App,
    caller: &'a Caller,
    catalogue: &'a Catalogue,
    now: Timestamp,
    form: Form,
    /// Whether accepted events are listed too.
    all_outcomes: bool,
    /// Whether a key came with several events, which it cannot name.
    key_names_none: bool,
    /// Whether a full queue is waited for.
    patient: bool,
}

/// What the check of an event said.
type Verdict<'e> = Result<Checked<'e>, Rejected>;

/// An event as it was sent, and what its check said.
pub struct Judged<'e> {
    sent: &'e [u8],
    verdict: Verdict<'e>,
}

impl<'e> Judged<'e> {
    /// The event, where it is one.
    pub fn checked(&self) -> Option<&Checked<'e>> {
        self.verdict.as_ref().ok()
    }

    /// One whose text is gone.
    pub fn lost(reason: String) -> Self {
        Self { sent: &[], verdict: Err(Rejected::new(None, vec![Fault::new("", reason)])) }
    }
}

impl<'a> Judge<'a> {
    /// For events that arrive now.
    pub fn new(app: &'a App, caller: &'a Caller, catalogue: &'a Catalogue, form: Form) -> Self {
        let now = app.clock.of_project(caller.project);
        Self { app, caller, catalogue, now, form, all_outcomes: false, key_names_none: false, patient: false }
    }

    /// Whether accepted events are listed too.
    pub fn all_outcomes(self, all_outcomes: bool) -> Self {
        Self { all_outcomes, ..self }
    }

    /// For several events; `key_given` when an `Idempotency-Key` came with them. It names a single
    /// event only: those without an id of their own would be counted again when sent again.
    pub fn several(self, key_given: bool) -> Self {
        Self { key_names_none: key_given, ..self }
    }

    /// Waits for room where the queue is full: the sender of a stream waits too.
    pub fn patient(self) -> Self {
        Self { patient: true, ..self }
    }

    /// When the events arrived.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    fn rules(&self) -> Rules<'_> {
        let backfill = self.caller.scopes.has(Scope::Backfill);
        let rules = self.app.recorder.rules(self.catalogue, self.now, backfill);
        let assignments = &self.app.recorder.assignments;
        let assigned = Some(Assigned { assignments, project: self.caller.project });
        Rules { names_meters: self.form == Form::OfMeters, assigned, ..rules }
    }

    fn make_id(&self) -> Result<String, String> {
        if self.key_names_none {
            return Err("an Idempotency-Key names a single event only".to_owned());
        }
        random::uuid_text(self.app.clock.real()).map_err(|error| error.to_string())
    }

    /// Checks one event, given as the JSON text of an object that was scanned.
    pub fn check<'e>(&self, event: Raw<'e>) -> Judged<'e> {
        Judged { sent: event.as_json().as_bytes(), verdict: self.verdict(event) }
    }

    fn verdict<'e>(&self, event: Raw<'e>) -> Verdict<'e> {
        if !event.is_object() {
            return Err(Rejected::new(None, vec![Fault::new("", "must be an object")]));
        }
        match self.form {
            Form::Native | Form::OfMeters => {
                let sent = Sent::read(event.as_json()).map_err(Rejected::malformed)?;
                sent.check(&self.rules(), || self.make_id())
            }
            Form::CloudEvents => cloudevents::check(event.as_json(), &self.rules()),
        }
    }

    /// Checks the only event of a request; `key` is its id unless it has one. One that is no JSON is
    /// a request that is none, and is not kept among the rejected.
    pub fn check_single<'e>(&self, event: Raw<'e>, key: Option<&str>) -> Result<Judged<'e>, Rejected> {
        let sent = event.as_json().as_bytes();
        match self.single_verdict(event, key) {
            Ok(checked) => Ok(Judged { sent, verdict: Ok(checked) }),
            Err(rejected) => {
                if !rejected.malformed {
                    self.keep_rejected(0, &rejected, sent);
                }
                Err(rejected)
            }
        }
    }

    fn single_verdict<'e>(&self, event: Raw<'e>, key: Option<&str>) -> Verdict<'e> {
        let Some(key) = key.filter(|_| self.form != Form::CloudEvents) else { return self.verdict(event) };
        let sent = Sent::read(event.as_json()).map_err(Rejected::malformed)?;
        let mut faults = Vec::new();
        if let Some(reason) = text_fault(key, ID_BYTES_MAX) {
            faults.push(Fault::new("Idempotency-Key", reason));
        }
        if sent.id.and_then(Raw::as_text).is_some_and(|id| id != key) {
            faults.push(Fault::new("id", "must be absent, or the same as the Idempotency-Key"));
        }
        match sent.check(&self.rules(), || Ok::<_, String>(key.to_owned())) {
            Ok(checked) if faults.is_empty() => Ok(checked),
            Ok(checked) => {
                let rejected = Rejected::new(Some(key.to_owned()), faults);
                Err(rejected.of(Some(checked.customer), Some(checked.event_type)))
            }
            Err(rejected) => {
                faults.extend(rejected.faults);
                Err(Rejected { faults, ..rejected })
            }
        }
    }

    /// Checks one line of NDJSON.
    pub fn check_line<'e>(&self, line: &'e [u8]) -> Judged<'e> {
        Judged { sent: line, verdict: self.line_verdict(line) }
    }

    fn line_verdict<'e>(&self, line: &'e [u8]) -> Verdict<'e> {
        let text = std::str::from_utf8(line).map_err(|_| Rejected::malformed("is not UTF-8".into()))?;
        let scanned = scan::container(text).map_err(|error| Rejected::malformed(error.to_string()))?;
        self.verdict(Raw::new(scanned))
    }

    /// Stores what is valid and tells what became of each; `first` is the place of the first event
    /// in the request.
    pub async fn record(&self, events: Vec<Judged<'_>>, first: u64) -> Result<IngestAnswer, ApiError> {
        let mut answer = IngestAnswer::default();
        let mut valid = Vec::with_capacity(events.len());
        let mut places = Vec::with_capacity(events.len());
        for (index, Judged { sent, verdict }) in (first..).zip(events) {
            match verdict {
                Ok(checked) => {
                    valid.push(checked);
                    places.push((index, sent));
                }
                Err(rejected) => {
                    self.keep_rejected(index, &rejected, sent);
                    let errors = rejected.faults.into_iter().map(to_api_error).collect();
                    answer.outcomes.push(outcome(index, rejected.id, OutcomeStatus::Rejected, errors));
                }
            }
        }
        answer.rejected = answer.outcomes.len() as u64;
        let stored = self.store(&valid).await?;
        for ((place, event), outcome) in places.into_iter().zip(&valid).zip(stored) {
            self.note(&mut answer, place, event, outcome);
        }
        answer.outcomes.sort_by_key(|outcome| outcome.index);
        Ok(answer)
    }

    async fn store(&self, valid: &[Checked<'_>]) -> Result<Vec<Outcome>, ApiError> {
        for _ in 0..ROOM_WAITS_MAX {
            match self.app.recorder.record(self.caller.project, self.now, valid).await {
                Err(RecordError::Append(AppendError::Busy)) if self.patient => {
                    tokio::time::sleep(Duration::from_millis(ROOM_WAIT_MS)).await;
                }
                result => return Ok(result?),
            }
        }
        Err(AppendError::Busy.into())
    }

    fn keep_rejected(&self, index: u64, rejected: &Rejected, sent: &[u8]) {
        let reasons = rejected.faults.iter().map(|fault| (shown_field(&fault.field), fault.reason.as_str()));
        self.app.rejections.note(&Rejection {
            project: self.caller.project,
            received_at: self.now,
            index,
            code: if rejected.malformed { Code::Malformed } else { Code::Invalid },
            event_id: rejected.id.as_deref(),
            customer: rejected.customer.as_deref(),
            meter: rejected.meter.as_deref(),
            reasons: reasons.collect(),
            sent,
        });
    }

    fn keep_conflict(&self, index: u64, event: &Checked<'_>, sent: &[u8]) {
        self.app.rejections.note(&Rejection {
            project: self.caller.project,
            received_at: self.now,
            index,
            code: Code::Conflict,
            event_id: Some(&event.id),
            customer: Some(&event.customer),
            meter: Some(&event.event_type),
            reasons: vec![("id", CONFLICT)],
            sent,
        });
    }

    fn note(
        &self,
        answer: &mut IngestAnswer,
        (index, sent): (u64, &[u8]),
        event: &Checked<'_>,
        stored: Outcome,
    ) {
        let (status, errors) = match stored {
            Outcome::Accepted { .. } => {
                answer.accepted += 1;
                if !self.all_outcomes {
                    return;
                }
                (OutcomeStatus::Accepted, Vec::new())
            }
            Outcome::Duplicate { .. } => {
                answer.duplicate += 1;
                (OutcomeStatus::Duplicate, Vec::new())
            }
            Outcome::Conflict { .. } => {
                answer.rejected += 1;
                self.keep_conflict(index, event, sent);
                let fault = Fault::new("id", CONFLICT);
                (OutcomeStatus::Rejected, vec![to_api_error(fault)])
            }
        };
        answer.outcomes.push(outcome(index, Some(event.id.to_string()), status, errors));
    }
}

fn outcome(index: u64, id: Option<String>, status: OutcomeStatus, errors: Vec<FieldError>) -> ApiOutcome {
    ApiOutcome { index, id, status, errors }
}

/// The field of a fault; what is wrong with the whole is wrong with the event.
fn shown_field(field: &str) -> &str {
    if field.is_empty() { "event" } else { field }
}

/// A fault as the API shows it.
pub fn to_api_error(fault: Fault) -> FieldError {
    FieldError { field: shown_field(&fault.field).to_owned(), reason: fault.reason, allowed: fault.allowed }
}

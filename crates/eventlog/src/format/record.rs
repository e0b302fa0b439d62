//! One record of a frame: an event, its correction, or the clearing of a project.
use super::varint;
use reckoner_domain::decimal::{Decimal, SCALE};
use reckoner_domain::event::{Event, EventDraft};
use reckoner_domain::id::ProjectId;
use reckoner_domain::time::Timestamp;

/// A usage event.
const KIND_EVENT: u8 = 1;
/// All events of the project before this record are gone.
const KIND_CLEARED: u8 = 2;
/// An event is void.
const KIND_VOID: u8 = 3;
/// An event says something else from now on.
const KIND_AMEND: u8 = 4;
/// What the times of amended events are counted from: they do not move with their frame's receipt.
const AMENDED_FROM: Timestamp = Timestamp::EPOCH;

const TIME_GIVEN: u8 = 1;
const HAS_SUBJECT: u8 = 1 << 1;
const HAS_PROPERTIES: u8 = 1 << 2;
const HAS_SOURCE_CONTEXT: u8 = 1 << 3;
const VALUE_IS_ONE: u8 = 1 << 4;
const KNOWN_FLAGS: u8 = TIME_GIVEN | HAS_SUBJECT | HAS_PROPERTIES | HAS_SOURCE_CONTEXT | VALUE_IS_ONE;

/// Why the bytes of a checked frame are no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// Cut, or not in this format.
    #[error("a record is malformed")]
    Malformed,
}

/// A record as read; texts are borrowed from the frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Record<'a> {
    /// A usage event.
    Event(EventRecord<'a>),
    /// An event is void, or says something else.
    Correction(CorrectionRecord<'a>),
    /// All events of the frame's project before this record are gone.
    Cleared,
}

/// An event as its record says it; sequence, project and receipt are the frame's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventRecord<'a> {
    /// What was sent, with the time where one was given.
    pub draft: EventDraft<'a>,
    /// When it was used.
    pub time: Timestamp,
}

/// A correction: which event, where it counts, and what it said before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CorrectionRecord<'a> {
    /// The event's sequence.
    pub target: u64,
    /// Who corrected it.
    pub by: &'a str,
    /// The value it had until now.
    pub before: Decimal,
    /// The event's customer.
    pub customer: &'a str,
    /// The event's type.
    pub event_type: &'a str,
    /// When it was used.
    pub time: Timestamp,
    /// The event as it is from now on; `None` when it is void.
    pub after: Option<EventRecord<'a>>,
}

impl<'a> EventRecord<'a> {
    /// What an event says.
    pub fn of(event: &'a Event) -> Self {
        let draft = EventDraft {
            id: &event.id,
            customer: &event.customer,
            event_type: &event.event_type,
            value: event.value,
            time: event.time_given.then_some(event.time),
            subject: event.subject.as_deref(),
            properties: event.properties.as_deref(),
            source_context: event.source_context.as_deref(),
        };
        Self { draft, time: event.time }
    }

    /// The event as it is handed out.
    pub fn to_event(self, project: ProjectId, sequence: u64, received_at: Timestamp) -> Event {
        let EventDraft { id, customer, event_type, value, subject, properties, source_context, .. } =
            self.draft;
        Event {
            project,
            sequence,
            id: id.to_owned(),
            customer: customer.to_owned(),
            event_type: event_type.to_owned(),
            value,
            time: self.time,
            time_given: self.draft.time.is_some(),
            received_at,
            amended_at: None,
            voided_at: None,
            subject: subject.map(str::to_owned),
            properties: properties.map(str::to_owned),
            source_context: source_context.map(str::to_owned),
        }
    }
}

/// Appends an event, with the position of its id in `out`. `scratch` is overwritten.
pub fn put_event(
    out: &mut Vec<u8>,
    scratch: &mut Vec<u8>,
    draft: &EventDraft<'_>,
    received_at: Timestamp,
) -> std::ops::Range<usize> {
    scratch.clear();
    scratch.extend_from_slice(&[KIND_EVENT, flags_of(draft)]);
    let id_end = put_fields(scratch, draft, received_at);
    varint::put(out, scratch.len() as u128);
    let id_end = out.len() + id_end;
    out.extend_from_slice(scratch);
    id_end - draft.id.len()..id_end
}

/// Appends a correction.
pub fn put_correction(out: &mut Vec<u8>, correction: &CorrectionRecord<'_>) {
    let mut body = Vec::new();
    let flags = correction.after.map_or(0, |after| flags_of(&after.draft));
    body.extend_from_slice(&[if correction.after.is_some() { KIND_AMEND } else { KIND_VOID }, flags]);
    varint::put(&mut body, u128::from(correction.target));
    put_text(&mut body, correction.by);
    put_value(&mut body, correction.before);
    match &correction.after {
        Some(after) => {
            put_fields(&mut body, &after.draft, AMENDED_FROM);
        }
        None => {
            put_text(&mut body, correction.customer);
            put_text(&mut body, correction.event_type);
            varint::put_signed(&mut body, i128::from(correction.time.micros_since(AMENDED_FROM)));
        }
    }
    varint::put(out, body.len() as u128);
    out.extend_from_slice(&body);
}

fn flags_of(draft: &EventDraft<'_>) -> u8 {
    let flag = |bit: u8, set: bool| if set { bit } else { 0 };
    flag(TIME_GIVEN, draft.time.is_some())
        | flag(HAS_SUBJECT, draft.subject.is_some())
        | flag(HAS_PROPERTIES, draft.properties.is_some())
        | flag(HAS_SOURCE_CONTEXT, draft.source_context.is_some())
        | flag(VALUE_IS_ONE, draft.value == Decimal::ONE)
}

/// Appends an event's fields; answers where its id ends.
fn put_fields(out: &mut Vec<u8>, draft: &EventDraft<'_>, times_from: Timestamp) -> usize {
    put_text(out, draft.id);
    let id_end = out.len();
    put_text(out, draft.customer);
    put_text(out, draft.event_type);
    if draft.value != Decimal::ONE {
        put_value(out, draft.value);
    }
    if let Some(time) = draft.time {
        varint::put_signed(out, i128::from(time.micros_since(times_from)));
    }
    for text in [draft.subject, draft.properties, draft.source_context].into_iter().flatten() {
        put_text(out, text);
    }
    id_end
}

/// Appends the clearing of the frame's project.
pub fn put_cleared(out: &mut Vec<u8>) {
    out.extend_from_slice(&[2, KIND_CLEARED, 0]);
}

/// Takes a record from the front.
pub fn take<'a>(input: &mut &'a [u8], received_at: Timestamp) -> Result<Record<'a>, RecordError> {
    let bytes = varint::take_len(input).ok_or(RecordError::Malformed)?;
    let (mut body, rest) = input.split_at_checked(bytes).ok_or(RecordError::Malformed)?;
    *input = rest;
    let (&[kind, flags], fields) = body.split_first_chunk::<2>().ok_or(RecordError::Malformed)?;
    body = fields;
    let record = match kind {
        KIND_EVENT => Record::Event(take_event(&mut body, flags, received_at).ok_or(RecordError::Malformed)?),
        KIND_CLEARED if flags == 0 => Record::Cleared,
        KIND_VOID | KIND_AMEND => {
            Record::Correction(take_correction(&mut body, kind, flags).ok_or(RecordError::Malformed)?)
        }
        _ => return Err(RecordError::Malformed),
    };
    if body.is_empty() { Ok(record) } else { Err(RecordError::Malformed) }
}

fn take_correction<'a>(input: &mut &'a [u8], kind: u8, flags: u8) -> Option<CorrectionRecord<'a>> {
    let target = u64::try_from(varint::take(input)?).ok()?;
    let by = take_text(input)?;
    let before = take_value(input)?;
    if kind == KIND_AMEND {
        let after = take_event(input, flags, AMENDED_FROM).filter(|after| after.draft.time.is_some())?;
        let EventDraft { customer, event_type, .. } = after.draft;
        return Some(CorrectionRecord {
            target,
            by,
            before,
            customer,
            event_type,
            time: after.time,
            after: Some(after),
        });
    }
    let customer = take_text(input)?;
    let event_type = take_text(input)?;
    let time = take_time(input, AMENDED_FROM)?;
    (flags == 0).then_some(CorrectionRecord { target, by, before, customer, event_type, time, after: None })
}

/// How many bytes the record at the front takes; `None` when not even its length is there.
pub fn length(input: &[u8]) -> Option<usize> {
    let mut rest = input;
    let body = varint::take_len(&mut rest)?;
    (input.len() - rest.len()).checked_add(body)
}

fn take_event<'a>(input: &mut &'a [u8], flags: u8, received_at: Timestamp) -> Option<EventRecord<'a>> {
    if flags & !KNOWN_FLAGS != 0 {
        return None;
    }
    let has = |bit: u8| flags & bit != 0;
    let id = take_text(input)?;
    let customer = take_text(input)?;
    let event_type = take_text(input)?;
    let value = if has(VALUE_IS_ONE) { Decimal::ONE } else { take_value(input)? };
    let time = if has(TIME_GIVEN) { Some(take_time(input, received_at)?) } else { None };
    let mut text = |bit: u8| if has(bit) { take_text(input).map(Some) } else { Some(None) };
    let subject = text(HAS_SUBJECT)?;
    let properties = text(HAS_PROPERTIES)?;
    let source_context = text(HAS_SOURCE_CONTEXT)?;
    let draft = EventDraft { id, customer, event_type, value, time, subject, properties, source_context };
    Some(EventRecord { draft, time: time.unwrap_or(received_at) })
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    varint::put(out, text.len() as u128);
    out.extend_from_slice(text.as_bytes());
}

fn take_text<'a>(input: &mut &'a [u8]) -> Option<&'a str> {
    let bytes = varint::take_len(input)?;
    let (text, rest) = input.split_at_checked(bytes)?;
    *input = rest;
    std::str::from_utf8(text).ok()
}

/// Appends a value: fractional digits, then the number without its point.
pub fn put_value(out: &mut Vec<u8>, value: Decimal) {
    let (mut units, mut scale) = (value.units(), SCALE as u8);
    while scale > 0 && units % 10 == 0 {
        units /= 10;
        scale -= 1;
    }
    out.push(scale);
    varint::put_signed(out, units);
}

/// Takes a value from the front.
pub fn take_value(input: &mut &[u8]) -> Option<Decimal> {
    let (&scale, rest) = input.split_first()?;
    *input = rest;
    let missing = SCALE.checked_sub(u32::from(scale))?;
    let units = varint::take_signed(input)?.checked_mul(10_i128.pow(missing))?;
    Decimal::from_units(units)
}

fn take_time(input: &mut &[u8], received_at: Timestamp) -> Option<Timestamp> {
    let offset = i64::try_from(varint::take_signed(input)?).ok()?;
    Timestamp::from_micros(received_at.as_micros().checked_add(offset)?)
}

//! The events of sealed segments, and their corrections, as a Parquet file that other programs read
//! as well: sorted by project, record, customer, event type and time.
pub mod convert;
mod digest;
pub mod file;
mod footers;
mod read;
mod schema;
mod sweep;
pub mod told;
pub mod write;

use crate::disk::{Disk, File};
use crate::error::ReadError;
use crate::format::range_names::RangeNames;
use crate::format::record::EventRecord;
pub use digest::Digest;
use file::{Checked, Source};
use footers::Slot;
use reckoner_domain::decimal::Decimal;
use reckoner_domain::id::ProjectId;
use reckoner_domain::time::Timestamp;
use std::sync::Arc;
pub use sweep::Asked;
use told::Told;

/// What the files are called.
pub const NAMES: RangeNames = RangeNames { prefix: "events-", suffix: ".parquet" };

/// What is known of a file beside what is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// The first segment whose events it has.
    pub first: u64,
    /// The last one.
    pub last: u64,
    /// How many rows.
    pub rows: u32,
    /// Its bytes and their checksums.
    pub checked: Checked,
}

/// What a row says, in the order of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// An amendment of an event.
    Amendment,
    /// An event as it was first stored.
    Event,
    /// The end of an event.
    Void,
}

impl Kind {
    /// As it is written.
    fn as_str(self) -> &'static str {
        match self {
            Self::Amendment => "amendment",
            Self::Event => "event",
            Self::Void => "void",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::Amendment, Self::Event, Self::Void].into_iter().find(|kind| kind.as_str() == text)
    }
}

/// Whose a record is, which it is, and when it arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Whose.
    pub project: ProjectId,
    /// Its sequence.
    pub sequence: u64,
    /// When it arrived.
    pub received_at: Timestamp,
}

/// A row.
#[derive(Clone, Copy)]
pub struct Row<'a> {
    /// Where it comes from.
    pub origin: Origin,
    /// What it says.
    pub kind: Kind,
    /// The event; of a void its customer, type and time.
    pub event: EventRecord<'a>,
    /// What a correction says beside.
    pub correction: Option<Correction<'a>>,
}

/// What a correction says beside the event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Correction<'a> {
    /// The event's sequence.
    pub target: u64,
    /// Who made it.
    pub by: &'a str,
    /// The value until then.
    pub before: Decimal,
}

/// What is known of a row group: the least and the greatest, or less and more than they.
pub struct Group {
    /// Its projects.
    pub projects: Option<(u32, u32)>,
    /// Its kinds of records.
    pub kinds: Option<(Vec<u8>, Vec<u8>)>,
    /// Its customers.
    pub customers: Option<(Vec<u8>, Vec<u8>)>,
    /// Its event types.
    pub event_types: Option<(Vec<u8>, Vec<u8>)>,
    /// Its times.
    pub times: Option<(Timestamp, Timestamp)>,
}

/// What is read of rows beside sequence, time and value. Of what is not read a row says that there is
/// none; where it comes from, that it is an event of nobody that arrived at its own time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each says whether a column is read")]
pub struct Fields {
    /// All of it.
    pub all: bool,
    /// Project, kind and receipt.
    pub origin: bool,
    /// The customer.
    pub customer: bool,
    /// The event type.
    pub event_type: bool,
    /// The subject.
    pub subject: bool,
    /// The properties.
    pub properties: bool,
}

impl Fields {
    /// All of it.
    pub const ALL: Self =
        Self { all: true, origin: true, customer: true, event_type: true, subject: true, properties: true };
    /// Nothing of it.
    pub const NONE: Self = Self {
        all: false,
        origin: false,
        customer: false,
        event_type: false,
        subject: false,
        properties: false,
    };
    /// Project, kind and receipt.
    pub const ORIGIN: Self = Self { origin: true, ..Self::NONE };
    /// These and the customer.
    pub const CUSTOMER: Self = Self { customer: true, ..Self::ORIGIN };
}

/// An open file.
pub struct Columns {
    known: Known,
    source: Source,
    /// What lies where in it, while that is held.
    footer: Arc<Slot>,
}

impl Columns {
    /// A file of which this is known.
    pub fn new(known: Known, file: Arc<dyn File>) -> Self {
        let name = NAMES.of(known.first, known.last);
        let source = Source::new(&name, file, known.checked.clone());
        Self { known, source, footer: Arc::default() }
    }

    /// A file of which nothing is known but what is in it. Its rows are checked; checksums of its blocks
    /// are taken from what is there.
    pub fn found(disk: &dyn Disk, (first, last): (u64, u64)) -> Result<Self, ReadError> {
        let file = disk.open(&NAMES.of(first, last))?;
        let known = Known { first, last, rows: 0, checked: Checked::of(file.as_ref())? };
        let found = Self::new(known, file);
        let metadata = found.metadata()?;
        let file = metadata.metadata().file_metadata();
        let rows = u32::try_from(file.num_rows()).map_err(|_| found.damaged())?;
        let told = file.key_value_metadata().and_then(|pairs| told::checksum_of(pairs));
        let (bytes, checksum) = told.ok_or_else(|| found.damaged())?;
        if found.source.checksum(bytes)? != checksum {
            return Err(found.damaged());
        }
        let known = Known { rows, ..found.known };
        Ok(Self { known, ..found })
    }

    /// What it says of itself.
    pub fn told(&self) -> Result<Told, ReadError> {
        let metadata = self.metadata()?;
        let pairs = metadata.metadata().file_metadata().key_value_metadata();
        pairs.and_then(|pairs| Told::from_pairs(pairs)).ok_or_else(|| self.damaged())
    }

    /// What is known of it.
    pub fn known(&self) -> &Known {
        &self.known
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.source.name()
    }

    /// Its file.
    pub fn file(&self) -> &Arc<dyn File> {
        self.source.file()
    }

    /// Reads and checks every block; `rest` is called for each and tells whether to go on.
    pub fn check(&self, rest: impl FnMut() -> bool) -> Result<(), ReadError> {
        self.source.check(rest)
    }

    /// It is not what was written.
    pub fn damaged(&self) -> ReadError {
        self.source.damaged(0)
    }
}

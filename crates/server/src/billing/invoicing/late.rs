//! Closed periods of which something became known long after their end. The latest ones are rated anew at each closing
//! anyway; of older ones it is noted which changed.
//!
//! What changed is told once, by a watermark that moves before what it tells of is noted. A closing holds the watermark
//! while it writes: where that has passed the events that the closing has seen, its period counts as changed.
use super::{Invoicing, RESET_DAYS, Result};
use crate::events::Changes;
use crate::store::watermarks::{self, Watermark};
use crate::store::{Tx, closings};
use reckoner_domain::id::ProjectId;
use reckoner_domain::time::{DAY, HOUR, Timestamp};
use reckoner_domain::window::Window;
use std::collections::{BTreeMap, HashMap};

/// The name of the watermark.
const LATE_USAGE: &str = "late_usage";

/// Changes of usage that are younger than that when they are looked at are not noted, in days. The next closing of the
/// subscription begins where the last one ended, which is before that moment, and rates every period anew that ended so
/// many days before its beginning: those among which such a change lies.
pub(super) const UNNOTED_DAYS: i64 = 31;

impl Invoicing {
    /// Notes which closed periods changed since the last time.
    pub(super) async fn note_late(&self, project: ProjectId, now: Timestamp) -> Result<()> {
        let mark = watermarks::get(&self.db, project, LATE_USAGE).await?;
        let since = mark.as_ref().map_or(0, |mark| mark.sequence);
        let before = now.plus_micros(-UNNOTED_DAYS * DAY);
        let changes =
            self.events.changed(project, since, before, self.catalogues.carried_types(project)).await?;
        let to = Watermark { sequence: changes.through_sequence, ..Watermark::default() };
        if mark.as_ref() == Some(&to) {
            return Ok(());
        }
        let mut tx = self.db.begin().await?;
        let moved =
            watermarks::advance(&mut tx, (project, LATE_USAGE), mark.as_ref(), &to, self.clock.real())
                .await?;
        // Whoever else moved it notes the same.
        if moved {
            for (window, customers) in spans(&changes) {
                // What was used before a period may take room of its limits away.
                let window = Window { end: window.end.plus_micros(RESET_DAYS * DAY), ..window };
                closings::set_late(&mut tx, project, window, &customers, now).await?;
            }
            tx.commit().await?;
        }
        Ok(())
    }

    /// Since when events are there to rate closed periods of a project by; `None` where all of them are.
    pub(super) fn kept_since(&self, project: ProjectId) -> Option<Timestamp> {
        self.events.dropped_until(project).map(|dropped| dropped.plus_micros(RESET_DAYS * DAY))
    }

    /// Whether nothing was noted of events after a sequence; that stays so until the transaction ends.
    pub(super) async fn hold_noted(&self, tx: &mut Tx, project: ProjectId, seen: u64) -> Result<bool> {
        let mark = watermarks::hold(tx, project, LATE_USAGE).await?;
        Ok(mark.is_none_or(|mark| mark.sequence <= seen))
    }
}

/// The customers that changed, by the time from the first day of a change to the end of the last: what lies between is
/// looked at for nothing, and so is the rest of each day, so that few statements tell of many customers.
fn spans(changes: &Changes) -> HashMap<Window, Vec<&str>> {
    let mut spans: BTreeMap<&str, Window> = BTreeMap::new();
    for (hour, customers) in &changes.by_hour {
        let day = hour.div_euclid(DAY / HOUR).saturating_mul(DAY);
        let start = Timestamp::from_micros_clamped(day);
        let end = start.plus_micros(DAY);
        for customer in customers {
            spans.entry(customer).or_insert(Window { start, end }).end = end;
        }
    }
    let mut by_window: HashMap<Window, Vec<&str>> = HashMap::new();
    for (customer, window) in spans {
        by_window.entry(window).or_default().push(customer);
    }
    by_window
}

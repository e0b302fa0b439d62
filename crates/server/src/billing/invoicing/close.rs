//! Closing billing periods: an invoice for each, once, however many workers do so and wherever one dies.
use super::bill::{Bill, Charged};
use super::{Invoicing, InvoicingError, Known, Result};
use crate::billing::messages::{self, Message};
use crate::billing::wallet::{Movement, OfInvoice, of_invoice};
use crate::clock;
use crate::payments::{Line, fitting};
use crate::random;
use crate::store::audit::{self, Change, SYSTEM};
use crate::store::closings::{self, ClosedPeriod, Cursor};
use crate::store::invoices::{self, Series, Stored as StoredInvoice};
use crate::store::provider_charges::{self, ProviderCharge};
use crate::store::subscription_coupons;
use crate::store::subscriptions::{self, Stored};
use crate::store::wallets::{self, Stored as Wallet};
use crate::store::{StoreError, Tx};
use reckoner_domain::billing_period::Closing;
use reckoner_domain::id::{ChargeId, InvoiceId, ProjectId, SubscriptionId};
use reckoner_domain::invoice::{FinalInvoice, Header, InvoiceStatus, Line as InvoiceLine};
use reckoner_domain::money::Money;
use reckoner_domain::subscription::Collection;
use reckoner_domain::time::{HOUR, Timestamp};
use reckoner_domain::window::Window;
use std::collections::{BTreeMap, BTreeSet};

/// How many closings are written down in one transaction.
const AT_ONCE: u32 = 200;

/// After how long a closing that failed is tried again, in microseconds.
const AGAIN_AFTER: i64 = HOUR;

/// What a run did.
#[derive(Debug, Default)]
pub struct Run {
    /// What was closed.
    pub closed: Vec<Closed>,
    /// What could not be, and why.
    pub failed: Vec<Failed>,
}

/// A closing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closed {
    /// The customer's own id.
    pub customer: String,
    /// The subscription.
    pub subscription: SubscriptionId,
    /// The period; none where billing only began.
    pub period: Option<Window>,
    /// The invoice; none where nothing was due, or a provider collects.
    pub invoice: Option<InvoiceId>,
    /// What usage beyond limits came to.
    pub overage: Option<Money>,
}

/// A subscription that could not be closed.
#[derive(Debug)]
pub struct Failed {
    /// The customer's own id, where it is known.
    pub customer: Option<String>,
    /// The subscription.
    pub subscription: SubscriptionId,
    /// Why not.
    pub error: InvoicingError,
}

/// A closing that is ready to be written down, if nothing has changed since.
struct Ready {
    stored: Stored,
    cursor: Cursor,
    /// What is closed; nothing where it only became known when it will be.
    closing: Option<(Closing, Option<Bill>)>,
    run_at: Option<Timestamp>,
}

impl Invoicing {
    /// Closes every period of a project that is over, with its grace, and begins billing where a
    /// subscription has just begun. One subscription that fails keeps no other.
    pub async fn close_due(&self, project: ProjectId, now: Timestamp) -> Result<Run> {
        self.note_late(project, now).await?;
        let mut run = Run::default();
        let mut failed = BTreeSet::new();
        loop {
            let (closed_before, mut after) = (run.closed.len(), None);
            loop {
                let due = closings::due(&self.db, project, now, (after.as_ref(), AT_ONCE)).await?;
                let ids = due.iter().map(|(_, id)| id).filter(|id| !failed.contains(*id));
                self.close_some(project, ids.cloned().collect(), now, &mut run).await;
                failed.extend(run.failed.iter().map(|one| one.subscription.clone()));
                if due.len() < AT_ONCE as usize {
                    break;
                }
                after = due.into_iter().next_back();
            }
            // A subscription may have several periods that are over.
            if run.closed.len() == closed_before {
                break;
            }
        }
        for one in &run.failed {
            closings::put_off(&self.db, &one.subscription, now.plus_micros(AGAIN_AFTER)).await?;
        }
        Ok(run)
    }

    async fn close_some(
        &self,
        project: ProjectId,
        mut ids: Vec<SubscriptionId>,
        now: Timestamp,
        run: &mut Run,
    ) {
        // Held in one order, so that workers wait for each other and never in a circle.
        ids.sort_unstable();
        let seen = self.events.sequence();
        let mut ready = Vec::with_capacity(ids.len());
        for id in ids {
            match self.prepare(project, &id, now).await {
                Ok(one) => ready.push(one),
                Err(error) => run.failed.push(Failed { customer: None, subscription: id, error }),
            }
        }
        if ready.is_empty() {
            return;
        }
        if let Ok(closed) = self.write_all(project, (&ready, seen), now).await {
            run.closed.extend(closed);
            return;
        }
        for one in ready {
            match self.write_all(project, (std::slice::from_ref(&one), seen), now).await {
                Ok(closed) => run.closed.extend(closed),
                Err(error) => {
                    let customer = Some(one.stored.external_id);
                    run.failed.push(Failed { customer, subscription: one.stored.id, error });
                }
            }
        }
    }

    async fn prepare(&self, project: ProjectId, id: &SubscriptionId, now: Timestamp) -> Result<Ready> {
        let mut stored = self.stored(project, id).await?;
        if stored.subscription.due_at().is_some_and(|due| due <= now) {
            self.subscriptions.notice(project, id, now).await?;
            stored = self.stored(project, id).await?;
        }
        let known = self.known(stored).await?;
        let Known { stored, phases, cursor } = known;
        let next = Closing::next(&phases, cursor.billed_until);
        let run_at = next.as_ref().map(|next| self.terms.run_at(next));
        let Some(closing) = next.filter(|_| run_at.is_some_and(|at| at <= now)) else {
            return Ok(Ready { stored, cursor, closing: None, run_at });
        };
        let bill = self.bill(&stored, &phases, (cursor.closings, &closing)).await?;
        let run_at = Closing::next(&phases, Some(closing.at)).map(|next| self.terms.run_at(&next));
        Ok(Ready { stored, cursor, closing: Some((closing, bill)), run_at })
    }

    /// Writes closings down, all or none; those that changed since they were read are left for the next
    /// time.
    async fn write_all(
        &self,
        project: ProjectId,
        (ready, seen): (&[Ready], u64),
        now: Timestamp,
    ) -> Result<Vec<Closed>> {
        let mut tx = self.db.begin().await?;
        let all_seen = self.hold_noted(&mut tx, project, seen).await?;
        let mut still = Vec::with_capacity(ready.len());
        // A second closing of one customer waits until it is known what the first one leaves in the wallet.
        let mut customers = BTreeSet::new();
        for one in ready {
            let stored = subscriptions::lock(&mut tx, one.stored.project, &one.stored.id).await?;
            let cursor = closings::cursor(&mut tx, &one.stored.id).await?;
            let same = stored.version == one.stored.version && cursor == one.cursor;
            if same && customers.insert(&one.stored.customer) {
                still.push(one);
            }
        }
        let mut wallets = BTreeMap::new();
        for customer in customers {
            let wallet = wallets::lock(&mut tx, project, customer).await?;
            wallets.insert(customer.clone(), wallet);
        }
        still.retain(|one| {
            let bill = one.closing.as_ref().and_then(|(_, bill)| bill.as_ref());
            let wallet = wallets.get(&one.stored.customer).and_then(Option::as_ref);
            bill.is_none_or(|bill| bill.wallet_entries == wallet.map_or(0, |wallet| wallet.entries))
        });
        let (mut closed, mut noted) = (Vec::new(), Vec::new());
        for one in still {
            let wallet = wallets.remove(&one.stored.customer).flatten();
            closed.extend(self.write(&mut tx, (one, all_seen), wallet, now, &mut noted).await?);
        }
        audit::write(&mut tx, &self.clock, noted).await?;
        tx.commit().await?;
        for one in &closed {
            self.debts.noticed(project, &one.customer);
        }
        Ok(closed)
    }

    async fn write(
        &self,
        tx: &mut Tx,
        (ready, all_seen): (&Ready, bool),
        wallet: Option<Wallet>,
        now: Timestamp,
        noted: &mut Vec<Change>,
    ) -> Result<Option<Closed>> {
        let Ready { stored, cursor, closing, run_at } = ready;
        let Some((closing, bill)) = closing else {
            let cursor = Cursor { run_at: *run_at, ..*cursor };
            closings::put_cursor(tx, stored.project, &stored.id, &cursor).await?;
            return Ok(None);
        };
        let next = Cursor { closings: cursor.closings + 1, billed_until: Some(closing.at), run_at: *run_at };
        closings::put_cursor(tx, stored.project, &stored.id, &next).await?;
        let mut invoice = None;
        if let Some(bill) = bill {
            match stored.subscription.collection {
                Collection::Reckoner => {
                    invoice = self.finalize(tx, ready, (closing, bill, wallet), now, noted).await?;
                }
                Collection::Stripe => self.to_collect(tx, stored, cursor.closings, bill, now).await?,
            }
            for number in &bill.exhausted {
                let end = (cursor.closings + 1, now);
                subscription_coupons::end(tx, &stored.id, *number, end).await?;
            }
            for (closed, charged) in &bill.adjusted {
                closings::set_charges(tx, closed, &text_of(charged)?).await?;
            }
            for closed in bill.rated.iter().filter(|_| all_seen) {
                closings::set_rated(tx, closed).await?;
            }
        }
        let charged = bill.as_ref().map_or(&[][..], |bill| &bill.charged);
        if let Some(period) = &closing.period {
            let closed = ClosedPeriod {
                subscription: stored.id.clone(),
                ordinal: cursor.closings,
                project: stored.project,
                customer: stored.customer.clone(),
                window: period.window,
                closed_at: now,
                invoice: invoice.clone(),
                overage: overage_of(charged)?,
                charges: text_of(charged)?,
                late: !all_seen,
            };
            closings::insert_closed(tx, &closed).await?;
        }
        Ok(Some(Closed {
            customer: stored.external_id.clone(),
            subscription: stored.id.clone(),
            period: closing.period.as_ref().map(|period| period.window),
            invoice,
            overage: overage_of(charged)?,
        }))
    }

    /// Makes the invoice of a closing final; none where nothing is due.
    async fn finalize(
        &self,
        tx: &mut Tx,
        ready: &Ready,
        (closing, bill, wallet): (&Closing, &Bill, Option<Wallet>),
        now: Timestamp,
        noted: &mut Vec<Change>,
    ) -> Result<Option<InvoiceId>> {
        let (stored, totals) = (&ready.stored, bill.draft.totals);
        if totals.total.is_zero() && totals.wallet.is_zero() {
            return Ok(None);
        }
        let header = Header {
            number: invoices::next_number(tx, stored.project, Series::Invoice).await?,
            customer: stored.external_id.clone(),
            period: closing
                .period
                .as_ref()
                .map_or(Window { start: closing.at, end: closing.at }, |p| p.window),
            finalized_at: now,
            due_at: self.due_at(now),
            time_zone_data: clock::time_zone_data().to_owned(),
            bill_to: bill.made_out_to.clone(),
        };
        let status = if totals.due.is_zero() { InvoiceStatus::Paid } else { InvoiceStatus::Finalized };
        let invoice = StoredInvoice {
            id: InvoiceId::from_bits(random::id_bits(self.clock.real())?),
            project: stored.project,
            customer: stored.customer.clone(),
            external_id: stored.external_id.clone(),
            subscription: stored.id.clone(),
            ordinal: ready.cursor.closings,
            invoice: FinalInvoice::new(bill.draft.clone(), header),
            status,
            changed_at: now,
            version: 1,
            credited: Money::zero(totals.due.currency()),
        };
        invoices::insert(tx, &invoice).await?;
        self.move_wallet(tx, &invoice, wallet, now).await?;
        self.tell(tx, SYSTEM, (None, &invoice), noted).await?;
        self.debts.settle(tx, stored.project, (&stored.customer, &stored.external_id), now, noted).await?;
        self.mail(tx, &invoice).await?;
        Ok(Some(invoice.id))
    }

    /// Takes from the customer's wallet what an invoice says that it pays, or puts in what it gives back.
    async fn move_wallet(
        &self,
        tx: &mut Tx,
        invoice: &StoredInvoice,
        wallet: Option<Wallet>,
        now: Timestamp,
    ) -> Result<()> {
        let moved = invoice.invoice.totals().wallet;
        let movement = match (moved.is_negative(), moved.is_positive()) {
            (true, _) => Movement::Deduct(moved.negated()),
            (_, true) => Movement::Refund(moved),
            _ => return Ok(()),
        };
        let (project, customer, id) = (invoice.project, &invoice.customer, &invoice.id);
        let of = OfInvoice { project, customer, invoice: id, what: "invoice" };
        of_invoice(tx, wallet, &of, &movement, now).await?;
        Ok(())
    }

    /// Writes down what a provider is to collect.
    async fn to_collect(
        &self,
        tx: &mut Tx,
        stored: &Stored,
        ordinal: u64,
        bill: &Bill,
        now: Timestamp,
    ) -> Result<()> {
        let line = |line: &InvoiceLine| {
            let amount = line.net.filter(|net| !net.is_zero())?;
            let period = line.period.unwrap_or(Window { start: now, end: now });
            Some(Line { amount, description: line.description.clone(), period })
        };
        let lines = fitting(bill.draft.lines.iter().filter_map(line).collect())?;
        for (position, line) in (0_u32..).zip(lines) {
            let charge = ProviderCharge {
                id: ChargeId::from_bits(random::id_bits(self.clock.real())?),
                project: stored.project,
                customer: stored.customer.clone(),
                external_id: stored.external_id.clone(),
                subscription: stored.id.clone(),
                ordinal,
                position,
                amount: line.amount,
                description: line.description,
                period: line.period,
                made_at: now,
            };
            provider_charges::insert(tx, &charge).await?;
        }
        Ok(())
    }

    /// Writes into the outbox, and notes for the record of changes, what became of an invoice.
    pub(super) async fn tell(
        &self,
        tx: &mut Tx,
        by: &str,
        (before, after): (Option<InvoiceStatus>, &StoredInvoice),
        noted: &mut Vec<Change>,
    ) -> Result<()> {
        let mut types = Vec::new();
        if before.is_none() {
            types.push(("invoice.finalized", messages::INVOICE_FINALIZED));
        }
        types.extend(match after.status {
            InvoiceStatus::Paid => Some(("invoice.paid", messages::INVOICE_PAID)),
            InvoiceStatus::Void => Some(("invoice.voided", messages::INVOICE_VOIDED)),
            InvoiceStatus::Uncollectible => Some(("invoice.uncollectible", messages::INVOICE_UNCOLLECTIBLE)),
            InvoiceStatus::Draft | InvoiceStatus::Finalized => None,
        });
        for (action, event_type) in types {
            let data = messages::invoice(after);
            let message = Message {
                project: after.project,
                event_type,
                subject: after.id.as_str(),
                dedupe_key: &format!("{event_type}:{}", after.id),
                data: data.clone(),
            };
            messages::enqueue(tx, &self.clock, message).await?;
            noted.push(Change::new(Some(after.project), by, action, &after.id).after(data));
        }
        Ok(())
    }
}

fn text_of(charged: &[Charged]) -> Result<String> {
    serde_json::to_string(charged).map_err(|error| StoreError::corrupt("charges", error).into())
}

/// What usage beyond limits came to; none where there was none.
fn overage_of(charged: &[Charged]) -> Result<Option<Money>> {
    let mut overage: Option<Money> = None;
    for one in charged.iter().filter(|one| one.is_overage && !one.net.is_zero()) {
        overage = Some(overage.map_or(Ok(one.net), |sum| sum.plus(one.net))?);
    }
    Ok(overage)
}

//! Writing closings down: all that belongs to one, or nothing of it, in few statements for many.
use super::bill::{Bill, Charged};
use super::close::{Closed, Ready};
use super::{Invoicing, Result};
use crate::billing::messages::{self, Message};
use crate::billing::wallet::{Movement, OfInvoice, of_invoice};
use crate::clock;
use crate::payments::{Line, fitting};
use crate::random;
use crate::store::audit::{self, Change, SYSTEM};
use crate::store::closings::{self, ClosedPeriod};
use crate::store::invoices::{self, Series, Stored as StoredInvoice};
use crate::store::provider_charges::{self, ProviderCharge};
use crate::store::subscription_coupons;
use crate::store::subscriptions::{self, Stored};
use crate::store::wallets::{self, Stored as Wallet};
use crate::store::{StoreError, Tx};
use reckoner_domain::billing_period::Closing;
use reckoner_domain::id::{ChargeId, CustomerId, InvoiceId, ProjectId, SubscriptionId};
use reckoner_domain::invoice::{FinalInvoice, Header, InvoiceStatus, Line as InvoiceLine};
use reckoner_domain::money::Money;
use reckoner_domain::subscription::Collection;
use reckoner_domain::time::Timestamp;
use reckoner_domain::window::Window;
use std::collections::BTreeMap;

/// From here on the invoices between the ends of periods are counted.
const INTERIM_ORDINAL: u64 = 1_000_000_000;

/// Wallets that are held, by customer.
type Held = BTreeMap<CustomerId, Wallet>;

impl Invoicing {
    /// Writes closings down, all or none; those that changed since they were read are left for the next
    /// time.
    pub(super) async fn write(
        &self,
        project: ProjectId,
        (ready, seen): (&[Ready], u64),
        now: Timestamp,
    ) -> Result<Vec<Closed>> {
        let mut tx = self.db.begin().await?;
        let all_seen = self.hold_noted(&mut tx, project, seen).await?;
        let (still, wallets) = still_so(&mut tx, project, ready).await?;
        let mut noted = Vec::new();
        let cursors = still.iter().map(|ready| (&ready.stored.id, ready.after));
        closings::put_cursors(&mut tx, project, cursors).await?;
        let invoices = self.finalize(&mut tx, project, (&still, wallets), now, &mut noted).await?;
        for (ready, bill) in still.iter().filter_map(|ready| Some((*ready, ready.bill()?))) {
            self.write_bill(&mut tx, (ready, bill), all_seen, now).await?;
        }
        let mut closed = Vec::with_capacity(still.len());
        let mut periods = Vec::with_capacity(still.len());
        for (ready, closing) in still.iter().filter_map(|ready| Some((*ready, &ready.closing.as_ref()?.0))) {
            let invoice = invoices.get(&ready.stored.id).cloned();
            let charged = ready.bill().map_or(&[][..], |bill| &bill.charged);
            let overage = overage_of(charged)?;
            if let Some(period) = &closing.period {
                periods.push(ClosedPeriod {
                    subscription: ready.stored.id.clone(),
                    ordinal: ready.cursor.closings,
                    project,
                    customer: ready.stored.customer.clone(),
                    window: period.window,
                    phases_before: ready.cursor.billed.map_or(0, |billed| billed.phases),
                    phases: Some(closing.billed.phases),
                    closed_at: now,
                    invoice: invoice.clone(),
                    overage,
                    charges: text_of(charged)?,
                    late: !all_seen,
                });
            }
            closed.push(Closed {
                customer: ready.stored.external_id.clone(),
                subscription: ready.stored.id.clone(),
                period: closing.period.as_ref().map(|period| period.window),
                invoice,
                overage,
            });
        }
        closings::insert_closed(&mut tx, &periods).await?;
        // What was noted meanwhile is looked at anew, also where no other closing is to come.
        let last = still.iter().filter(|ready| ready.closing.is_some() && ready.after.run_at.is_none());
        let last: Vec<SubscriptionId> = last.map(|ready| ready.stored.id.clone()).collect();
        closings::run_late(&mut tx, &last, now).await?;
        audit::write(&mut tx, &self.clock, noted).await?;
        tx.commit().await?;
        for one in &closed {
            self.debts.noticed(project, &one.customer);
        }
        Ok(closed)
    }

    /// Writes down what a bill changes beside its own invoice.
    async fn write_bill(
        &self,
        tx: &mut Tx,
        (ready, bill): (&Ready, &Bill),
        all_seen: bool,
        now: Timestamp,
    ) -> Result<()> {
        let (stored, ordinal) = (&ready.stored, ready.cursor.closings);
        if stored.subscription.collection == Collection::Stripe {
            self.to_collect(tx, stored, ordinal, bill, now).await?;
        }
        for number in &bill.exhausted {
            subscription_coupons::end(tx, &stored.id, *number, (ordinal + 1, now)).await?;
        }
        for (closed, charged) in &bill.adjusted {
            closings::set_charges(tx, closed, &text_of(charged)?).await?;
        }
        for closed in bill.rated.iter().filter(|_| all_seen) {
            closings::set_rated(tx, closed).await?;
        }
        Ok(())
    }

    /// Makes the invoices of closings final, with all that follows from them; none where nothing is due, or a provider
    /// collects.
    async fn finalize(
        &self,
        tx: &mut Tx,
        project: ProjectId,
        (ready, mut wallets): (&[&Ready], Held),
        now: Timestamp,
        noted: &mut Vec<Change>,
    ) -> Result<BTreeMap<SubscriptionId, InvoiceId>> {
        let due: Vec<(&Ready, &Closing, &Bill)> =
            ready.iter().filter_map(|ready| ready.to_invoice()).collect();
        if due.is_empty() {
            return Ok(BTreeMap::new());
        }
        let first = invoices::next_numbers(tx, project, Series::Invoice, due.len() as u64).await?;
        let mut made = Vec::with_capacity(due.len());
        for (number, one) in (first..).zip(&due) {
            made.push(self.invoice(*one, number, now)?);
        }
        invoices::insert(tx, &made).await?;
        for invoice in &made {
            self.move_wallet(tx, invoice, wallets.remove(&invoice.customer), now).await?;
        }
        let news: Vec<_> = made.iter().map(|invoice| (None, invoice)).collect();
        self.tell(tx, SYSTEM, project, &news, noted).await?;
        let customers: Vec<_> =
            made.iter().map(|invoice| (&invoice.customer, invoice.external_id.as_str())).collect();
        self.debts.settle_all(tx, project, &customers, now, noted).await?;
        let mails = made.iter().zip(due.iter().map(|(_, _, bill)| bill.email.as_deref()));
        self.mail(tx, project, &mails.collect::<Vec<_>>()).await?;
        Ok(made.into_iter().map(|invoice| (invoice.subscription, invoice.id)).collect())
    }

    /// The invoice of a closing, under a number.
    fn invoice(
        &self,
        (ready, closing, bill): (&Ready, &Closing, &Bill),
        number: u64,
        now: Timestamp,
    ) -> Result<StoredInvoice> {
        let (stored, totals) = (&ready.stored, bill.draft.totals);
        let moment = Window { start: closing.at, end: closing.at };
        let header = Header {
            number,
            customer: stored.external_id.clone(),
            period: closing.period.as_ref().map_or(moment, |period| period.window),
            finalized_at: now,
            due_at: self.due_at(now),
            time_zone_data: clock::time_zone_data().to_owned(),
            bill_to: bill.made_out_to.clone(),
        };
        Ok(StoredInvoice {
            id: InvoiceId::from_bits(random::id_bits(self.clock.real())?),
            project: stored.project,
            customer: stored.customer.clone(),
            external_id: stored.external_id.clone(),
            subscription: stored.id.clone(),
            // The place among those between the ends of periods is that of the phase.
            ordinal: if closing.is_interim {
                INTERIM_ORDINAL + closing.billed.phases as u64
            } else {
                ready.cursor.closings
            },
            invoice: FinalInvoice::new(bill.draft.clone(), header),
            status: if totals.due.is_zero() { InvoiceStatus::Paid } else { InvoiceStatus::Finalized },
            changed_at: now,
            version: 1,
            credited: Money::zero(totals.due.currency()),
        })
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

    /// Writes into the outbox, and notes for the record of changes, what became of invoices.
    pub(super) async fn tell(
        &self,
        tx: &mut Tx,
        by: &str,
        project: ProjectId,
        news: &[(Option<InvoiceStatus>, &StoredInvoice)],
        noted: &mut Vec<Change>,
    ) -> Result<()> {
        let mut told = Vec::with_capacity(news.len());
        for (before, after) in news {
            let finalized = before.is_none().then_some(("invoice.finalized", messages::INVOICE_FINALIZED));
            let became = match after.status {
                InvoiceStatus::Paid => Some(("invoice.paid", messages::INVOICE_PAID)),
                InvoiceStatus::Void => Some(("invoice.voided", messages::INVOICE_VOIDED)),
                InvoiceStatus::Uncollectible => {
                    Some(("invoice.uncollectible", messages::INVOICE_UNCOLLECTIBLE))
                }
                InvoiceStatus::Draft | InvoiceStatus::Finalized => None,
            };
            for (action, event_type) in finalized.into_iter().chain(became) {
                let data = messages::invoice(after);
                noted.push(Change::new(Some(project), by, action, &after.id).after(data.clone()));
                let dedupe_key = format!("{event_type}:{}", after.id);
                told.push(Message { project, event_type, subject: after.id.as_str(), dedupe_key, data });
            }
        }
        messages::enqueue_all(tx, &self.clock, project, &told).await?;
        Ok(())
    }
}

impl Ready {
    /// What the closing bills.
    fn bill(&self) -> Option<&Bill> {
        self.closing.as_ref()?.1.as_ref()
    }

    /// The closing with its bill, where that makes an invoice.
    fn to_invoice(&self) -> Option<(&Self, &Closing, &Bill)> {
        let (closing, bill) = self.closing.as_ref()?;
        let bill = bill.as_ref().filter(|_| self.stored.subscription.collection == Collection::Reckoner)?;
        let totals = bill.draft.totals;
        (!totals.total.is_zero() || !totals.wallet.is_zero()).then_some((self, closing, bill))
    }
}

/// Holds what closings depend on; answers those that have not changed since they were read, with the wallets of their
/// customers.
async fn still_so<'r>(tx: &mut Tx, project: ProjectId, ready: &'r [Ready]) -> Result<(Vec<&'r Ready>, Held)> {
    let ids: Vec<SubscriptionId> = ready.iter().map(|one| one.stored.id.clone()).collect();
    let versions = subscriptions::lock_versions(tx, project, &ids).await?;
    let cursors = closings::cursors(&mut *tx, &ids).await?;
    // A second closing of one customer waits until it is known what the first one leaves in the wallet.
    let mut of_customers: BTreeMap<&CustomerId, &Ready> = BTreeMap::new();
    let mut nothing_to_close = Vec::new();
    for one in ready {
        let id = &one.stored.id;
        let cursor = cursors.get(id).copied().unwrap_or_default();
        if versions.get(id) != Some(&one.stored.version) || cursor != one.cursor {
            continue;
        }
        if one.closing.is_none() {
            nothing_to_close.push(one);
        } else {
            of_customers.entry(&one.stored.customer).or_insert(one);
        }
    }
    let customers: Vec<&CustomerId> = of_customers.keys().copied().collect();
    let wallets = wallets::lock_many(tx, project, &customers).await?;
    let wallets: Held = wallets.into_iter().map(|wallet| (wallet.customer.clone(), wallet)).collect();
    let mut still: Vec<&Ready> = of_customers.into_values().collect();
    still.retain(|one| {
        let entries = wallets.get(&one.stored.customer).map_or(0, |wallet| wallet.entries);
        one.bill().is_none_or(|bill| bill.wallet_entries == entries)
    });
    still.extend(nothing_to_close);
    Ok((still, wallets))
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

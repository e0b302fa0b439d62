//! Wallets of customers: credit goes in, is reserved, pays, and is given back; never more than there is.
use super::plans::Plans;
use crate::clock::Clock;
use crate::ingest::used::Used;
use crate::store::audit::{self, Change as Noted, SYSTEM};
use crate::store::customers::{self, Customer};
use crate::store::wallets::{self, Entry, Stored};
use crate::store::{Db, StoreError, Tx};
use reckoner_domain::currency::Currency;
use reckoner_domain::id::{CustomerId, InvoiceId, ProjectId};
use reckoner_domain::money::Money;
use reckoner_domain::time::{HOUR, Timestamp};
use reckoner_domain::wallet::{Account, Change, Funding, Wallet, WalletError};
use serde_json::json;
use std::fmt::Display;

/// How many wallets are looked at at once.
const AT_ONCE: u32 = 200;

/// After how long a wallet of which something could not be written down is looked at again, in microseconds.
const AGAIN_AFTER: i64 = HOUR;

/// Looks after wallets. Clones share one state.
#[derive(Clone)]
pub struct Wallets {
    pub(super) db: Db,
    pub(super) clock: Clock,
    pub(super) plans: Plans,
    /// Whoever watches credit looks at the customers that are noted here.
    pub(super) watched: Used,
}

/// What is to happen to a wallet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Movement {
    /// The customer pays credit in.
    TopUp {
        /// How much.
        amount: Money,
        /// When it expires.
        expires_at: Option<Timestamp>,
    },
    /// What an invoice took is given back.
    Refund(Money),
    /// It pays.
    Deduct(Money),
    /// Credit is reserved under a name.
    Hold(String, Money),
    /// A hold ends, and its credit is available again.
    Release(String),
    /// A hold pays and ends; what is left of it is available again.
    DeductHeld(String, Money),
    /// What has expired goes.
    Expire(Money),
}

/// What came of looking at wallets.
#[derive(Debug, Default)]
pub struct Expired {
    /// Of how many something expired.
    pub wallets: u64,
    /// Of which it could not be written down, and why.
    pub failed: Vec<(CustomerId, MovementError)>,
}

/// Why nothing happened.
#[derive(Debug, thiserror::Error)]
pub enum MovementError {
    /// The control plane failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The wallet does not allow it.
    #[error(transparent)]
    Wallet(#[from] WalletError),
    /// The customer has another currency.
    #[error("the customer's currency is {has}: a customer has one for ever")]
    Currency {
        /// The customer's.
        has: Currency,
    },
}

impl Movement {
    fn kind(&self) -> &'static str {
        match self {
            Self::TopUp { .. } => "top_up",
            Self::Refund(_) => "credit",
            Self::Deduct(_) => "deduct",
            Self::Hold(..) => "hold",
            Self::Release(_) => "release",
            Self::DeductHeld(..) => "deduct_held",
            Self::Expire(_) => "expire",
        }
    }

    fn hold(&self) -> Option<&str> {
        match self {
            Self::Hold(hold, _) | Self::Release(hold) | Self::DeductHeld(hold, _) => Some(hold),
            _ => None,
        }
    }

    fn amount(&self, wallet: &Wallet) -> Option<Money> {
        match self {
            Self::TopUp { amount, .. }
            | Self::Refund(amount)
            | Self::Deduct(amount)
            | Self::Hold(_, amount)
            | Self::DeductHeld(_, amount)
            | Self::Expire(amount) => Some(*amount),
            Self::Release(hold) => wallet.held(hold),
        }
    }

    fn apply(&self, wallet: &Wallet, at: Timestamp) -> Result<Change, WalletError> {
        match self {
            Self::TopUp { amount, expires_at } => wallet.add(*amount, Funding::Payment, at, *expires_at),
            Self::Refund(amount) => wallet.add(*amount, Funding::Invoice, at, None),
            Self::Deduct(amount) => wallet.deduct(*amount, at),
            Self::Hold(hold, amount) => wallet.hold(hold, *amount, at),
            Self::Release(hold) => wallet.release(hold, at),
            Self::DeductHeld(hold, amount) => wallet.deduct_held(hold, *amount, at),
            Self::Expire(_) => wallet.expire(at),
        }
    }
}

/// Whose wallet something happens to, and what the entry says.
pub struct Asked<'a> {
    /// Who asks.
    pub by: &'a (dyn Display + Sync),
    /// Whose wallet.
    pub customer: &'a Customer,
    /// What it says.
    pub description: Option<String>,
    /// Unique in the wallet.
    pub dedupe_key: String,
}

/// An entry of the ledger that an invoice makes.
pub(super) struct OfInvoice<'a> {
    pub(super) project: ProjectId,
    pub(super) customer: &'a CustomerId,
    pub(super) invoice: &'a InvoiceId,
    /// What of the invoice it is: each happens once.
    pub(super) what: &'a str,
}

impl Wallets {
    /// A customer's wallet; an empty one without entries where there is none.
    pub async fn get(&self, customer: &Customer) -> Result<Option<Stored>, StoreError> {
        wallets::get(&self.db, customer.project, &customer.id).await
    }

    /// Lets something happen to a wallet, and writes it down.
    pub async fn pass(&self, asked: Asked<'_>, movement: Movement) -> Result<(Stored, Entry), MovementError> {
        let Asked { by, customer, description, dedupe_key } = asked;
        let now = self.clock.of_project(customer.project);
        let mut tx = self.db.begin().await?;
        let found = wallets::lock(&mut tx, customer.project, &customer.id).await?;
        let before = match found {
            Some(found) => found,
            None => {
                let currency = match &movement {
                    Movement::TopUp { amount, .. } | Movement::Refund(amount) => amount.currency(),
                    Movement::Deduct(amount)
                    | Movement::Hold(_, amount)
                    | Movement::DeductHeld(_, amount)
                    | Movement::Expire(amount) => {
                        return Err(
                            WalletError::Insufficient { available: Money::zero(amount.currency()) }.into()
                        );
                    }
                    Movement::Release(_) => return Err(WalletError::NoSuchHold.into()),
                };
                if let Some(has) = self.plans.currency_of(&mut tx, customer).await?
                    && has != currency
                {
                    return Err(MovementError::Currency { has });
                }
                empty(customer.project, &customer.id, currency)
            }
        };
        let note = (description, None);
        let (after, entry) = write(&mut tx, before, &movement, now, note, &dedupe_key).await?;
        let noted = noted(by, &after, &entry);
        audit::write(&mut tx, &self.clock, vec![noted]).await?;
        tx.commit().await?;
        self.watched.note(customer.project, std::iter::once(customer.external_id.as_str()));
        Ok((after, entry))
    }

    /// The first instant at which something in a wallet of a project expires.
    pub async fn first_expiry(&self, project: ProjectId) -> Result<Option<Timestamp>, StoreError> {
        let first = wallets::expiring(&self.db, project, Timestamp::MAX, (None, 1)).await?;
        Ok(first.into_iter().next().map(|(at, _)| at))
    }

    /// Writes down what expired in the wallets of a project until an instant. One that fails keeps no other.
    pub async fn expire_due(&self, project: ProjectId, now: Timestamp) -> Result<Expired, StoreError> {
        let (mut expired, mut after) = (Expired::default(), None);
        loop {
            let due = wallets::expiring(&self.db, project, now, (after.as_ref(), AT_ONCE)).await?;
            for (_, customer) in &due {
                match self.expire(project, customer, now).await {
                    Ok(any) => expired.wallets += u64::from(any),
                    Err(error) => {
                        // It is tried again, and does not keep the job busy until then.
                        wallets::set_expiry(&self.db, customer, Some(now.plus_micros(AGAIN_AFTER))).await?;
                        expired.failed.push((customer.clone(), error));
                    }
                }
            }
            if due.len() < AT_ONCE as usize {
                return Ok(expired);
            }
            after = due.into_iter().next_back();
        }
    }

    /// Writes down what expired in a wallet; answers whether anything did.
    async fn expire(
        &self,
        project: ProjectId,
        customer: &CustomerId,
        now: Timestamp,
    ) -> Result<bool, MovementError> {
        let mut tx = self.db.begin().await?;
        let Some(before) = wallets::lock(&mut tx, project, customer).await? else { return Ok(false) };
        let wallet = &before.wallet;
        let available = wallet.available_at(now).map_err(WalletError::from)?;
        let gone = wallet.balance(Account::Available).minus(available).map_err(WalletError::from)?;
        if !gone.is_positive() {
            wallets::set_expiry(&mut tx, customer, wallet.expires_at()).await?;
            tx.commit().await?;
            return Ok(false);
        }
        let dedupe_key = format!("expire:{}", before.entries + 1);
        let external_id = customers::get(&mut tx, project, customer).await?.external_id;
        let (after, entry) =
            write(&mut tx, before, &Movement::Expire(gone), now, (None, None), &dedupe_key).await?;
        audit::write(&mut tx, &self.clock, vec![noted(&SYSTEM, &after, &entry)]).await?;
        tx.commit().await?;
        self.watched.note(project, std::iter::once(external_id.as_str()));
        Ok(true)
    }
}

/// What the record of changes says of an entry.
fn noted(by: &dyn Display, after: &Stored, entry: &Entry) -> Noted {
    let details = json!({
        "kind": entry.kind,
        "amount": entry.amount.amount(),
        "currency": entry.amount.currency().code(),
        "hold": entry.hold,
        "description": entry.description,
        "available": after.wallet.balance(Account::Available).amount(),
    });
    Noted::new(Some(after.project), by, "wallet.changed", &after.customer).after(details)
}

/// A wallet that nothing has happened to.
pub(super) fn empty(project: ProjectId, customer: &CustomerId, currency: Currency) -> Stored {
    Stored { project, customer: customer.clone(), wallet: Wallet::new(currency), entries: 0 }
}

/// Moves what an invoice takes or gives, in the transaction that makes the invoice. The caller holds the
/// wallet.
pub(super) async fn of_invoice(
    tx: &mut Tx,
    before: Option<Stored>,
    of: &OfInvoice<'_>,
    movement: &Movement,
    now: Timestamp,
) -> Result<Stored, MovementError> {
    let amount = match movement {
        Movement::Refund(amount) | Movement::Deduct(amount) => *amount,
        _ => return Err(WalletError::NotPositive.into()),
    };
    let before = before.unwrap_or_else(|| empty(of.project, of.customer, amount.currency()));
    let note = (None, Some(of.invoice.clone()));
    let dedupe_key = format!("{}:{}", of.what, of.invoice);
    let (after, _) = write(tx, before, movement, now, note, &dedupe_key).await?;
    Ok(after)
}

async fn write(
    tx: &mut Tx,
    before: Stored,
    movement: &Movement,
    now: Timestamp,
    (description, invoice): (Option<String>, Option<InvoiceId>),
    dedupe_key: &str,
) -> Result<(Stored, Entry), MovementError> {
    let amount = movement.amount(&before.wallet).ok_or(WalletError::NoSuchHold)?;
    let has = before.wallet.balance(Account::Available).currency();
    if amount.currency() != has {
        return Err(MovementError::Currency { has });
    }
    let change = movement.apply(&before.wallet, now)?;
    let expires_at = match movement {
        Movement::TopUp { expires_at, .. } => *expires_at,
        _ => None,
    };
    let entry = Entry {
        number: before.entries + 1,
        kind: movement.kind().to_owned(),
        amount,
        hold: movement.hold().map(str::to_owned),
        expires_at,
        invoice,
        description,
        made_at: now,
    };
    wallets::append(tx, &before, &change, &entry, dedupe_key).await?;
    Ok((Stored { wallet: change.wallet, entries: before.entries + 1, ..before }, entry))
}

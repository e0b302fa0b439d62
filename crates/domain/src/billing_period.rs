//! Billing periods of a subscription: the time from one invoice to the next, with the fees that begin and
//! change in it, and the parts of it that one version of a plan was in force.
use crate::cycle::BillingCycle;
use crate::key::PlanKey;
use crate::share::Share;
use crate::subscription::SubscriptionStatus;
use crate::time::{DAY, Timestamp};
use crate::window::Window;

/// A version of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PlanVersion {
    /// The plan.
    pub key: PlanKey,
    /// Its version.
    pub version: u32,
}

/// What a subscription is from an instant on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Phase {
    /// Since when.
    pub starts_at: Timestamp,
    /// The plan.
    pub plan: PlanVersion,
    /// Where it stands.
    pub status: SubscriptionStatus,
    /// When its billing periods begin.
    pub cycle: BillingCycle,
}

/// A billing period: usage in it is billed at its end, together with the fees of the next one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BillingPeriod {
    /// From one invoice to the next.
    pub window: Window,
    /// The period of the billing cycle that it is, or is part of: shares are of it.
    pub whole: Window,
    /// The billing cycle.
    pub cycle: BillingCycle,
    /// The plan whose fees are due at its beginning; none while the subscription is paused.
    pub opening: Option<PlanVersion>,
    /// What changes of fees within.
    pub changes: Vec<FeeChange>,
    /// When usage is billed, and by which plan, in order.
    pub parts: Vec<Part>,
}

/// What an invoice is made of: the period that ends, and the one that begins with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closing {
    /// The period whose usage is billed; none where billing only begins, and some time after the end of the
    /// subscription, when what came late is settled.
    pub period: Option<BillingPeriod>,
    /// The period whose fees are due in advance; none where the subscription has ended.
    pub next: Option<BillingPeriod>,
    /// When it falls due: where the one ends and the other begins, or when it is settled.
    pub at: Timestamp,
}

/// Fees that begin, or are given back, within a billing period.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeeChange {
    /// Whose fees.
    pub plan: PlanVersion,
    /// The rest of the period, which they are for.
    pub rest: Window,
    /// Whether they are given back.
    pub given_back: bool,
}

/// A part of a billing period in which one version of a plan was in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The plan.
    pub plan: PlanVersion,
    /// When.
    pub window: Window,
    /// The share of the period that was paid for in advance: included units and minimums are scaled by it.
    pub share: Share,
}

/// What is in force from an instant to another; nothing while the subscription is paused.
struct Stretch<'a> {
    window: Window,
    plan: Option<&'a PlanVersion>,
}

impl Phase {
    /// The plan that is billed.
    fn billed(&self) -> Option<&PlanVersion> {
        self.status.is_recurring().then_some(&self.plan)
    }
}

impl BillingPeriod {
    /// What is due of a plan's fees at the beginning, and for when.
    pub fn opening_share(&self) -> (Window, Share) {
        let rest = Window { start: self.window.start, end: self.whole.end };
        (rest, Share::of(rest, self.whole))
    }
}

/// How long after the end of a subscription what came late is settled, in microseconds.
pub const SETTLED_AFTER: i64 = 36 * DAY;

impl Closing {
    /// The closing that comes next where billing has come to an instant, or has not begun; none where nothing
    /// is billed any more, or yet.
    pub fn next(phases: &[Phase], billed_until: Option<Timestamp>) -> Option<Self> {
        let Some(until) = billed_until else { return Self::first(phases) };
        Self::of_period_from(phases, until).or_else(|| Self::settlement(phases, until))
    }

    /// The closing some time after the end, which bills what came late of the periods before.
    fn settlement(phases: &[Phase], billed_until: Timestamp) -> Option<Self> {
        let end = phases.last().filter(|phase| phase.status.is_over())?.starts_at;
        (billed_until <= end).then(|| Self::of_late(end.plus_micros(SETTLED_AFTER)))
    }

    /// A closing at an instant that bills nothing but what came late of the periods before.
    pub fn of_late(at: Timestamp) -> Self {
        Self { period: None, next: None, at }
    }

    /// The first closing of a subscription, which only begins billing; none where nothing is billed yet.
    fn first(phases: &[Phase]) -> Option<Self> {
        let next = billing_period_from(phases, phases.first()?.starts_at)?;
        Some(Self { period: None, at: next.window.start, next: Some(next) })
    }

    /// The closing of the period that begins at an instant; none where nothing is billed from then on.
    pub fn of_period_from(phases: &[Phase], start: Timestamp) -> Option<Self> {
        let period = billing_period_from(phases, start)?;
        let at = period.window.end;
        let next = billing_period_from(phases, at).filter(|next| next.window.start == at);
        Some(Self { period: Some(period), next, at })
    }
}

/// The billing period that begins at an instant, or with the first phase after it that is no trial; `None`
/// where nothing is billed from then on. `phases` are in order, and none begins before the one before it.
///
/// A period ends with that of its cycle, and sooner where the subscription ends or gets another cycle.
pub fn billing_period_from(phases: &[Phase], from: Timestamp) -> Option<BillingPeriod> {
    // Of phases that begin at one instant the last one counts.
    let follows = phases.iter().skip(1).map(Some).chain([None]);
    let counts = phases.iter().zip(follows);
    let counts = counts.filter(|(one, next)| next.is_none_or(|next| one.starts_at < next.starts_at));
    let phases: Vec<&Phase> = counts.map(|(one, _)| one).collect();
    let begun = phases.iter().rposition(|phase| phase.starts_at <= from).unwrap_or(0);
    let first = *phases.get(begun..)?.iter().find(|phase| phase.status != SubscriptionStatus::Trialing)?;
    if first.status.is_over() {
        return None;
    }
    let start = first.starts_at.max(from);
    let whole = first.cycle.period_at(start)?;
    let later: Vec<&Phase> =
        phases.into_iter().filter(|one| start < one.starts_at && one.starts_at < whole.end).collect();
    let cut = later.iter().find(|phase| phase.status.is_over() || phase.cycle != first.cycle);
    let window = Window { start, end: cut.map_or(whole.end, |phase| phase.starts_at) };
    let stretches = stretches_of(first, &later, window);
    let is_over = cut.is_some_and(|phase| phase.status.is_over());
    // What another cycle cuts short is given back; what the end cuts short is not.
    let cut_at = cut.filter(|_| !is_over).map(|phase| phase.starts_at);
    Some(BillingPeriod {
        window,
        whole,
        cycle: first.cycle.clone(),
        opening: first.billed().cloned(),
        changes: changes_of(&stretches, whole, cut_at),
        parts: parts_of(&stretches, whole, is_over),
    })
}

/// What is in force in a window; neighbours differ.
fn stretches_of<'a>(first: &'a Phase, later: &[&'a Phase], window: Window) -> Vec<Stretch<'a>> {
    let mut stretches = vec![Stretch { window, plan: first.billed() }];
    for phase in later.iter().take_while(|phase| phase.starts_at < window.end) {
        let begins = Window { start: phase.starts_at, end: window.end };
        if let Some(last) = stretches.last_mut() {
            if last.plan == phase.billed() {
                continue;
            }
            last.window.end = phase.starts_at;
        }
        stretches.push(Stretch { window: begins, plan: phase.billed() });
    }
    stretches
}

fn changes_of(stretches: &[Stretch<'_>], whole: Window, cut_at: Option<Timestamp>) -> Vec<FeeChange> {
    let change = |plan: Option<&PlanVersion>, at, given_back| {
        let rest = Window { start: at, end: whole.end };
        plan.map(|plan| FeeChange { plan: plan.clone(), rest, given_back })
    };
    let mut changes = Vec::new();
    for (before, after) in stretches.iter().zip(stretches.iter().skip(1)) {
        if before.plan != after.plan {
            changes.extend(change(before.plan, after.window.start, true));
            changes.extend(change(after.plan, after.window.start, false));
        }
    }
    if let (Some(at), Some(last)) = (cut_at, stretches.last()) {
        changes.extend(change(last.plan, at, true));
    }
    changes
}

fn parts_of(stretches: &[Stretch<'_>], whole: Window, is_over: bool) -> Vec<Part> {
    let last = stretches.len().saturating_sub(1);
    let part = |(index, stretch): (usize, &Stretch<'_>)| {
        // Whoever leaves has paid for the whole period.
        let paid_until = if is_over && index == last { whole.end } else { stretch.window.end };
        Some(Part {
            plan: stretch.plan?.clone(),
            window: stretch.window,
            share: Share::of(Window { start: stretch.window.start, end: paid_until }, whole),
        })
    };
    stretches.iter().enumerate().filter_map(part).collect()
}

#[cfg(test)]
mod tests;

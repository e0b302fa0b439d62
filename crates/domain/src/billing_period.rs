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

/// How far a subscription is billed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Billed {
    /// Until when: the end of the last period that is closed, or the beginning of the first.
    pub until: Timestamp,
    /// How many of its phases: the fees that change with those are charged, and given back. Of periods that were
    /// closed before that was written down none are known.
    pub phases: usize,
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
    /// What changes of fees within and is not billed yet.
    pub changes: Vec<Fee>,
    /// The phase with another cycle that cuts it short, by its place.
    pub cut_by: Option<usize>,
    /// When usage is billed, and by which plan, in order.
    pub parts: Vec<Part>,
}

/// What an invoice is made of: the period that ends, and the fees of the one that begins with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closing {
    /// The period whose usage is billed; none where billing only begins, between periods, and some time after the end
    /// of the subscription, when what came late is settled.
    pub period: Option<BillingPeriod>,
    /// Fees that are due, or given back.
    pub fees: Vec<Fee>,
    /// When it falls due: where one period ends and another begins, when fees changed, or when it is settled.
    pub at: Timestamp,
    /// How far the subscription is billed with it.
    pub billed: Billed,
    /// Whether it only bills what changed of fees, before the period is over.
    pub is_interim: bool,
}

/// Fees of a plan for a period or for its rest, due in advance or given back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fee {
    /// Whose fees.
    pub plan: PlanVersion,
    /// The time that they are for.
    pub rest: Window,
    /// The period of the billing cycle: they are the share of `rest` in it.
    pub whole: Window,
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

/// A phase, with its place among all.
type Placed<'a> = (usize, &'a Phase);

/// What is in force from an instant to another; nothing while the subscription is paused.
struct Stretch<'a> {
    window: Window,
    plan: Option<&'a PlanVersion>,
    /// The place of the phase that it begins with.
    place: usize,
}

impl Phase {
    /// The plan that is billed.
    fn billed(&self) -> Option<&PlanVersion> {
        self.status.is_recurring().then_some(&self.plan)
    }
}

impl BillingPeriod {
    /// What is due at the beginning.
    pub fn opening_fee(&self) -> Option<Fee> {
        let rest = Window { start: self.window.start, end: self.whole.end };
        self.opening.clone().map(|plan| Fee { plan, rest, whole: self.whole, given_back: false })
    }
}

/// How long after the end of a subscription what came late is settled, in microseconds.
pub const SETTLED_AFTER: i64 = 36 * DAY;

impl Closing {
    /// The closing that comes next where a subscription is billed so far, or not at all; none where nothing is billed
    /// any more, or yet.
    pub fn next(phases: &[Phase], billed: Option<Billed>) -> Option<Self> {
        let Some(billed) = billed else { return Self::first(phases) };
        Self::of_period_from(phases, billed).or_else(|| Self::settlement(phases, billed))
    }

    /// The closing some time after the end, which bills what came late of the periods before.
    fn settlement(phases: &[Phase], billed: Billed) -> Option<Self> {
        let end = phases.last().filter(|phase| phase.status.is_over())?.starts_at;
        (billed.until <= end).then(|| Self::of_late(end.plus_micros(SETTLED_AFTER), billed))
    }

    /// A closing at an instant that bills nothing but what came late of the periods before.
    pub fn of_late(at: Timestamp, billed: Billed) -> Self {
        let billed = Billed { until: at, ..billed };
        Self { period: None, fees: Vec::new(), at, billed, is_interim: false }
    }

    /// The first closing of a subscription, which only begins billing; none where nothing is billed yet.
    fn first(phases: &[Phase]) -> Option<Self> {
        let next = billing_period_from(phases, phases.first()?.starts_at, 0)?;
        let at = next.window.start;
        let billed = Billed { until: at, phases: begun_by(phases, at) };
        let fees = next.opening_fee().into_iter().collect();
        Some(Self { period: None, fees, at, billed, is_interim: false })
    }

    /// The closing of the period that begins where a subscription is billed so far; none where nothing is billed from
    /// then on.
    pub fn of_period_from(phases: &[Phase], billed: Billed) -> Option<Self> {
        let period = billing_period_from(phases, billed.until, billed.phases)?;
        let at = period.window.end;
        let after = Billed { until: at, phases: billed.phases.max(begun_by(phases, at)) };
        let mut fees = period.changes.clone();
        // What begins with a cut is billed with it.
        if period.cut_by.is_none_or(|place| billed.phases <= place) {
            let next = billing_period_from(phases, at, after.phases).filter(|next| next.window.start == at);
            fees.extend(next.and_then(|next| next.opening_fee()));
        }
        // One that is cut where it begins has no time of its own.
        let period = (period.window.start < at).then_some(period);
        Some(Self { period, fees, at, billed: after, is_interim: false })
    }

    /// A closing at an instant that only bills what changed of fees in the running period until then.
    pub fn interim(phases: &[Phase], billed: Billed, at: Timestamp) -> Self {
        let known = phases.get(..begun_by(phases, at)).unwrap_or(phases);
        let running = billing_period_from(known, billed.until, billed.phases);
        let fees = running.map_or_else(Vec::new, |period| match period.cut_by {
            Some(_) => Self::of_period_from(known, billed).map_or_else(Vec::new, |closing| closing.fees),
            // The fees of the next period are due when it begins.
            None => period.changes,
        });
        let billed = Billed { phases: billed.phases.max(known.len()), ..billed };
        Self { period: None, fees, at, billed, is_interim: true }
    }
}

/// How many phases have begun at an instant.
fn begun_by(phases: &[Phase], at: Timestamp) -> usize {
    phases.partition_point(|phase| phase.starts_at <= at)
}

/// The billing period that begins at an instant, or with the first phase after it that is no trial; `None`
/// where nothing is billed from then on. `phases` are in order, and none begins before the one before it; of some of
/// them fees are billed.
///
/// A period ends with that of its cycle, and sooner where the subscription ends or gets another cycle.
pub fn billing_period_from(phases: &[Phase], from: Timestamp, billed: usize) -> Option<BillingPeriod> {
    let placed: Vec<Placed<'_>> = counting(phases, billed).collect();
    let has_begun = |(place, phase): &Placed<'_>| {
        phase.starts_at < from || (phase.starts_at == from && (billed == 0 || *place < billed))
    };
    let begun = placed.iter().rposition(has_begun).unwrap_or(0);
    let mut placed = placed.into_iter().skip(begun);
    let first = placed.find(|(_, phase)| phase.status != SubscriptionStatus::Trialing)?;
    let start = first.1.starts_at.max(from);
    let whole = first.1.cycle.period_at(start)?;
    let later: Vec<Placed<'_>> = placed.take_while(|(_, phase)| phase.starts_at < whole.end).collect();
    let is_cut = |(_, phase): &Placed<'_>| phase.status.is_over() || phase.cycle != first.1.cycle;
    let within = later.iter().take_while(|one| !is_cut(one)).count();
    let (within, cut) = (later.get(..within).unwrap_or_default(), later.get(within));
    let window = Window { start, end: cut.map_or(whole.end, |(_, phase)| phase.starts_at) };
    let is_over = cut.is_some_and(|(_, phase)| phase.status.is_over());
    if first.1.status.is_over() || (is_over && window.start == window.end) {
        return None;
    }
    let stretches = stretches_of(first, within, window);
    // What another cycle cuts short is given back; what the end cuts short is not.
    let other_cycle = cut.filter(|_| !is_over);
    Some(BillingPeriod {
        window,
        whole,
        cycle: first.1.cycle.clone(),
        opening: first.1.billed().cloned(),
        changes: changes_of(&stretches, whole, other_cycle, billed),
        cut_by: other_cycle.map(|(place, _)| *place),
        parts: parts_of(&stretches, whole, is_over),
    })
}

/// The phases that count: of those that begin at one instant the last one, and the last one that is billed.
fn counting(phases: &[Phase], billed: usize) -> impl Iterator<Item = Placed<'_>> {
    phases.iter().enumerate().filter(move |(place, phase)| {
        let next = place.saturating_add(1);
        next == billed || phases.get(next).is_none_or(|after| phase.starts_at < after.starts_at)
    })
}

/// What is in force in a window; neighbours differ.
fn stretches_of<'a>(first: Placed<'a>, later: &[Placed<'a>], window: Window) -> Vec<Stretch<'a>> {
    let mut stretches = vec![Stretch { window, plan: first.1.billed(), place: first.0 }];
    for (place, phase) in later {
        let begins = Window { start: phase.starts_at, end: window.end };
        if let Some(last) = stretches.last_mut() {
            if last.plan == phase.billed() {
                continue;
            }
            last.window.end = phase.starts_at;
        }
        stretches.push(Stretch { window: begins, plan: phase.billed(), place: *place });
    }
    stretches
}

/// What changes of fees and is not billed yet.
fn changes_of(stretches: &[Stretch<'_>], whole: Window, cut: Option<&Placed<'_>>, billed: usize) -> Vec<Fee> {
    let fee = |plan: Option<&PlanVersion>, at, given_back| {
        let rest = Window { start: at, end: whole.end };
        plan.map(|plan| Fee { plan: plan.clone(), rest, whole, given_back })
    };
    let mut changes = Vec::new();
    for (before, after) in stretches.iter().zip(stretches.iter().skip(1)) {
        if before.plan != after.plan && billed <= after.place {
            changes.extend(fee(before.plan, after.window.start, true));
            changes.extend(fee(after.plan, after.window.start, false));
        }
    }
    if let (Some((place, phase)), Some(last)) = (cut, stretches.last())
        && billed <= *place
    {
        changes.extend(fee(last.plan, phase.starts_at, true));
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
    let lasts = |part: &Part| part.window.start < part.window.end;
    stretches.iter().enumerate().filter_map(part).filter(lasts).collect()
}

#[cfg(test)]
mod tests;

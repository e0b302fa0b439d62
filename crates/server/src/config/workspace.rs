//! What traffic, storage and compute cost, as system B estimates.
use super::reader::{Named, Reader, named};
use reckoner_domain::decimal::Decimal;

/// The prices of system B's estimates, in one currency; invoices follow plans.
#[derive(Clone, Copy, Debug)]
pub struct Workspace {
    /// Of 2^30 bytes of traffic.
    pub rate_traffic_gb: Decimal,
    /// Of 2^30 bytes held for a month.
    pub rate_storage_gb_month: Decimal,
    /// Of a weighted unit of compute.
    pub rate_compute_unit: Decimal,
}

pub(super) fn read_workspace(reader: &mut Reader<'_>) -> Workspace {
    let traffic =
        named("workspace.rate_traffic_gb", "System B's estimate: the price of 2^30 bytes of traffic.");
    let storage = named(
        "workspace.rate_storage_gb_month",
        "System B's estimate: the price of 2^30 bytes held for a month.",
    );
    let compute =
        named("workspace.rate_compute_unit", "System B's estimate: the price of a weighted unit of compute.");
    Workspace {
        rate_traffic_gb: rate(reader, traffic.also(&["USAGE_RATE_TRAFFIC_GB"]), "0.10"),
        rate_storage_gb_month: rate(reader, storage.also(&["USAGE_RATE_STORAGE_GB_MONTH"]), "0.05"),
        rate_compute_unit: rate(reader, compute.also(&["USAGE_RATE_COMPUTE_UNIT"]), "0.001"),
    }
}

/// A price that is not negative.
fn rate(reader: &mut Reader<'_>, about: Named, usual: &str) -> Decimal {
    let allowed = "a decimal of at least 0, such as 0.10";
    let usual: Decimal = usual.parse().unwrap_or_default();
    let rate = reader.value(about, usual, allowed);
    if rate < Decimal::ZERO {
        reader.problem(about.name, format!("must be {allowed}"));
        return usual;
    }
    rate
}

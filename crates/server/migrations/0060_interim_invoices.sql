-- Invoices between the ends of periods, of changes that are invoiced at once. How many phases of a subscription the fees
-- that change with them are billed of, and since when what changed is to be invoiced without waiting for the end.
alter table billing_cursors add column phases bigint not null default 0 check (phases >= 0);
alter table billing_cursors add column interim_at bigint;
update billing_cursors set phases = (select count(*) from subscription_phases p
    where p.subscription_id = billing_cursors.subscription_id and p.starts_at <= billing_cursors.billed_until)
    where billed_until is not null;
-- The same before and after each closing; of earlier ones nothing is known.
alter table closed_periods add column phases_before bigint not null default 0;
alter table closed_periods add column phases bigint;

-- A customer's billing follows its time zone from the next billing period on: the zone that follows, and when that was
-- decided; and where the first period of a zone begins, which a change cut anew.
alter table subscriptions add column next_zone text;
alter table subscriptions add column next_zone_decided_at bigint;
alter table subscriptions add column periods_since bigint;
alter table subscription_phases add column periods_since bigint;

-- A customer whose trial has expired waits for the plan that follows: since when, until it was moved.
alter table subscriptions add column lapsed_at bigint;
create index subscriptions_lapsed on subscriptions (project_id, lapsed_at, id) where lapsed_at is not null;

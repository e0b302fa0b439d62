-- Closed periods of which something became known long after their end: the next closing rates them anew.
alter table closed_periods add column late boolean not null default false;
create index closed_periods_late on closed_periods (subscription_id, ordinal) where late;

-- Aggregations that another system made: when they were imported, and how their webhook fared there.
-- Their events need not be in the event log, so the job leaves them as they are.
alter table aggregations add column imported_at bigint;
alter table aggregations add column imported_status text;

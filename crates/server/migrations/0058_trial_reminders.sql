-- When whoever has a trial is reminded that it ends tomorrow, 10:00 UTC of the day before; none once that is done.
alter table subscriptions add column remind_at bigint;
update subscriptions set remind_at = (trial_ends_at / 86400000000) * 86400000000 - 86400000000 + 36000000000
    where status = 'trialing' and trial_ends_at is not null;
create index subscriptions_to_remind on subscriptions (project_id, remind_at, id) where remind_at is not null;

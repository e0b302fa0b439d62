-- What fired, each once in a period: rows stay when their alert goes. A notice of a subject alone has the empty text
-- as its customer. `turn` is where the period begins; for credit it is `open` until there is enough again.
create table alert_notices (
    id bytewise_text primary key,
    project_id bigint not null references projects (id),
    alert_id bytewise_text not null,
    revision bigint not null,
    customer bytewise_text not null,
    turn bytewise_text not null,
    name text,
    kind text not null check (kind in ('usage', 'spend', 'balance')),
    subject bytewise_text,
    meter_key bytewise_text,
    threshold text not null,
    unit text not null check (unit in ('absolute', 'percent')),
    bound text not null,
    value text not null,
    currency text,
    channels text not null,
    period_start bigint,
    period_end bigint,
    mails text not null,
    triggered_at bigint not null,
    read_at bigint,
    unique (alert_id, revision, customer, turn),
    check ((period_start is null) = (period_end is null))
);
create index alert_notices_by_time on alert_notices (project_id, triggered_at, id);
create index alert_notices_by_customer on alert_notices (project_id, customer, triggered_at, id);
create index alert_notices_by_alert on alert_notices (project_id, alert_id, triggered_at, id);

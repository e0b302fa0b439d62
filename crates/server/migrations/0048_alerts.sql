-- What somebody is told of: thresholds on usage, spend and credit. Without a customer an alert is about every
-- customer. `revision` counts changes of what it watches: each begins anew.
create table alerts (
    id bytewise_text primary key,
    project_id bigint not null references projects (id),
    name text,
    kind text not null check (kind in ('usage', 'spend', 'balance')),
    customer bytewise_text,
    subject bytewise_text,
    meter_key bytewise_text,
    threshold text not null,
    unit text not null check (unit in ('absolute', 'percent')),
    period text check (period in ('billing_period', 'month')),
    currency text,
    budget text,
    channels text not null,
    recipients text not null,
    webhook_url text,
    endpoint_id bytewise_text,
    enabled boolean not null,
    created_by text not null,
    revision bigint not null,
    armed_at bigint not null,
    last_triggered_at bigint,
    created_at bigint not null,
    updated_at bigint not null,
    version bigint not null,
    check ((kind = 'usage') = (meter_key is not null)),
    check (kind = 'usage' or subject is null)
);
create index alerts_by_creation on alerts (project_id, created_at, id);
create index alerts_by_customer on alerts (project_id, customer, created_at, id) where customer is not null;
create index alerts_by_subject on alerts (project_id, subject, created_at, id) where subject is not null;

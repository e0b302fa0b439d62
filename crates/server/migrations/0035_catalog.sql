-- Plans and coupons, each version a row that never changes; archived versions stay for those who have
-- them. A customer has at most one subscription that is not over, and it stays on its version of a plan
-- until it is moved. All times are the project's.
create table catalog_entries (
    project_id bigint not null references projects (id),
    kind text not null check (kind in ('plan', 'coupon')),
    key bytewise_text not null,
    version bigint not null check (version >= 1),
    definition text not null,
    created_at bigint not null,
    archived_at bigint,
    primary key (project_id, kind, key, version)
);

create table subscriptions (
    id bytewise_text primary key,
    project_id bigint not null references projects (id),
    customer_id bytewise_text not null references customers (id),
    plan_key bytewise_text not null,
    plan_version bigint not null,
    status text not null check (status in ('trialing', 'active', 'past_due', 'paused', 'canceled', 'expired')),
    started_at bigint not null,
    trial_ends_at bigint,
    after_trial text not null check (after_trial in ('activate', 'expire')),
    billing_interval text not null,
    zone text not null,
    anchor bigint,
    collection text not null check (collection in ('reckoner', 'stripe')),
    scheduled_at bigint,
    scheduled_plan bytewise_text,
    scheduled_version bigint,
    due_at bigint,
    ended_at bigint,
    created_at bigint not null,
    version bigint not null,
    check ((scheduled_plan is null) = (scheduled_version is null)),
    check (scheduled_plan is null or scheduled_at is not null)
);
create unique index subscriptions_open on subscriptions (customer_id) where ended_at is null;
create index subscriptions_of_customer on subscriptions (project_id, customer_id, created_at, id);
create index subscriptions_by_creation on subscriptions (project_id, created_at, id);
create index subscriptions_due on subscriptions (project_id, due_at, id) where due_at is not null;
create index subscriptions_by_plan on subscriptions (project_id, plan_key, created_at, id);

-- What a subscription was from an instant on: usage is rated by the plan that was in force.
create table subscription_phases (
    subscription_id bytewise_text not null references subscriptions (id),
    number bigint not null check (number >= 1),
    starts_at bigint not null,
    plan_key bytewise_text not null,
    plan_version bigint not null,
    status text not null,
    billing_interval text not null,
    zone text not null,
    anchor bigint,
    primary key (subscription_id, number)
);

-- Units that a client took ahead of their use. Expiry is in real time.
create table quota_leases (
    id bytewise_text primary key,
    project_id bigint not null references projects (id),
    customer bytewise_text not null,
    meter_key bytewise_text not null,
    granted text not null,
    used text not null,
    window_start bigint not null,
    expires_at bigint not null
);
create index quota_leases_by_expiry on quota_leases (expires_at);

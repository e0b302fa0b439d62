-- Events of Stripe that were taken, each once.
create table stripe_events (
    project_id bigint not null references projects (id),
    event_id bytewise_text not null,
    event_type text not null,
    object_id bytewise_text not null,
    created_at bigint not null,
    received_at bigint not null,
    outcome text not null check (outcome in ('applied', 'unchanged', 'unknown_customer', 'conflict')),
    detail text,
    primary key (project_id, event_id)
);
create index stripe_events_received on stripe_events (received_at);

-- What is known of subscriptions at Stripe, and which of ours follows each.
create table stripe_subscriptions (
    project_id bigint not null references projects (id),
    stripe_subscription bytewise_text not null,
    stripe_customer bytewise_text not null,
    customer_id bytewise_text not null references customers (id),
    facts text not null,
    is_billing boolean not null,
    subscription_id bytewise_text references subscriptions (id),
    changed_at bigint not null,
    primary key (project_id, stripe_subscription)
);
create index stripe_subscriptions_of_customer on stripe_subscriptions (project_id, customer_id);
create unique index stripe_subscriptions_by_follower on stripe_subscriptions (subscription_id) where subscription_id is not null;

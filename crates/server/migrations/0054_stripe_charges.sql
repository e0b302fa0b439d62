-- Invoices of Stripe that we make: one for a closing that none of its subscriptions bills. When it is tried again
-- is by the project's clock.
create table stripe_invoices (
    subscription_id bytewise_text not null references subscriptions (id),
    ordinal bigint not null,
    project_id bigint not null references projects (id),
    stripe_customer bytewise_text not null,
    currency text not null,
    collection_method text not null check (collection_method in ('charge_automatically', 'send_invoice')),
    invoice bytewise_text,
    status text not null check (status in ('draft', 'final', 'paid', 'failed')),
    error text,
    try_at bigint not null,
    told_at bigint,
    made_at bigint not null,
    primary key (subscription_id, ordinal)
);
create index stripe_invoices_drafts on stripe_invoices (project_id, try_at, subscription_id, ordinal) where status = 'draft';
create unique index stripe_invoices_by_name on stripe_invoices (project_id, invoice) where invoice is not null;

-- Charges as they are sent to Stripe: how was decided before the first attempt. `sent_at` is real time.
create table stripe_items (
    charge_id bytewise_text primary key references provider_charges (id),
    project_id bigint not null references projects (id),
    stripe_customer bytewise_text not null,
    stripe_subscription bytewise_text,
    invoice bytewise_text,
    currency text not null,
    amount_minor bigint not null,
    item bytewise_text,
    sent_at bigint,
    check ((stripe_subscription is null) or (invoice is null)),
    check ((item is null) = (sent_at is null))
);
create index stripe_items_sent on stripe_items (project_id, sent_at, charge_id) where sent_at is not null;
create unique index stripe_items_by_name on stripe_items (project_id, item) where item is not null;

-- How far each subscription is billed, and when its next closing is to be run, by the project's clock: at the
-- beginning of its first billing period, then some time after the end of each, and later where one failed. A
-- run that comes too early says when it will be time.
create table billing_cursors (
    subscription_id bytewise_text primary key references subscriptions (id),
    project_id bigint not null references projects (id),
    closings bigint not null check (closings >= 0),
    billed_until bigint,
    run_at bigint
);
create index billing_cursors_due on billing_cursors (project_id, run_at, subscription_id) where run_at is not null;
insert into billing_cursors (subscription_id, project_id, closings, billed_until, run_at)
    select id, project_id, 0, null, started_at from subscriptions where ended_at is null;

-- The last number given in a series of a project.
create table document_numbers (
    project_id bigint not null references projects (id),
    series text not null check (series in ('invoice', 'credit_note')),
    last_number bigint not null check (last_number >= 1),
    primary key (project_id, series)
);

-- Final invoices. Rows never change: triggers refuse it. What becomes of an invoice is in its state.
create table invoices (
    id bytewise_text primary key,
    project_id bigint not null references projects (id),
    customer_id bytewise_text not null references customers (id),
    subscription_id bytewise_text not null references subscriptions (id),
    ordinal bigint not null check (ordinal >= 0),
    number bigint not null check (number >= 1),
    currency text not null,
    total text not null,
    amount_due text not null,
    period_start bigint not null,
    period_end bigint not null,
    finalized_at bigint not null,
    due_at bigint not null,
    content text not null,
    hash text not null,
    unique (project_id, number),
    unique (subscription_id, ordinal)
);
create index invoices_of_customer on invoices (project_id, customer_id, number);

create table invoice_states (
    invoice_id bytewise_text primary key references invoices (id),
    project_id bigint not null references projects (id),
    status text not null check (status in ('finalized', 'paid', 'void', 'uncollectible')),
    changed_at bigint not null,
    version bigint not null check (version >= 1)
);
create index invoice_states_by_status on invoice_states (project_id, status, invoice_id);

-- Billing periods that are closed: what was charged for usage in them so far, adjustments included.
create table closed_periods (
    subscription_id bytewise_text not null references subscriptions (id),
    ordinal bigint not null check (ordinal >= 1),
    project_id bigint not null references projects (id),
    customer_id bytewise_text not null references customers (id),
    period_start bigint not null,
    period_end bigint not null,
    closed_at bigint not null,
    invoice_id bytewise_text references invoices (id),
    currency text,
    overage text,
    charges text not null,
    primary key (subscription_id, ordinal)
);
create index closed_periods_by_closing on closed_periods (project_id, closed_at);
create index closed_periods_of_customer on closed_periods (project_id, customer_id, period_end);

-- What a payment provider is to collect, each once: written down before it is asked for, and again when it
-- has answered. The id is the key that the provider tells repeats by.
create table provider_charges (
    id bytewise_text primary key,
    project_id bigint not null references projects (id),
    customer_id bytewise_text not null references customers (id),
    subscription_id bytewise_text not null references subscriptions (id),
    ordinal bigint not null,
    position bigint not null,
    currency text not null,
    amount text not null,
    description text not null,
    period_start bigint not null,
    period_end bigint not null,
    status text not null check (status in ('pending', 'charged')),
    reference text,
    error text,
    made_at bigint not null,
    try_at bigint not null,
    charged_at bigint,
    unique (subscription_id, ordinal, position),
    check ((status = 'charged') = (reference is not null)),
    check ((status = 'charged') = (charged_at is not null))
);
create index provider_charges_pending on provider_charges (project_id, try_at, id) where status = 'pending';

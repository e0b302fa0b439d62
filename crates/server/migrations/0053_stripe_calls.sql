-- Calls of Stripe that change something there: written down before each, and again when it has answered. Times
-- are real. A generation is one idempotency key; the next one begins once it is known that the one before made
-- nothing.
create table stripe_requests (
    key bytewise_text primary key,
    project_id bigint not null references projects (id),
    operation text not null,
    generation bigint not null check (generation >= 1),
    attempts bigint not null check (attempts >= 1),
    first_at bigint not null,
    tried_at bigint not null,
    answered_at bigint,
    reference text,
    error text,
    check (reference is null or answered_at is not null)
);
create index stripe_requests_answered on stripe_requests (answered_at, key) where answered_at is not null;

-- What our customers are called by Stripe: one name in its test mode, one where real money moves.
create table stripe_customers (
    project_id bigint not null references projects (id),
    mode text not null check (mode in ('live', 'test')),
    customer_id bytewise_text not null references customers (id),
    stripe_customer bytewise_text not null,
    made_at bigint not null,
    primary key (project_id, mode, customer_id),
    unique (project_id, stripe_customer)
);

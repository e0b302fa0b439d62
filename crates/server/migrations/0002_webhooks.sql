-- Webhooks: endpoints, messages (the outbox), deliveries and their attempts. Columns that end in
-- `_clock` are by the project's clock, beside the same instant in real time.

create table webhook_endpoints (
    id bytewise_text primary key,
    project_id bigint not null references projects (id),
    url text not null,
    event_types text not null,
    description text,
    secret text not null,
    previous_secret text,
    previous_secret_expires_at bigint,
    enabled boolean not null,
    disabled_reason text check (disabled_reason in ('manual', 'file', 'removed', 'gone', 'failing')),
    source text not null check (source in ('file', 'api')),
    failing_since bigint,
    failing_since_clock bigint,
    created_at bigint not null,
    updated_at bigint not null,
    deleted_at bigint,
    version bigint not null,
    check (enabled or disabled_reason is not null),
    check ((previous_secret is null) = (previous_secret_expires_at is null)),
    check ((failing_since is null) = (failing_since_clock is null))
);
create index webhook_endpoints_by_creation on webhook_endpoints (project_id, created_at, id);
create unique index webhook_endpoints_of_file on webhook_endpoints (project_id, url) where source = 'file';

create table webhook_messages (
    id bytewise_text primary key,
    project_id bigint not null references projects (id),
    type text not null,
    subject_id bytewise_text,
    dedupe_key bytewise_text not null,
    payload text not null,
    created_at bigint not null,
    unique (project_id, dedupe_key)
);
create index webhook_messages_by_creation on webhook_messages (project_id, created_at, id);
create index webhook_messages_by_subject on webhook_messages (project_id, subject_id) where subject_id is not null;

create table webhook_deliveries (
    id bytewise_text primary key,
    project_id bigint not null references projects (id),
    message_id bytewise_text not null references webhook_messages (id),
    endpoint_id bytewise_text not null references webhook_endpoints (id),
    state text not null check (state in ('pending', 'delivered', 'failed', 'canceled')),
    attempts bigint not null,
    due_at bigint not null,
    due_at_clock bigint not null,
    claimed_by text,
    claimed_until bigint,
    last_status bigint,
    last_error text,
    last_attempt_at bigint,
    delivered_at bigint,
    dry_run boolean not null,
    created_at bigint not null,
    check ((claimed_by is null) = (claimed_until is null)),
    check (state = 'pending' or claimed_by is null)
);
create index webhook_deliveries_due on webhook_deliveries (endpoint_id, due_at, id) where state = 'pending';
create index webhook_deliveries_due_by_clock on webhook_deliveries (endpoint_id, due_at_clock) where state = 'pending';
create index webhook_deliveries_next on webhook_deliveries (due_at) where state = 'pending';
create index webhook_deliveries_claimed on webhook_deliveries (claimed_until) where claimed_until is not null;
create index webhook_deliveries_by_creation on webhook_deliveries (project_id, created_at, id);
create index webhook_deliveries_by_endpoint on webhook_deliveries (endpoint_id, created_at, id);
create index webhook_deliveries_by_message on webhook_deliveries (message_id);

create table webhook_attempts (
    delivery_id bytewise_text not null references webhook_deliveries (id),
    number bigint not null check (number >= 1),
    at bigint not null,
    status bigint,
    latency_ms bigint not null,
    error text,
    body_head text,
    dry_run boolean not null,
    primary key (delivery_id, number)
);

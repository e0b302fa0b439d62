-- One schema for SQLite and PostgreSQL. Times are microseconds since 1970, integers bigint, JSON and
-- decimals text. `bytewise_text` orders by bytes on both: SQLite knows no such type and takes it for
-- text, PostgreSQL has a domain of that name with collation "C" (store/migrate.rs).

create table settings (
    name bytewise_text primary key,
    value text not null
);

create table projects (
    id bigint primary key,
    name bytewise_text not null unique,
    kind text not null check (kind in ('live', 'test')),
    frozen_time bigint,
    time_zone text not null,
    created_at bigint not null,
    check (kind = 'test' or frozen_time is null)
);

create table customers (
    id bytewise_text primary key,
    project_id bigint not null references projects (id),
    external_id bytewise_text not null,
    display_name text,
    time_zone text,
    metadata text not null,
    created_at bigint not null,
    version bigint not null,
    unique (project_id, external_id)
);
create index customers_by_creation on customers (project_id, created_at, id);

create table meters (
    id bytewise_text primary key,
    project_id bigint not null references projects (id),
    key bytewise_text not null,
    version bigint not null check (version >= 1),
    event_type bytewise_text not null,
    definition text not null,
    source text not null check (source in ('file', 'api')),
    created_at bigint not null,
    archived_at bigint,
    unique (project_id, key, version)
);

create table api_keys (
    id bytewise_text primary key,
    project_id bigint not null references projects (id),
    name text not null,
    prefix text not null,
    hash bytea not null unique,
    scopes text not null,
    created_at bigint not null,
    expires_at bigint,
    revoked_at bigint,
    last_used_at bigint
);
create index api_keys_by_creation on api_keys (project_id, created_at, id);

create table aggregations (
    project_id bigint not null references projects (id),
    id bytewise_text not null,
    customer bytewise_text not null,
    period text not null,
    period_key bytewise_text not null,
    period_start bigint not null,
    period_end bigint not null,
    data text not null,
    event_count bigint not null,
    complete boolean not null,
    revision bigint not null check (revision >= 1),
    through_sequence bigint not null,
    created_at bigint not null,
    updated_at bigint not null,
    primary key (project_id, id)
);
create index aggregations_by_start on aggregations (project_id, period_start desc, id);
create index aggregations_by_customer on aggregations (project_id, customer, period_start desc, id);
create index aggregations_incomplete on aggregations (project_id, period_end, id) where not complete;

create table job_watermarks (
    project_id bigint not null references projects (id),
    job bytewise_text not null,
    sequence bigint not null,
    time bigint not null,
    updated_at bigint not null,
    primary key (project_id, job)
);

create table job_runs (
    id bytewise_text primary key,
    project_id bigint not null references projects (id),
    job bytewise_text not null,
    worker text not null,
    started_at bigint not null,
    finished_at bigint,
    result text check (result in ('succeeded', 'failed')),
    detail text
);
create index job_runs_by_start on job_runs (project_id, started_at desc, id desc);
create index job_runs_by_job on job_runs (project_id, job, started_at desc, id desc);

create table job_leases (
    project_id bigint not null references projects (id),
    name bytewise_text not null,
    holder text not null,
    expires_at bigint not null,
    primary key (project_id, name)
);

create table idempotency (
    project_id bigint not null references projects (id),
    key bytewise_text not null,
    route text not null,
    request_hash bytea not null,
    status bigint,
    content_type text,
    body bytea,
    created_at bigint not null,
    expires_at bigint not null,
    primary key (project_id, key)
);
create index idempotency_by_expiry on idempotency (expires_at);

-- Customers that are, or were, erased. `customer` is the own id, gone once nothing else holds it.
create table erasures (
    id bytewise_text primary key,
    project_id bigint not null references projects (id),
    customer_id bytewise_text not null references customers (id),
    customer bytewise_text,
    pseudonym bytewise_text not null unique,
    requested_at bigint not null,
    finished_at bigint,
    check (finished_at is null or customer is null)
);
create unique index erasures_by_customer on erasures (customer_id);
create index erasures_by_request on erasures (project_id, requested_at, id);
create index erasures_pending on erasures (requested_at, id) where finished_at is null;

-- The erasure that took the details of an entry away, with their salt.
alter table audit_entries add column redacted_by bytewise_text references erasures (id);

-- Events that were not stored, with their reasons. `event` is their text as sent, cut where it is long.
create table rejected_events (
    id bytewise_text primary key,
    project_id bigint not null references projects (id),
    received_at bigint not null,
    position bigint not null,
    code text not null check (code in ('malformed', 'invalid', 'conflict')),
    event_id text,
    customer bytewise_text,
    meter bytewise_text,
    errors text not null,
    event text not null,
    is_cut boolean not null
);
create index rejected_events_by_receipt on rejected_events (project_id, received_at desc, id desc);
create index rejected_events_by_customer on rejected_events (project_id, customer, received_at desc, id desc);

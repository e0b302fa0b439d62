-- What customers held at each midnight of UTC: a row for each subject and meter of which they held something. An event
-- without a subject has the empty one.
create table level_snapshots (
    project_id bigint not null references projects (id),
    taken_at bigint not null,
    customer bytewise_text not null,
    meter_key bytewise_text not null,
    subject bytewise_text not null,
    level text not null,
    primary key (project_id, taken_at, customer, meter_key, subject)
);
create index level_snapshots_by_customer on level_snapshots (project_id, customer, taken_at);

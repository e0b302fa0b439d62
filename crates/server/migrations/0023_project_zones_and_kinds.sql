-- Changes of projects' time zones, in the order in which they were made. `made_at` is never before
-- what a run of the job may have looked at.
create table project_zone_changes (
    project_id bigint not null references projects (id),
    position bigint not null,
    made_at bigint not null,
    time_zone_before text not null,
    time_zone text not null,
    primary key (project_id, position)
);

-- The kinds of periods that a job has dealt with up to its watermark, with commas between: another
-- kind is still to be dealt with from its first event on.
alter table job_watermarks add column periods text not null default '';

-- Changes of customers' time zones, each under the customer's version that it made. A zone is null
-- where it is the project's. `made_at` is never before what a run of the job may have looked at.
create table customer_zone_changes (
    project_id bigint not null references projects (id),
    customer_id bytewise_text not null references customers (id),
    version bigint not null,
    made_at bigint not null,
    time_zone_before text,
    time_zone text,
    primary key (customer_id, version)
);
create index customer_zone_changes_by_project on customer_zone_changes (project_id);

-- Until when runs of a job, also those that failed, may have looked.
create table job_reaches (
    project_id bigint not null references projects (id),
    job bytewise_text not null,
    reached bigint not null,
    primary key (project_id, job)
);
insert into job_reaches (project_id, job, reached) select project_id, job, time from job_watermarks;

-- Parts of a job's run that failed while the rest succeeded: each run tries them again.
create table job_retries (
    project_id bigint not null references projects (id),
    job bytewise_text not null,
    subject_id bytewise_text not null,
    customer bytewise_text not null,
    period text not null,
    period_key bytewise_text not null,
    period_start bigint not null,
    period_end bigint not null,
    reason text not null,
    since bigint not null,
    primary key (project_id, job, subject_id)
);

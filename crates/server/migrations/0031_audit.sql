-- What was changed, by whom: entries chained by their hashes. Chain 0 is for what belongs to no
-- project, the others have the numbers of projects.

-- The head of each chain. Whoever adds entries holds this row until its transaction ends, so that no
-- two entries follow the same one.
create table audit_chains (
    chain bigint primary key,
    last_number bigint not null,
    last_hash bytea not null
);

-- The hash of an entry covers every column but `salt` and `details`, which `details_hash` stands for:
-- details can be replaced without touching what follows.
create table audit_entries (
    chain bigint not null references audit_chains (chain),
    number bigint not null,
    made_at bigint not null,
    project_time bigint not null,
    actor bytewise_text not null,
    action bytewise_text not null,
    object bytewise_text not null,
    salt bytea not null,
    details text not null,
    details_hash bytea not null,
    previous_hash bytea not null,
    hash bytea not null,
    primary key (chain, number)
);
create index audit_entries_by_object on audit_entries (chain, object, number);
create index audit_entries_by_actor on audit_entries (chain, actor, number);
create index audit_entries_by_action on audit_entries (chain, action, number);

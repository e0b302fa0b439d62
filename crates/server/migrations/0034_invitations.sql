-- Invitations to projects, by mail. Tokens are kept as SHA-256 only; all times are real. An address has
-- at most one that is open in a project.
create table invitations (
    id bytewise_text primary key,
    project_id bigint not null references projects (id),
    email bytewise_text not null,
    role text not null check (role in ('owner', 'admin', 'analyst')),
    token_hash bytea not null unique,
    invited_by text not null,
    created_at bigint not null,
    sent_at bigint not null,
    expires_at bigint not null,
    accepted_at bigint,
    accepted_by bytewise_text references users (id),
    revoked_at bigint,
    check ((accepted_at is null) = (accepted_by is null)),
    check (accepted_at is null or revoked_at is null)
);
create unique index invitations_open on invitations (project_id, email) where accepted_at is null and revoked_at is null;
create index invitations_by_creation on invitations (project_id, created_at, id);

-- Users, what they are to projects, their sessions and tokens; the trials that registration starts;
-- the mail queue. Everything but trials goes by real time. Tokens are kept as SHA-256 only.

create table users (
    id bytewise_text primary key,
    email bytewise_text not null unique,
    password_hash text not null,
    email_verified_at bigint,
    password_changed_at bigint not null,
    created_at bigint not null
);

-- `customer_id` is whose data a member of role `customer` may see.
create table memberships (
    project_id bigint not null references projects (id),
    user_id bytewise_text not null references users (id),
    role text not null check (role in ('owner', 'admin', 'analyst', 'customer')),
    customer_id bytewise_text references customers (id),
    created_at bigint not null,
    primary key (project_id, user_id),
    check (role <> 'customer' or customer_id is not null)
);
create index memberships_by_user on memberships (user_id, project_id);

-- By the project's clock.
create table trials (
    customer_id bytewise_text primary key references customers (id),
    project_id bigint not null references projects (id),
    plan_key bytewise_text not null,
    started_at bigint not null,
    ends_at bigint not null
);
create index trials_by_end on trials (project_id, ends_at);

create table sessions (
    id bytewise_text primary key,
    user_id bytewise_text not null references users (id),
    created_at bigint not null,
    last_used_at bigint not null,
    expires_at bigint not null,
    ended_at bigint,
    ended_reason text
        check (ended_reason in ('logout', 'revoked', 'reuse', 'password_changed', 'password_reset', 'too_many')),
    user_agent text,
    address text,
    check ((ended_at is null) = (ended_reason is null))
);
create index sessions_by_user on sessions (user_id, created_at, id) where ended_at is null;
create index sessions_by_expiry on sessions (expires_at);
create index sessions_by_end on sessions (ended_at) where ended_at is not null;

-- Every refresh token of a session's family; the one that is not used yet is in force.
create table refresh_tokens (
    hash bytea primary key,
    session_id bytewise_text not null references sessions (id),
    created_at bigint not null,
    used_at bigint
);
create index refresh_tokens_by_session on refresh_tokens (session_id);

-- What mailed links carry.
create table one_time_tokens (
    hash bytea primary key,
    user_id bytewise_text not null references users (id),
    purpose text not null check (purpose in ('verify_email', 'reset_password')),
    created_at bigint not null,
    expires_at bigint not null,
    used_at bigint
);
create index one_time_tokens_by_user on one_time_tokens (user_id, purpose);
create index one_time_tokens_by_expiry on one_time_tokens (expires_at);

-- Failed logins by the SHA-256 of the address, whether anybody has it or not.
create table login_failures (
    address_hash bytea primary key,
    failures bigint not null,
    locked_until bigint,
    forgotten_at bigint not null
);
create index login_failures_by_end on login_failures (forgotten_at);

-- The queue of mails. `content` is what the template is filled with, sealed, and gone once the mail
-- is dealt with.
create table mails (
    id bytewise_text primary key,
    project_id bigint not null references projects (id),
    user_id bytewise_text references users (id),
    template text not null,
    recipient text not null,
    content text,
    state text not null check (state in ('pending', 'sent', 'failed')),
    attempts bigint not null,
    due_at bigint not null,
    useless_at bigint,
    claimed_by text,
    claimed_until bigint,
    last_error text,
    created_at bigint not null,
    finished_at bigint,
    check ((claimed_by is null) = (claimed_until is null)),
    check ((state = 'pending') = (finished_at is null)),
    check (state <> 'pending' or content is not null)
);
create index mails_due on mails (due_at, id) where state = 'pending';
create index mails_claimed on mails (claimed_until) where claimed_until is not null;
create index mails_by_creation on mails (project_id, created_at, id);
create index mails_by_end on mails (finished_at) where finished_at is not null;

create table mail_attempts (
    mail_id bytewise_text not null references mails (id),
    number bigint not null check (number >= 1),
    at bigint not null,
    latency_ms bigint not null,
    error text,
    primary key (mail_id, number)
);

-- Second factors: authenticators (RFC 6238) and the codes for whoever has lost one. In real time.

-- `secret` is sealed. One that is not confirmed asks for nothing yet. Codes of `last_step` and before
-- have been used.
create table authenticators (
    user_id bytewise_text primary key references users (id),
    secret text not null,
    created_at bigint not null,
    confirmed_at bigint,
    last_step bigint not null
);

create table recovery_codes (
    user_id bytewise_text not null references users (id),
    hash bytea not null,
    created_at bigint not null,
    used_at bigint,
    primary key (user_id, hash)
);

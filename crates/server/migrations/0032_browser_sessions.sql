-- Sessions of browsers have one token for their whole life, in a cookie, instead of refresh tokens.
alter table sessions add column cookie_hash bytea;
create unique index sessions_by_cookie on sessions (cookie_hash) where cookie_hash is not null;

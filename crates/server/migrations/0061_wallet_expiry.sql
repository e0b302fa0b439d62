-- When the next credit of a wallet expires, so that it is written down when it does. What the wallets that there are hold
-- is looked at once.
alter table wallets add column expires_at bigint;
update wallets set expires_at = 0;
create index wallets_expiring on wallets (project_id, expires_at, customer_id) where expires_at is not null;

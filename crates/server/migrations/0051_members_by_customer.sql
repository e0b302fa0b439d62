-- Whom a mail about a customer goes to, without a walk through all members of the project.
create index memberships_by_customer on memberships (project_id, customer_id);

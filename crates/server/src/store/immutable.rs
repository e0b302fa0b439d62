//! Rows that the databases themselves refuse to change. Triggers have no text that both engines read, so they
//! are no migrations; making them again changes nothing.

/// For SQLite.
pub(super) const SQLITE: &str = "
create trigger if not exists invoices_refuse_update before update on invoices
    begin select raise(abort, 'a final invoice never changes'); end;
create trigger if not exists invoices_refuse_delete before delete on invoices
    begin select raise(abort, 'a final invoice never changes'); end;
create trigger if not exists credit_notes_refuse_update before update on credit_notes
    begin select raise(abort, 'a credit note never changes'); end;
create trigger if not exists credit_notes_refuse_delete before delete on credit_notes
    begin select raise(abort, 'a credit note never changes'); end;
create trigger if not exists final_workspace_invoices_refuse_update before update on final_workspace_invoices
    begin select raise(abort, 'a final invoice never changes'); end;
create trigger if not exists final_workspace_invoices_refuse_delete before delete on final_workspace_invoices
    begin select raise(abort, 'a final invoice never changes'); end;
";

/// For PostgreSQL.
pub(super) const POSTGRES: &str = "
create or replace function refuse_change() returns trigger language plpgsql as $$
    begin raise exception 'a final invoice never changes'; end $$;
create or replace function refuse_change_of_credit_note() returns trigger language plpgsql as $$
    begin raise exception 'a credit note never changes'; end $$;
create or replace trigger invoices_refuse_change before update or delete on invoices
    for each row execute function refuse_change();
create or replace trigger invoices_refuse_truncate before truncate on invoices
    for each statement execute function refuse_change();
create or replace trigger credit_notes_refuse_change before update or delete on credit_notes
    for each row execute function refuse_change_of_credit_note();
create or replace trigger credit_notes_refuse_truncate before truncate on credit_notes
    for each statement execute function refuse_change_of_credit_note();
create or replace trigger final_workspace_invoices_refuse_change before update or delete on final_workspace_invoices
    for each row execute function refuse_change();
create or replace trigger final_workspace_invoices_refuse_truncate before truncate on final_workspace_invoices
    for each statement execute function refuse_change();
";

//! A statement with its arguments, and the registry of every statement.
use super::db::Engine;
use reckoner_domain::id::{
    AlertId, AlertNoticeId, ApiKeyId, ChargeId, CreditNoteId, CustomerId, DeliveryId, EndpointId, ErasureId,
    InvitationId, InvoiceId, JobRunId, LeaseId, MailId, MessageId, MeterId, ProjectId, RejectedEventId,
    SessionId, SubscriptionId, UserId,
};
use reckoner_domain::time::Timestamp;
use sqlx::{AssertSqlSafe, SqlSafeStr, SqlStr};
use std::fmt::Write;

/// A statement's text for each engine, mostly the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Statement {
    /// For SQLite.
    pub sqlite: &'static str,
    /// For PostgreSQL.
    pub postgres: &'static str,
}

impl Statement {
    /// The text for an engine.
    pub fn text(&self, engine: Engine) -> &'static str {
        match engine {
            Engine::Sqlite => self.sqlite,
            Engine::Postgres => self.postgres,
        }
    }
}

/// Every static statement of the program; a test prepares each on both engines.
#[linkme::distributed_slice]
pub static STATEMENTS: [Statement];

/// An argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Val {
    /// A text.
    Text(Option<String>),
    /// An integer.
    Int(Option<i64>),
    /// A boolean.
    Bool(Option<bool>),
    /// Bytes.
    Bytes(Option<Vec<u8>>),
}

macro_rules! vals {
    ($($type:ty => $kind:ident($value:ident) $into:expr;)*) => { $(
        impl From<$type> for Val {
            fn from($value: $type) -> Self {
                Self::$kind(Some($into))
            }
        }
        impl From<Option<$type>> for Val {
            fn from(value: Option<$type>) -> Self {
                Self::$kind(value.map(|$value| $into))
            }
        }
    )* };
}
vals! {
    String => Text(text) text;
    &str => Text(text) text.to_owned();
    i64 => Int(number) number;
    u32 => Int(number) i64::from(number);
    u64 => Int(number) i64::try_from(number).unwrap_or(i64::MAX);
    Timestamp => Int(time) time.as_micros();
    ProjectId => Int(project) i64::from(project.0);
    bool => Bool(truth) truth;
    Vec<u8> => Bytes(bytes) bytes;
    &[u8] => Bytes(bytes) bytes.to_vec();
    &CustomerId => Text(id) id.to_string();
    &MeterId => Text(id) id.to_string();
    &EndpointId => Text(id) id.to_string();
    &MessageId => Text(id) id.to_string();
    &DeliveryId => Text(id) id.to_string();
    &ApiKeyId => Text(id) id.to_string();
    &JobRunId => Text(id) id.to_string();
    &RejectedEventId => Text(id) id.to_string();
    &UserId => Text(id) id.to_string();
    &SessionId => Text(id) id.to_string();
    &MailId => Text(id) id.to_string();
    &InvitationId => Text(id) id.to_string();
    &SubscriptionId => Text(id) id.to_string();
    &LeaseId => Text(id) id.to_string();
    &ErasureId => Text(id) id.to_string();
    &InvoiceId => Text(id) id.to_string();
    &ChargeId => Text(id) id.to_string();
    &CreditNoteId => Text(id) id.to_string();
    &AlertId => Text(id) id.to_string();
    &AlertNoticeId => Text(id) id.to_string();
}

/// A statement with its arguments. Optional conditions and lists are appended, text and arguments
/// together, so that `$n` always matches (a condition that is switched off inside the text would
/// keep both engines from using an index).
#[derive(Clone, Debug)]
pub struct Query {
    statement: &'static Statement,
    tail: String,
    args: Vec<Val>,
    once: bool,
    locking: bool,
}

impl Query {
    /// A registered statement; made by [`crate::sql!`].
    pub fn new(statement: &'static Statement, args: Vec<Val>) -> Self {
        Self { statement, tail: String::new(), args, once: false, locking: false }
    }

    /// Appends a clause with a `?` for each argument.
    pub fn push(mut self, clause: &'static str, args: impl IntoIterator<Item = Val>) -> Self {
        let bound = self.args.len();
        self.args.extend(args);
        debug_assert_eq!(clause.matches('?').count(), self.args.len() - bound, "one argument for each `?`");
        self.tail.push_str(clause);
        self
    }

    /// Appends a clause with one `?` where there is a value.
    pub fn when<T: Into<Val>>(self, value: Option<T>, clause: &'static str) -> Self {
        match value {
            Some(value) => self.push(clause, [value.into()]),
            None => self,
        }
    }

    /// Appends `(?, ?, ...)`, for `in`; not for an empty list.
    pub fn list(mut self, values: impl IntoIterator<Item = Val>) -> Self {
        self.once = true;
        let mut mark = "(?";
        for value in values {
            self.tail.push_str(mark);
            self.args.push(value);
            mark = ", ?";
        }
        self.tail.push(')');
        self
    }

    /// Appends `(?, ?), (?, ?), ...`, for `values`; not for no rows.
    pub fn rows(mut self, rows: impl IntoIterator<Item = Vec<Val>>) -> Self {
        let mut mark = "";
        for row in rows {
            self.tail.push_str(mark);
            self = self.list(row);
            mark = ", ";
        }
        self
    }

    /// Holds the rows found until the transaction ends; the last thing of a query. SQLite's
    /// transactions hold everything already.
    pub fn locking(mut self) -> Self {
        self.locking = true;
        self
    }

    /// Whether it only reads: then SQLite runs it beside its one writer.
    pub(super) fn reads(&self) -> bool {
        self.statement.sqlite.trim_start().starts_with("select")
    }

    /// What was appended, each `?` as the `$n` that goes on from the statement's own. SQLite compares
    /// the names of all marks with each other, which is slow for thousands: it keeps `?` where the
    /// statement itself has no names to go on from.
    fn numbered(&self, engine: Engine) -> String {
        if engine == Engine::Sqlite && !self.statement.sqlite.contains('$') {
            return self.tail.clone();
        }
        let mut number = self.args.len() - self.tail.matches('?').count();
        let mut numbered = String::with_capacity(self.tail.len() * 2);
        for part in self.tail.split_inclusive('?') {
            match part.strip_suffix('?') {
                Some(before) => {
                    number += 1;
                    // Writing to a text cannot fail.
                    let _ = write!(numbered, "{before}${number}");
                }
                None => numbered.push_str(part),
            }
        }
        numbered
    }

    /// Text, arguments, and whether the engine should keep the prepared statement.
    pub(super) fn into_parts(self, engine: Engine) -> (SqlStr, Vec<Val>, bool) {
        let text = self.statement.text(engine);
        let lock = if self.locking && engine == Engine::Postgres { " for update" } else { "" };
        let text = if self.tail.is_empty() && lock.is_empty() {
            text.into_sql_str()
        } else {
            // Only static texts and marks were put together.
            let tail = self.numbered(engine);
            AssertSqlSafe(format!("{text}{tail}{lock}")).into_sql_str()
        };
        (text, self.args, !self.once)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static SELECT: Statement =
        Statement { sqlite: "select a where p = $1", postgres: "select b where p = $1" };

    #[test]
    fn text_and_arguments_grow_together() {
        let query = Query::new(&SELECT, vec![Val::from(7_i64)])
            .when(None::<i64>, " and x = ?")
            .when(Some("y"), " and y = ?")
            .push(" and (c, d) > (?, ?) limit ?", [Val::from(1_i64), Val::from("i"), Val::from(50_i64)]);
        assert!(query.reads());
        let (text, args, keep) = query.into_parts(Engine::Sqlite);
        assert_eq!(text.as_str(), "select a where p = $1 and y = $2 and (c, d) > ($3, $4) limit $5");
        assert_eq!((args.len(), keep), (5, true));
    }

    #[test]
    fn sqlite_is_spared_names_where_there_are_none_to_go_on_from() {
        static INSERT: Statement = Statement { sqlite: "insert values ", postgres: "insert values " };
        let row = |n: i64| vec![Val::from(n), Val::from(n)];
        let query =
            || Query::new(&INSERT, vec![]).rows([row(1), row(2)]).push(" where x = ?", [Val::from(3_i64)]);
        let text = |engine| query().into_parts(engine).0.as_str().to_owned();
        assert_eq!(text(Engine::Sqlite), "insert values (?, ?), (?, ?) where x = ?");
        assert_eq!(text(Engine::Postgres), "insert values ($1, $2), ($3, $4) where x = $5");
    }

    #[test]
    fn rows_and_lists_are_numbered_through() {
        let row = |n: i64| vec![Val::from(n), Val::from(n)];
        let query = Query::new(&SELECT, vec![Val::from(7_i64)]).rows([row(1), row(2)]).push(" x", []);
        let (text, args, keep) = query.into_parts(Engine::Postgres);
        assert_eq!(text.as_str(), "select b where p = $1($2, $3), ($4, $5) x");
        assert_eq!((args.len(), keep), (5, false));
    }
}

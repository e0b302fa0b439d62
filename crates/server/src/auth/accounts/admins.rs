//! Administrators that the operator names: the first one, and those of the list.
use super::Accounts;
use super::register::new_user;
use crate::auth::error::AuthError;
use crate::config::BootstrapAdmin;
use crate::store::audit::{self, Change, OPERATOR};
use crate::store::changes;
use crate::store::memberships::{self, Membership};
use crate::store::projects::Project;
use crate::store::users::{self, User};
use crate::store::{StoreError, Tx};
use reckoner_domain::access::Role;
use reckoner_domain::email::Email;
use reckoner_domain::id::{ProjectId, UserId};
use serde_json::json;

/// Why administrators could not be made.
#[derive(Debug, thiserror::Error)]
#[error("administrators: {0}")]
pub struct AdminError(#[from] AuthError);

impl Accounts {
    /// Makes the first administrator, as owner of every project, where nobody has the address, and
    /// those of the list who are there administrators. Running it again changes nothing.
    pub async fn prepare_admins(&self, projects: &[Project]) -> Result<(), AdminError> {
        if let Some(admin) = &self.settings.bootstrap_admin {
            self.make_first(admin, projects).await?;
        }
        for id in self.settings.admin_ids.clone() {
            self.promote_listed(&id).await?;
        }
        self.people.forget();
        Ok(())
    }

    async fn make_first(&self, admin: &BootstrapAdmin, projects: &[Project]) -> Result<(), AuthError> {
        if let Some(known) = users::find_by_email(&self.db, admin.email.as_str()).await? {
            let memberships = memberships::of_user(&self.db, &known.id).await?;
            if !memberships.iter().any(|one| matches!(one.role, Role::Owner | Role::Admin)) {
                tracing::warn!(
                    "bootstrap_admin_email belongs to a user who is no administrator, and stays so: \
                     choose another address, or list this one in admin_ids"
                );
            }
            return Ok(());
        }
        let hash = self.passwords.hash(admin.password.clone()).await?;
        let now = self.clock.real();
        let user = User { email_verified_at: Some(now), ..new_user(&admin.email, hash, now)? };
        let mut tx = self.db.begin().await?;
        match users::create(&mut tx, &user).await {
            // Another process that starts was first.
            Err(StoreError::Conflict) => return Ok(()),
            made => made?,
        }
        let made = changes::user(&OPERATOR, "user.created", &user.id).after(json!({"email": user.email}));
        let mut noted = vec![made];
        for project in projects {
            let membership = join(&mut tx, project.id, &user, Role::Owner).await?;
            noted.push(changes::membership_created(&OPERATOR, &membership));
        }
        audit::write(&mut tx, &self.clock, noted).await?;
        tx.commit().await?;
        tracing::info!(user = %user.id, "made the first administrator");
        Ok(())
    }

    /// Promotes whoever an entry of the list names.
    async fn promote_listed(&self, id: &str) -> Result<(), AuthError> {
        let users = if let Ok(email) = Email::parse(id) {
            users::find_by_email(&self.db, email.as_str()).await?.into_iter().collect()
        } else if let Ok(id) = UserId::parse(id) {
            match users::get(&self.db, &id).await {
                Err(StoreError::NotFound) => Vec::new(),
                user => vec![user?],
            }
        } else {
            let mut users = Vec::new();
            for id in memberships::users_of_customer(&self.db, id).await? {
                users.push(users::get(&self.db, &id).await?);
            }
            users
        };
        for user in users {
            let mut tx = self.db.begin().await?;
            let noted = self.promote_if_listed(&mut tx, &user).await?;
            audit::write(&mut tx, &self.clock, noted).await?;
            tx.commit().await?;
        }
        Ok(())
    }

    /// Makes a user whom the list names administrator of every project that the user is a member of. An
    /// address counts once it is verified: anybody can register with any. The caller writes down what
    /// changed.
    pub(super) async fn promote_if_listed(&self, tx: &mut Tx, user: &User) -> Result<Vec<Change>, AuthError> {
        let mut noted = Vec::new();
        if !self.is_listed(user).await? {
            return Ok(noted);
        }
        for membership in memberships::of_user(&mut *tx, &user.id).await? {
            if memberships::promote(&mut *tx, membership.project, &user.id).await? {
                tracing::info!(user = %user.id, "made an administrator: listed in admin_ids");
                noted.push(changes::role_changed(&OPERATOR, &membership, Role::Admin));
            }
        }
        Ok(noted)
    }

    async fn is_listed(&self, user: &User) -> Result<bool, AuthError> {
        for id in &self.settings.admin_ids {
            let by_address = Email::parse(id).is_ok_and(|email| email.as_str() == user.email);
            if (by_address && user.email_verified_at.is_some()) || id == user.id.as_str() {
                return Ok(true);
            }
            if !by_address && memberships::users_of_customer(&self.db, id).await?.contains(&user.id) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

async fn join(tx: &mut Tx, project: ProjectId, user: &User, role: Role) -> Result<Membership, AuthError> {
    let created_at = user.created_at;
    let membership = Membership { project, user: user.id.clone(), role, customer: None, created_at };
    memberships::join(&mut *tx, &membership).await?;
    Ok(membership)
}

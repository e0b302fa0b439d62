//! Members of projects: listed by the store, promoted, demoted and removed here.
use super::Accounts;
use crate::auth::caller::{Actor, Caller};
use crate::store::memberships::{self, Membership};
use crate::store::{StoreError, Tx, audit, changes};
use reckoner_domain::access::Role;
use reckoner_domain::id::UserId;

/// Why a member stays what he is.
#[derive(Debug, thiserror::Error)]
pub enum MemberError {
    /// No such member of the project.
    #[error("no such member")]
    NoMember,
    /// Nobody else owns the project.
    #[error("the project would have no owner: make somebody else one first")]
    LastOwner,
    /// Owners are made and unmade by owners only.
    #[error("only an owner, logged in, makes owners and changes what they are")]
    OwnersOnly,
    /// A member of role customer is one of the project's customers.
    #[error("the user is no customer of this project")]
    NoCustomer,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Accounts {
    /// Gives a member another role.
    pub async fn change_role(
        &self,
        by: &Caller,
        user: &UserId,
        role: Role,
    ) -> Result<Membership, MemberError> {
        let mut tx = self.db.begin().await?;
        let known = self.begin_change(&mut tx, by, user, Some(role)).await?;
        if known.role == role {
            return Ok(known);
        }
        if role == Role::Customer && known.customer.is_none() {
            return Err(MemberError::NoCustomer);
        }
        memberships::set_role(&mut tx, by.project, user, role).await?;
        let change = changes::role_changed(&by.actor, &known, role);
        audit::write(&mut tx, &self.clock, vec![change]).await?;
        tx.commit().await?;
        self.people.forget();
        Ok(Membership { role, ..known })
    }

    /// Ends a membership.
    pub async fn remove_member(&self, by: &Caller, user: &UserId) -> Result<(), MemberError> {
        let mut tx = self.db.begin().await?;
        let known = self.begin_change(&mut tx, by, user, None).await?;
        memberships::remove(&mut tx, by.project, user).await?;
        let change = changes::membership_removed(&by.actor, &known);
        audit::write(&mut tx, &self.clock, vec![change]).await?;
        tx.commit().await?;
        self.people.forget();
        Ok(())
    }

    /// Holds the owners of the project and the member, who may be changed to that role or removed.
    async fn begin_change(
        &self,
        tx: &mut Tx,
        by: &Caller,
        user: &UserId,
        to: Option<Role>,
    ) -> Result<Membership, MemberError> {
        // Of two owners that end each other's ownership at once, the second finds the first gone.
        let owners = memberships::lock_owners(tx, by.project).await?;
        let known = memberships::lock(tx, by.project, user).await?.ok_or(MemberError::NoMember)?;
        if known.role == Role::Owner || to == Some(Role::Owner) {
            let is_owner =
                |one: &Membership| matches!(&by.actor, Actor::Person { user, .. } if *user == one.user);
            if !owners.iter().any(is_owner) {
                return Err(MemberError::OwnersOnly);
            }
        }
        if known.role == Role::Owner && to != Some(Role::Owner) && owners.len() == 1 {
            return Err(MemberError::LastOwner);
        }
        Ok(known)
    }

    /// Whether the caller owns the project, and may so make owners.
    pub(super) async fn check_owner(&self, tx: &mut Tx, by: &Caller) -> Result<(), MemberError> {
        let Actor::Person { user, .. } = &by.actor else { return Err(MemberError::OwnersOnly) };
        let own = memberships::lock(tx, by.project, user).await?;
        if own.is_some_and(|own| own.role == Role::Owner) { Ok(()) } else { Err(MemberError::OwnersOnly) }
    }
}

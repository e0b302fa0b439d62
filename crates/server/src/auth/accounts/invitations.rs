//! Invitations: mailed, mailed again, taken back, accepted.
use super::members::MemberError;
use super::register::new_user;
use super::{Accounts, Client, check_new_password, refuse};
use crate::auth::attempts::Kind;
use crate::auth::caller::Caller;
use crate::auth::error::AuthError;
use crate::auth::tokens::{INVITE_DAYS, INVITE_MICROS, make_token};
use crate::config::Secret;
use crate::mail::{About, Template};
use crate::random;
use crate::store::invitations::{self, Invitation};
use crate::store::memberships::{self, Membership};
use crate::store::users::{self, User};
use crate::store::{StoreError, TokenHash, Tx, audit, changes, projects};
use reckoner_domain::access::Role;
use reckoner_domain::email::Email;
use reckoner_domain::id::InvitationId;
use reckoner_domain::time::Timestamp;

/// Why an invitation was not made, mailed, taken back or accepted.
#[derive(Debug, thiserror::Error)]
pub enum InviteError {
    /// No such invitation in the project.
    #[error("no such invitation")]
    NotFound,
    /// It was accepted or taken back.
    #[error("the invitation was accepted or taken back")]
    Closed,
    /// The address has one that is open.
    #[error("the address is invited already: resend that invitation, or take it back")]
    Open,
    /// Somebody of this address is a member.
    #[error("somebody of this address is a member already: change the role instead")]
    Member,
    /// As with members.
    #[error(transparent)]
    Members(#[from] MemberError),
    /// As with accounts.
    #[error(transparent)]
    Account(#[from] AuthError),
}

impl From<StoreError> for InviteError {
    fn from(error: StoreError) -> Self {
        Self::Account(error.into())
    }
}

impl Accounts {
    /// Invites an address to the caller's project, by mail.
    pub async fn invite(&self, by: &Caller, email: &Email, role: Role) -> Result<Invitation, InviteError> {
        let (now, token) = (self.clock.real(), make_token().map_err(AuthError::from)?);
        let invitation = Invitation {
            id: InvitationId::from_bits(random::id_bits(now).map_err(AuthError::from)?),
            project: by.project,
            email: email.as_str().to_owned(),
            role,
            invited_by: by.actor.to_string(),
            created_at: now,
            sent_at: now,
            expires_at: now.plus_micros(INVITE_MICROS),
            accepted_at: None,
            accepted_by: None,
            revoked_at: None,
        };
        let mut tx = self.db.begin().await?;
        if role == Role::Owner {
            self.check_owner(&mut tx, by).await?;
        }
        if let Some(user) = users::find_by_email(&mut tx, email.as_str()).await? {
            let known = memberships::lock(&mut tx, by.project, &user.id).await?;
            if known.is_some_and(|known| known.role != Role::Customer) {
                return Err(InviteError::Member);
            }
        }
        match invitations::create(&mut tx, &invitation, TokenHash::of(&token)).await {
            Err(StoreError::Conflict) => return Err(InviteError::Open),
            made => made?,
        }
        self.mail_invitation(&mut tx, &invitation, token).await?;
        let change = changes::invitation(&by.actor, "invitation.created", &invitation);
        audit::write(&mut tx, &self.clock, vec![change]).await?;
        tx.commit().await?;
        self.mailer.wake();
        Ok(invitation)
    }

    /// Mails an invitation again, with another link; the one before ceases to work.
    pub async fn resend_invitation(&self, by: &Caller, id: &InvitationId) -> Result<Invitation, InviteError> {
        let (now, token) = (self.clock.real(), make_token().map_err(AuthError::from)?);
        let mut tx = self.db.begin().await?;
        let known = self.open_invitation(&mut tx, by, id).await?;
        self.take_of_account(Kind::Invite, &known.email, self.settings.limits.recoveries_max)?;
        let end = now.plus_micros(INVITE_MICROS);
        let renewed = invitations::renew(&mut tx, id, TokenHash::of(&token), now, end).await?;
        self.mail_invitation(&mut tx, &renewed, token).await?;
        let change = changes::invitation(&by.actor, "invitation.resent", &renewed);
        audit::write(&mut tx, &self.clock, vec![change]).await?;
        tx.commit().await?;
        self.mailer.wake();
        Ok(renewed)
    }

    /// Takes an invitation back.
    pub async fn revoke_invitation(&self, by: &Caller, id: &InvitationId) -> Result<Invitation, InviteError> {
        let mut tx = self.db.begin().await?;
        self.open_invitation(&mut tx, by, id).await?;
        let revoked = invitations::revoke(&mut tx, id, self.clock.real()).await?;
        let change = changes::invitation(&by.actor, "invitation.revoked", &revoked);
        audit::write(&mut tx, &self.clock, vec![change]).await?;
        tx.commit().await?;
        Ok(revoked)
    }

    /// An invitation that can still be accepted once its link works, held; only owners deal with those
    /// of owners.
    async fn open_invitation(
        &self,
        tx: &mut Tx,
        by: &Caller,
        id: &InvitationId,
    ) -> Result<Invitation, InviteError> {
        let known = invitations::lock(tx, by.project, id).await.map_err(|error| match error {
            StoreError::NotFound => InviteError::NotFound,
            error => error.into(),
        })?;
        if known.accepted_at.is_some() || known.revoked_at.is_some() {
            return Err(InviteError::Closed);
        }
        if known.role == Role::Owner {
            self.check_owner(tx, by).await?;
        }
        Ok(known)
    }

    async fn mail_invitation(
        &self,
        tx: &mut Tx,
        invitation: &Invitation,
        token: String,
    ) -> Result<(), InviteError> {
        let project = projects::get(&mut *tx, invitation.project).await?.name;
        let page = self.settings.frontend_url.as_ref();
        let template = Template::Invitation {
            link: page.map(|url| format!("{url}/accept-invitation?token={token}")),
            endpoint: format!("{}/auth/accept-invitation", self.public_url),
            project,
            role: invitation.role.to_string(),
            days: INVITE_DAYS,
            token,
        };
        let about = About { project: invitation.project, user: None, recipient: &invitation.email };
        let (now, end) = (invitation.sent_at, Some(invitation.expires_at));
        self.mailer.queue(tx, about, &template, now, end).await.map_err(AuthError::from)?;
        Ok(())
    }

    /// Makes whoever got an invitation's mail a member: the user of the address, or, where there is none,
    /// a new one with this password. Who reads the mail has shown that the address is theirs.
    pub async fn accept_invitation(
        &self,
        client: &Client,
        token: &str,
        password: Option<Secret>,
    ) -> Result<(User, Membership), AuthError> {
        self.take_of_client(Kind::AcceptInvitation, client, self.settings.limits.recoveries_max)?;
        let (token, now) = (TokenHash::of(token), self.clock.real());
        let is_open = |one: &Invitation| one.state(now) == "pending";
        let found = invitations::find_by_token(&self.db, token).await?.filter(is_open);
        let found = found.ok_or(AuthError::Link)?;
        let known = users::find_by_email(&self.db, &found.email).await?;
        let new = if known.is_none() { Some(self.invited_user(&found, password, now).await?) } else { None };
        let mut tx = self.db.begin().await?;
        let found = invitations::lock_by_token(&mut tx, token).await?.filter(is_open);
        let found = found.ok_or(AuthError::Link)?;
        let mut noted = Vec::new();
        let user = match (new, known) {
            (Some(new), _) => {
                users::create(&mut tx, &new).await.map_err(|error| match error {
                    StoreError::Conflict => AuthError::Taken,
                    error => error.into(),
                })?;
                noted.push(changes::user(&new.id, "user.created", &new.id));
                new
            }
            (None, Some(known)) => known,
            (None, None) => return Err(AuthError::Link),
        };
        users::verify_email(&mut tx, &user.id, now).await?;
        let (membership, change) = join_as(&mut tx, &user, &found, now).await?;
        noted.extend(change);
        invitations::accept(&mut tx, &found.id, &user.id, now).await?;
        noted.push(changes::invitation(&user.id, "invitation.accepted", &found));
        audit::write(&mut tx, &self.clock, noted).await?;
        tx.commit().await?;
        self.people.forget();
        Ok((user, membership))
    }

    async fn invited_user(
        &self,
        invitation: &Invitation,
        password: Option<Secret>,
        now: Timestamp,
    ) -> Result<User, AuthError> {
        let mut faults = Vec::new();
        let password = password.unwrap_or_else(|| Secret::new(String::new()));
        check_new_password("password", &password, &mut faults);
        refuse(faults)?;
        let email = Email::parse(&invitation.email).map_err(|_| AuthError::Link)?;
        let hash = self.passwords.hash(password).await?;
        Ok(User { email_verified_at: Some(now), ..new_user(&email, hash, now)? })
    }
}

/// Makes a user a member in the role of an invitation, unless the role so far is stronger.
async fn join_as(
    tx: &mut Tx,
    user: &User,
    invitation: &Invitation,
    now: Timestamp,
) -> Result<(Membership, Option<audit::Change>), AuthError> {
    let (project, role) = (invitation.project, invitation.role);
    let Some(known) = memberships::lock(tx, project, &user.id).await? else {
        let made = Membership { project, user: user.id.clone(), role, customer: None, created_at: now };
        memberships::join(&mut *tx, &made).await?;
        let change = changes::membership_created(&user.id, &made);
        return Ok((made, Some(change)));
    };
    // Stronger roles come first.
    if known.role <= role {
        return Ok((known, None));
    }
    memberships::set_role(tx, project, &user.id, role).await?;
    let change = changes::role_changed(&user.id, &known, role);
    Ok((Membership { role, ..known }, Some(change)))
}

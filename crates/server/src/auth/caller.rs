//! Who is calling.
use crate::store::memberships::Membership;
use crate::store::projects::LIVE;
use crate::store::sessions::Session;
use crate::store::{Scope, Scopes};
use reckoner_domain::access::{Permission, Role, SERVICE_PERMISSIONS};
use reckoner_domain::id::{ApiKeyId, CustomerId, ProjectId, SessionId, UserId};
use std::fmt;

/// Who is calling, and what they may do.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The project that the call acts on.
    pub project: ProjectId,
    /// Who it is.
    pub actor: Actor,
    /// What they may do.
    pub scopes: Scopes,
    /// The customer that they are, and whose own usage they see.
    pub customer: Option<CustomerId>,
}

/// Who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    /// Whoever holds this key.
    Key(ApiKeyId),
    /// A person in a session.
    Person {
        /// The user.
        user: UserId,
        /// The session.
        session: SessionId,
    },
    /// A service of the configuration, by its name.
    Service(String),
}

impl fmt::Display for Actor {
    /// The id of the key or of the user, or the name of the service.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(id) => f.write_str(id.as_str()),
            Self::Person { user, .. } => f.write_str(user.as_str()),
            Self::Service(name) => write!(f, "service:{name}"),
        }
    }
}

/// A person with a session that is open.
#[derive(Clone, Debug)]
pub struct Person {
    /// The session.
    pub session: Session,
    /// What the user is to which projects.
    pub memberships: Vec<Membership>,
}

impl Person {
    /// The caller that this person is in the named project; `None` where the user is no member.
    pub fn in_project(&self, named: Option<ProjectId>) -> Option<Caller> {
        let membership = choose(&self.memberships, named)?;
        let actor = Actor::Person { user: self.session.user.clone(), session: self.session.id.clone() };
        let (project, scopes) = (membership.project, scopes_of(membership.role));
        Some(Caller { project, actor, scopes, customer: membership.customer.clone() })
    }
}

/// The membership in the named project. Where none is named: that in `live`, or, for those who are
/// none there, the oldest.
pub fn choose(memberships: &[Membership], named: Option<ProjectId>) -> Option<&Membership> {
    let of = |project| memberships.iter().find(|membership| membership.project == project);
    match named {
        Some(project) => of(project),
        None => of(LIVE).or_else(|| memberships.first()),
    }
}

/// The scopes that a role has.
pub fn scopes_of(role: Role) -> Scopes {
    scopes_for(role.permissions())
}

/// The scopes that these permissions come to.
pub fn scopes_for(permissions: &[Permission]) -> Scopes {
    permissions.iter().copied().filter_map(scope_of).collect()
}

/// Whether any service can have this scope.
pub fn services_may(scope: Scope) -> bool {
    SERVICE_PERMISSIONS.iter().any(|(_, permission)| scope_of(*permission) == Some(scope))
}

/// The scope that keys have for what a permission lets people do; one's own account is no key's.
fn scope_of(permission: Permission) -> Option<Scope> {
    match permission {
        Permission::RecordUsage => Some(Scope::Ingest),
        Permission::Backfill => Some(Scope::Backfill),
        Permission::ReadProject => Some(Scope::Read),
        Permission::ManageProject => Some(Scope::Admin),
        Permission::OwnAccount => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::projects::TEST;
    use reckoner_domain::time::Timestamp;

    #[test]
    fn roles_have_the_scopes_of_their_permissions() {
        let scopes = |role| scopes_of(role).to_string();
        assert_eq!(scopes(Role::Owner), Scopes::all().to_string());
        assert_eq!(scopes(Role::Admin), Scopes::all().to_string());
        assert_eq!((scopes(Role::Analyst).as_str(), scopes(Role::Customer).as_str()), ("read", ""));
    }

    #[test]
    fn services_record_and_read_and_no_more() {
        let may: Vec<Scope> = Scope::ALL.into_iter().filter(|scope| services_may(*scope)).collect();
        assert_eq!(may, [Scope::Ingest, Scope::Read]);
        assert_eq!(scopes_for(&[Permission::RecordUsage]).to_string(), "ingest");
        assert_eq!(scopes_for(&[]).to_string(), "");
    }

    #[test]
    fn a_person_acts_on_live_unless_another_project_is_named() {
        let member = |project, role| Membership {
            project,
            user: UserId::from_bits(1),
            role,
            customer: None,
            created_at: Timestamp::EPOCH,
        };
        let both = [member(TEST, Role::Owner), member(LIVE, Role::Analyst)];
        let role = |memberships: &[Membership], named| choose(memberships, named).map(|one| one.role);
        assert_eq!(role(&both, None), Some(Role::Analyst));
        assert_eq!(role(&both, Some(TEST)), Some(Role::Owner));
        assert_eq!(role(&both[..1], None), Some(Role::Owner));
        assert_eq!(role(&both[..1], Some(LIVE)), None);
        assert_eq!(role(&[], None), None);
    }
}

//! Roles of people, and what each permits.
use std::fmt;
use std::str::FromStr;

/// What a person is to a project.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Whom the project belongs to.
    Owner,
    /// Runs it.
    Admin,
    /// Looks at it.
    Analyst,
    /// Is billed by it.
    Customer,
}

/// One thing that a role may permit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Permission {
    /// Send events.
    RecordUsage,
    /// Send events of any past time.
    Backfill,
    /// Read everything of the project.
    ReadProject,
    /// Change everything of the project.
    ManageProject,
    /// Read and change one's own account.
    OwnAccount,
}

/// What each role permits.
pub const ROLES: [(Role, &[Permission]); 4] = [
    (Role::Owner, &Permission::ALL),
    (Role::Admin, &Permission::ALL),
    (Role::Analyst, &[Permission::ReadProject, Permission::OwnAccount]),
    (Role::Customer, &[Permission::OwnAccount]),
];

/// What services may be permitted, by its name in the configuration. Nobody's account is a service's,
/// and none changes a project.
pub const SERVICE_PERMISSIONS: [(&str, Permission); 2] =
    [("usage:write", Permission::RecordUsage), ("project:read", Permission::ReadProject)];

impl Permission {
    /// The permission that a service has under this name in the configuration.
    pub fn of_service(name: &str) -> Option<Self> {
        let found = SERVICE_PERMISSIONS.iter().find(|(known, _)| *known == name);
        found.map(|(_, permission)| *permission)
    }

    /// The name under which services have it in the configuration.
    pub fn service_name(self) -> Option<&'static str> {
        let found = SERVICE_PERMISSIONS.iter().find(|(_, permission)| *permission == self);
        found.map(|(name, _)| *name)
    }

    /// Every permission.
    pub const ALL: [Self; 5] =
        [Self::RecordUsage, Self::Backfill, Self::ReadProject, Self::ManageProject, Self::OwnAccount];
}

impl Role {
    /// Every role, as named in the API.
    pub const NAMES: [&'static str; 4] = ["owner", "admin", "analyst", "customer"];

    /// The name in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Admin => "admin",
            Self::Analyst => "analyst",
            Self::Customer => "customer",
        }
    }

    /// What it permits.
    pub fn permissions(self) -> &'static [Permission] {
        ROLES.iter().find(|(role, _)| *role == self).map_or(&[], |(_, permissions)| permissions)
    }

    /// Whether it permits this.
    pub fn may(self, permission: Permission) -> bool {
        self.permissions().contains(&permission)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A name that is no role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be one of owner, admin, analyst, customer")]
pub struct UnknownRole;

impl FromStr for Role {
    type Err = UnknownRole;
    fn from_str(name: &str) -> Result<Self, UnknownRole> {
        ROLES.iter().map(|(role, _)| *role).find(|role| role.as_str() == name).ok_or(UnknownRole)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_role_is_named_and_has_its_permissions() {
        assert_eq!(ROLES.map(|(role, _)| role.as_str()), Role::NAMES);
        for name in Role::NAMES {
            assert_eq!(name.parse::<Role>().map(Role::as_str), Ok(name));
        }
        assert_eq!("root".parse::<Role>(), Err(UnknownRole));
        let who_may = |permission| -> Vec<&str> {
            ROLES.iter().filter(|(role, _)| role.may(permission)).map(|(role, _)| role.as_str()).collect()
        };
        assert_eq!(who_may(Permission::RecordUsage), ["owner", "admin"]);
        assert_eq!(who_may(Permission::Backfill), ["owner", "admin"]);
        assert_eq!(who_may(Permission::ManageProject), ["owner", "admin"]);
        assert_eq!(who_may(Permission::ReadProject), ["owner", "admin", "analyst"]);
        assert_eq!(who_may(Permission::OwnAccount), Role::NAMES);
    }

    #[test]
    fn services_are_permitted_what_is_named() {
        assert_eq!(Permission::of_service("usage:write"), Some(Permission::RecordUsage));
        assert_eq!(Permission::of_service("project:read"), Some(Permission::ReadProject));
        for (name, permission) in SERVICE_PERMISSIONS {
            assert_eq!(permission.service_name(), Some(name));
        }
        assert_eq!(Permission::ManageProject.service_name(), None);
        for name in ["", "usage", "USAGE:WRITE", "usage:write ", "project:manage"] {
            assert_eq!(Permission::of_service(name), None, "{name}");
        }
    }
}

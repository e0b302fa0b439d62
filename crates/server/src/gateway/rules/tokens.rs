//! Claims of bearer tokens (JWT) whose signature holds.
use axum::http::{HeaderMap, header};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey, Validation};
use serde_json::Value;

/// What tokens are verified with.
#[derive(Clone)]
pub struct TokenKeys {
    key: DecodingKey,
    family: AlgorithmFamily,
}

/// Reads a public key in PEM.
type Read = fn(&[u8]) -> jsonwebtoken::errors::Result<DecodingKey>;

impl TokenKeys {
    /// Tokens signed with a shared secret (HS256, HS384, HS512).
    pub fn secret(secret: &str) -> Self {
        Self { key: DecodingKey::from_secret(secret.as_bytes()), family: AlgorithmFamily::Hmac }
    }

    /// Tokens signed with the private key to this public one: PEM, of RSA, elliptic curves or Ed25519.
    pub fn public_key(pem: &[u8]) -> Result<Self, String> {
        let readers: [(Read, AlgorithmFamily); 3] = [
            (DecodingKey::from_rsa_pem, AlgorithmFamily::Rsa),
            (DecodingKey::from_ec_pem, AlgorithmFamily::Ec),
            (DecodingKey::from_ed_pem, AlgorithmFamily::Ed),
        ];
        let read = readers.into_iter().find_map(|(read, family)| Some(Self { key: read(pem).ok()?, family }));
        read.ok_or_else(|| "it is no public key in PEM (RSA, EC or Ed25519)".to_owned())
    }

    /// A claim of the request's token; none if the token does not hold or has ended.
    pub(super) fn claim(&self, headers: &HeaderMap, name: &str) -> Option<String> {
        let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        let mut validation = Validation::new_for_family(self.family);
        // Whom a token is for is the application's question.
        validation.validate_aud = false;
        validation.set_required_spec_claims::<&str>(&[]);
        let claims = jsonwebtoken::decode::<Value>(token.trim(), &self.key, &validation).ok()?.claims;
        match claims.get(name)? {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        }
    }

    /// The algorithms that are taken.
    pub fn algorithms(&self) -> &[Algorithm] {
        self.family.algorithms()
    }
}

impl std::fmt::Debug for TokenKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenKeys").field("algorithms", &self.algorithms()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jsonwebtoken::{EncodingKey, Header};

    #[test]
    fn only_tokens_that_hold_tell_who_it_is() {
        let keys = TokenKeys::secret("the application's own secret");
        let signed = |secret: &str, claims: Value| {
            jsonwebtoken::encode(&Header::default(), &claims, &EncodingKey::from_secret(secret.as_bytes()))
                .unwrap()
        };
        let claim = |token: &str| {
            let value = format!("Bearer {token}").parse().unwrap();
            keys.claim(&HeaderMap::from_iter([(header::AUTHORIZATION, value)]), "sub")
        };
        let good = serde_json::json!({"sub": "acme", "exp": 4_000_000_000_u64, "aud": "x"});
        assert_eq!(claim(&signed("the application's own secret", good.clone())).as_deref(), Some("acme"));
        assert_eq!(claim(&signed("another secret", good)), None);
        let ended = serde_json::json!({"sub": "acme", "exp": 1_000_000_000_u64});
        assert_eq!(claim(&signed("the application's own secret", ended)), None);
        assert_eq!(claim("nonsense"), None);
        assert!(TokenKeys::public_key(b"nonsense").is_err());
    }
}

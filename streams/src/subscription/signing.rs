//! Signatures of webhooks, and tokens that prove who was woken.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use ed25519_dalek::{Signature, Signer, SigningKey, Verifier};
use protocol::time::UnixMs;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// How long a token is good, in milliseconds: a day. Leases end long before; this ends what was forgotten.
const TOKEN_LIFE_MS: u64 = 24 * 3_600_000;

/// The server's key pair for subscriptions.
#[derive(Debug)]
pub(super) struct Keys {
    key: SigningKey,
    /// The name of the public half.
    pub(super) kid: String,
}

/// What a token says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Claim {
    pub(super) sub: String,
    pub(super) wake: String,
    pub(super) generation: u64,
    /// Unix milliseconds.
    pub(super) exp: u64,
}

/// A token is not good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bad {
    Invalid,
    Expired,
}

impl Keys {
    pub(super) fn new(seed: &[u8; 32]) -> Self {
        let key = SigningKey::from_bytes(seed);
        let digest = Sha256::digest(key.verifying_key().as_bytes());
        let kid = format!("ds_{}", BASE64.encode(&digest[..12]));
        Self { key, kid }
    }

    /// The public half as a JSON Web Key Set (RFC 8037).
    pub(super) fn jwks(&self) -> serde_json::Value {
        let x = BASE64.encode(self.key.verifying_key().as_bytes());
        let key = serde_json::json!({
            "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": self.kid, "x": x,
        });
        serde_json::json!({ "keys": [key] })
    }

    /// The value of `Webhook-Signature` for a body sent now.
    pub(super) fn signature(&self, now: UnixMs, body: &str) -> String {
        let time = now.0 / 1000;
        let signature = self.key.sign(format!("{time}.{body}").as_bytes());
        format!("t={time},kid={},ed25519={}", self.kid, BASE64.encode(signature.to_bytes()))
    }

    pub(super) fn token(&self, sub: &str, wake: &str, generation: u64, now: UnixMs) -> String {
        let exp = now.plus_ms(TOKEN_LIFE_MS).0;
        let claim = Claim { sub: sub.to_owned(), wake: wake.to_owned(), generation, exp };
        let text = BASE64.encode(serde_json::to_vec(&claim).expect("a struct of plain fields is JSON"));
        let signature = self.key.sign(signed(&text).as_bytes());
        format!("{text}.{}", BASE64.encode(signature.to_bytes()))
    }

    pub(super) fn read(&self, token: &str, now: UnixMs) -> Result<Claim, Bad> {
        let (text, signature) = token.split_once('.').ok_or(Bad::Invalid)?;
        let signature = BASE64.decode(signature).ok().and_then(|bytes| Signature::from_slice(&bytes).ok());
        let good = self.key.verifying_key().verify(signed(text).as_bytes(), &signature.ok_or(Bad::Invalid)?);
        good.map_err(|_| Bad::Invalid)?;
        let claim = BASE64.decode(text).ok().and_then(|bytes| serde_json::from_slice::<Claim>(&bytes).ok());
        let claim = claim.ok_or(Bad::Invalid)?;
        if now.0 < claim.exp { Ok(claim) } else { Err(Bad::Expired) }
    }
}

/// What is signed of a token. The prefix keeps tokens and webhooks apart: the signature of one is never one of the other.
fn signed(text: &str) -> String {
    format!("wake-token.{text}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_good_as_it_is_and_for_its_time() {
        let keys = Keys::new(&[7; 32]);
        let token = keys.token("s", "w", 3, UnixMs(5));
        let claim = keys.read(&token, UnixMs(6)).expect("good");
        assert_eq!((claim.sub.as_str(), claim.wake.as_str(), claim.generation), ("s", "w", 3));
        assert_eq!(keys.read(&token, UnixMs(5 + TOKEN_LIFE_MS)), Err(Bad::Expired));
        assert_eq!(Keys::new(&[8; 32]).read(&token, UnixMs(6)), Err(Bad::Invalid));
        for index in 0..token.len() - 1 {
            let mut bytes = token.clone().into_bytes();
            bytes[index] = if bytes[index] == b'A' { b'B' } else { b'A' };
            let damaged = String::from_utf8(bytes).expect("text");
            assert_eq!(keys.read(&damaged, UnixMs(6)), Err(Bad::Invalid), "{index}");
        }
        assert_eq!(keys.read("", UnixMs(6)), Err(Bad::Invalid));
    }

    #[test]
    fn a_signature_holds_time_and_body() {
        let keys = Keys::new(&[7; 32]);
        let text = keys.signature(UnixMs(12_345), "{}");
        let signature = text.strip_prefix(&format!("t=12,kid={},ed25519=", keys.kid)).expect("its shape");
        let signature = Signature::from_slice(&BASE64.decode(signature).expect("base64")).expect("a signature");
        let public = keys.key.verifying_key();
        assert!(public.verify(b"12.{}", &signature).is_ok());
        assert!(public.verify(b"13.{}", &signature).is_err());
    }

    #[test]
    fn fuzz_wake_tokens() {
        let keys = Keys::new(&[7; 32]);
        let good = [keys.token("s", "w", 3, UnixMs(5)), keys.token("other", "wake", 9, UnixMs(7))];
        let signature = keys.signature(UnixMs(5), "{}");
        let corpus = fuzz::words(&[&good[0], &good[1], &signature, "eyJ9.AAAA"]);
        fuzz::target("wake-tokens", &corpus, |input| {
            let Ok(text) = std::str::from_utf8(input) else { return false };
            let read = keys.read(text, UnixMs(8));
            assert_eq!(read.is_ok(), good.iter().any(|token| token == text), "nothing is good but what was given out");
            read.is_ok()
        });
    }
}

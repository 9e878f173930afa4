//! The certificate: whether it and its key go together, and for how long it is good.

use protocol::health::{Finding, FindingLevel};
use protocol::time::UnixMs;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use crate::config::Settings;
use crate::listen::tls;
use crate::verbs::time_shown;

/// How long before its end a certificate is worth a warning, in milliseconds: two weeks.
const SOON_MS: u64 = 14 * 24 * 60 * 60 * 1000;

/// Looks at it; nothing without one.
pub(super) fn look(settings: &Settings, now: UnixMs) -> Vec<Finding> {
    let Some((certificate, key)) = &settings.tls else { return Vec::new() };
    if let Err(error) = tls::acceptor(certificate, key) {
        let mut finding = Finding::new("tls", FindingLevel::Problem, format!("{:#}", error.source));
        finding.next = error.hints.into_iter().next().or_else(|| Some("Give files that are there, in PEM.".to_owned()));
        return vec![finding];
    }
    let first = CertificateDer::pem_file_iter(certificate).ok().and_then(|mut chain| chain.next()?.ok());
    let finding = match first.as_deref().and_then(validity) {
        Some((from, until)) => dates(from, until, now),
        None => Finding::new(
            "tls",
            FindingLevel::Warning,
            "The certificate does not say how long it is good in a way we read",
        ),
    };
    vec![finding]
}

fn dates(from: UnixMs, until: UnixMs, now: UnixMs) -> Finding {
    let renew = "Renew it, and start Towline again.";
    if now < from {
        let title = format!("The certificate is good from {} on only", time_shown(from));
        Finding::new("tls", FindingLevel::Problem, title).next("Wait until then, or see whether the clock is right.")
    } else if now >= until {
        Finding::new("tls", FindingLevel::Problem, format!("The certificate ended on {}", time_shown(until)))
            .next(renew)
    } else {
        let title = format!("The certificate and its key go together, until {}", time_shown(until));
        if until.since(now) < SOON_MS {
            Finding::new("tls", FindingLevel::Warning, title).next(renew)
        } else {
            Finding::new("tls", FindingLevel::Ok, title)
        }
    }
}

/// From when until when a certificate is good (RFC 5280 §4.1): the fifth part of its body, or the fourth where no version is named.
fn validity(certificate: &[u8]) -> Option<(UnixMs, UnixMs)> {
    let (_, certificate, _) = part(certificate)?;
    let (_, body, _) = part(certificate)?;
    let (tag, _, after_first) = part(body)?;
    // The version, where there is one, then serial number, algorithm and issuer.
    let mut rest = if tag == 0xa0 { after_first } else { body };
    for _ in 0..3 {
        rest = part(rest)?.2;
    }
    let (_, dates, _) = part(rest)?;
    let (from_tag, from, rest) = part(dates)?;
    let (until_tag, until, _) = part(rest)?;
    Some((time(from_tag, from)?, time(until_tag, until)?))
}

/// The next part of DER: its tag, what it holds, and what follows.
fn part(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = bytes.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(*first), rest),
        0x81..=0x84 => {
            let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (digits.iter().fold(0, |length, digit| (length << 8) | usize::from(*digit)), rest)
        }
        _ => return None,
    };
    let (held, rest) = rest.split_at_checked(length)?;
    Some((*tag, held, rest))
}

/// A point of time: `YYMMDDhhmmssZ` (until 2049), or the same with a whole year.
fn time(tag: u8, text: &[u8]) -> Option<UnixMs> {
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    let text = match tag {
        0x17 if text.len() == 12 => {
            let century = if text.get(..2)?.parse::<u8>().ok()? < 50 { "20" } else { "19" };
            format!("{century}{text}")
        }
        0x18 if text.len() == 14 => text.to_owned(),
        _ => return None,
    };
    let civil = jiff::civil::DateTime::strptime("%Y%m%d%H%M%S", text).ok()?;
    let stamp = civil.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_millisecond();
    Some(UnixMs(u64::try_from(stamp).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dates_of_a_certificate_decide() {
        let day = 24 * 60 * 60 * 1000;
        let (from, until) = (UnixMs(100 * day), UnixMs(200 * day));
        for (now, level) in [
            (99, FindingLevel::Problem),
            (100, FindingLevel::Ok),
            (187, FindingLevel::Warning),
            (200, FindingLevel::Problem),
        ] {
            assert_eq!(dates(from, until, UnixMs(now * day)).level, level, "{now}");
        }
    }

    #[test]
    fn both_spellings_of_time_are_read_and_garbage_is_not() {
        assert_eq!(time(0x17, b"700101000000Z"), Some(UnixMs(0)));
        assert_eq!(time(0x18, b"20261120223000Z"), Some(UnixMs(1_795_213_800_000)));
        for (tag, text) in
            [(0x17, &b"7001010000Z"[..]), (0x18, b"20261320223000Z"), (0x30, b"700101000000Z"), (0x17, b"\xff")]
        {
            assert_eq!(time(tag, text), None);
        }
        for bytes in [&[][..], &[0x30], &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff], &[0x30, 0x80], &[0x30, 2, 0x30, 5]] {
            assert_eq!(validity(bytes), None);
        }
    }
}

//! Counts tests in what the runners print, so that the last line of `cargo xtask test` speaks of tests and not of steps.

/// How many tests passed and failed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
}

impl Tally {
    /// A step that is one test of its own.
    pub(crate) const ONE: Self = Self { passed: 1, failed: 0 };

    pub(crate) fn plus(self, other: Self) -> Self {
        Self { passed: self.passed + other.passed, failed: self.failed + other.failed }
    }
}

/// Who printed the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Runner {
    /// `cargo nextest run`: `Summary [1.2s] 5 tests run: 4 passed, 1 failed, 0 skipped`.
    Nextest,
    /// `cargo test`: `test result: ok. 5 passed; 0 failed; …`, once per binary.
    CargoTest,
    /// Vitest: `Tests  1 failed | 5 passed (6)`.
    Vitest,
    /// `node --test`: `# pass 5` or `ℹ pass 5`, and the same with `fail`.
    NodeTest,
    /// Playwright: `5 passed (3.2s)` and `1 failed`, each on a line of its own.
    Playwright,
}

impl Runner {
    /// What this runner's output says.
    pub(crate) fn count(self, output: &str) -> Tally {
        let mut tally = Tally::default();
        for line in output.lines().map(str::trim) {
            let counts = match self {
                Self::Nextest => line.starts_with("Summary") && line.contains("run:"),
                Self::CargoTest => line.starts_with("test result:"),
                Self::Vitest => line.starts_with("Tests "),
                Self::NodeTest => line.starts_with("# ") || line.starts_with("ℹ "),
                Self::Playwright => line.starts_with(|c: char| c.is_ascii_digit()) && line.split(' ').count() <= 3,
            };
            if !counts {
                continue;
            }
            let words: Vec<&str> =
                line.split_whitespace().map(|word| word.trim_matches([',', ';', '(', ')'])).collect();
            for pair in words.windows(2) {
                let found = match self {
                    Self::NodeTest => pair[1].parse().ok().map(|number: usize| (pair[0], number)),
                    _ => pair[0].parse().ok().map(|number: usize| (pair[1], number)),
                };
                match found {
                    Some(("passed" | "pass", number)) => tally.passed += number,
                    Some(("failed" | "fail", number)) => tally.failed += number,
                    // A timed-out test of nextest is counted apart from its failures.
                    Some(("timed", number)) if self == Self::Nextest => tally.failed += number,
                    _ => {}
                }
            }
        }
        tally
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(runner: Runner, output: &str, passed: usize, failed: usize) {
        assert_eq!(runner.count(output), Tally { passed, failed }, "{runner:?}: {output}");
    }

    #[test]
    fn every_runner_is_understood() {
        check(Runner::Nextest, "     Summary [   0.012s] 7 tests run: 7 passed, 0 skipped", 7, 0);
        check(Runner::Nextest, "Summary [ 1s] 9 tests run: 6 passed (1 slow), 2 failed, 1 timed out, 3 skipped", 6, 3);
        check(
            Runner::CargoTest,
            "test result: ok. 5 passed; 0 failed; 1 ignored\ntest result: FAILED. 1 passed; 2 failed;",
            6,
            2,
        );
        check(Runner::Vitest, " Test Files  1 passed (1)\n      Tests  1 failed | 5 passed | 2 skipped (8)", 5, 1);
        check(Runner::NodeTest, "# tests 6\n# pass 5\n# fail 1", 5, 1);
        check(Runner::NodeTest, "ℹ tests 6\nℹ pass 6\nℹ fail 0", 6, 0);
        check(Runner::Playwright, "  1 failed\n    [phone] › a.spec.ts:3 › pairs\n  12 passed (1.2m)", 12, 1);
    }

    #[test]
    fn other_lines_do_not_count() {
        check(Runner::Nextest, "PASS [ 0.1s] xtask 5 passed", 0, 0);
        check(Runner::Playwright, "Running 3 tests using 1 worker", 0, 0);
    }
}

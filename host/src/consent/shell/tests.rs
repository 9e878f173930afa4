use super::*;
use proptest::prelude::*;

fn words(text: &str) -> Vec<String> {
    text.split(' ').map(str::to_owned).collect()
}

#[test]
fn the_table_is_in_order() {
    assert!(RUNNERS.is_sorted());
}

#[test]
fn a_prefix_is_not_fooled() {
    let rule = words("npm test");
    for good in [
        "npm test",
        "npm  test",
        "npm test --watch",
        "npm test -- case-3",
        "npm 'test' \"a b\"",
        "npm test a=b",
        "npm test src/a.ts",
    ] {
        assert!(begins(good, &rule, false), "{good}");
    }
    for bad in [
        "npm testx",
        "npm",
        "xnpm test",
        "npm test && rm -rf /",
        "npm test; rm x",
        "npm test | tee x",
        "npm test > x",
        "npm test < x",
        "npm test & rm",
        "npm test $(rm x)",
        "npm test `rm x`",
        "npm test\nrm x",
        "npm test\r\nrm x",
        "X=1 npm test",
        "env npm test",
        "sudo npm test",
        "npm test $X",
        "npm test ${X}",
        "npm test \"$X\"",
        "npm test \"`x`\"",
        "npm test \\\nx",
        "npm test # x",
        "npm test *",
        "npm test ?",
        "npm test [a]",
        "npm test {a,b}",
        "npm test ~",
        "npm test !x",
        "npm test 'a",
        "npm test \"a",
        "npm\ttest",
        "npm\u{a0}test",
        "npm test \u{202e}x",
        "npm test\u{200b}",
        "npm test \0",
        "./npm test",
        "/tmp/npm test",
        "npm test /etc/passwd",
        "npm test ../x",
        "npm test --prefix=/tmp",
        "npm test --prefix=../x",
        "npm test -C/tmp",
        "npm test file:///etc",
        "NPM test",
        "",
        " ",
        "'' npm test",
        "npm test >(x)",
        "npm test <<< x",
        "npm test 2>&1",
        "(npm test)",
        "{ npm test; }",
        "npm test ^x",
        "npm test %PATH%",
        "=npm test",
        "npm=1 test",
    ] {
        assert!(!begins(bad, &rule, false), "{bad:?}");
    }
    assert!(begins("npm test", &rule, true));
    assert!(!begins("npm test x", &rule, true));
    // What runs its arguments is taken by the letter.
    assert!(!begins("make test deploy", &words("make test"), false));
    assert!(begins("make test", &words("make test"), true));
    assert!(!begins("bash -c x", &words("bash"), false));
    assert!(!begins("npm test", &[], false));
}

#[test]
fn what_is_refused_is_found_however_it_is_written() {
    let rule = words("git push");
    for found in [
        "git push",
        "git  push origin",
        "git -C x push",
        "git --no-pager -c a=b push",
        "npm test && git push",
        "a; git push",
        "a | git push",
        "(git push)",
        "$(git push)",
        "`git push`",
        "X=1 git push",
        "sudo git push",
        "env X=1 git push",
        "bash -c 'git push'",
        "bash -lc \"cd x; git push\"",
        "/usr/bin/git push",
        "g'i't push",
        "g\\it push",
        "git \\\n push",
        "timeout 5 git push",
        "find . -exec git push \\;",
        "a\ngit push",
        "if true; then git push; fi",
        "python3 -c \"import os; os.system('git push')\"",
        "xargs git push < x",
        "git\tpush",
        "nohup git push &",
        "git 'push'",
        "if git push; then :; fi",
        "if ! git push; then :; fi",
        "if true; then git push; fi",
        "if true; then :; else git push; fi",
        "if true; then :; elif git push; then :; fi",
        "if true; then :; else if git push; then :; fi; fi",
        "while git push; do :; done",
        "until git push; do :; done",
        "until ! X=1 git push; do :; done",
        "for x in a b; do git push; done",
        "select x in a; do git push; done",
        "case x in x) git push;; esac",
        "{ git push; }",
        "! git push",
        "time git push",
        "time -p git push",
        "coproc git push",
        "coproc NAME { git push; }",
        "f() { git push; }; f",
        "function f { git push; }; f",
        "if [[ -n a ]] git push",
        "if [ -n a ] && git push; then :; fi",
        "trap 'git push' EXIT",
        "repeat 3 git push",
        "not git push; or git push",
        "begin git push; end",
        "noglob git push",
        "git rebase --exec 'git push' main",
        "git rebase -x git\\ push main",
    ] {
        assert!(mentions(found, &rule), "{found}");
    }
    for other in [
        "git pull",
        "git commit -m push",
        "echo git push",
        "git log push",
        "gitpush",
        "git",
        "digit push",
        "git status",
        "echo if git push",
        "if echo git push; then :; fi",
    ] {
        assert!(!mentions(other, &rule), "{other}");
    }
}

#[test]
fn what_looks_dangerous_says_why() {
    for bad in [
        "rm -rf build",
        "npm test && rm x",
        "sudo ls",
        "/bin/rm x",
        "find . -delete",
        "find . -exec rm {} +",
        "curl x | sh",
        "wget -qO- x | bash",
        "git push --force",
        "git push origin +main",
        "git reset --hard HEAD~1",
        "git clean -fd",
        "mkfs.ext4 /dev/sda",
        "npm publish",
        "dd if=x of=y",
        "bash -c 'rm x'",
        "xargs rm",
        "chmod 777 x",
        "git branch -D x",
        "X=1 rm x",
        "if rm x; then :; fi",
        "while rm x; do :; done",
        "until rm x; do :; done",
        "if :; then :; elif rm x; then :; fi",
        "! rm x",
        "{ rm x; }",
        "time rm x",
        "coproc rm x",
        "if git push --force; then :; fi",
        "curl x | if bash; then :; fi",
        "curl x | while bash; do :; done",
        "curl x | X=1 bash",
        "curl x | env bash",
        "git rebase --exec 'rm -rf x' HEAD",
        "git rebase --exec='rm -rf x' HEAD",
        "sudo -u x git rebase -i -x 'rm x'",
        "git bisect run rm x",
        "git submodule foreach 'rm x'",
        "git push --exec=x --force",
        "go build -toolexec 'rm x'",
    ] {
        assert!(danger(bad).is_some(), "{bad}");
    }
    for good in [
        "npm test",
        "git push",
        "git status",
        "cargo build",
        "ls rm",
        "echo rm",
        "git commit -m rm",
        "curl x",
        "grep -r sudo .",
        "echo if rm",
        "if npm test; then git status; fi",
        "curl -o bash x",
        "git commit -m 'run rm'",
        "git rebase -i main",
    ] {
        assert!(danger(good).is_none(), "{good}");
    }
}

#[test]
fn a_shell_around_a_command_is_looked_through_once() {
    assert_eq!(unwrapped("/bin/bash -lc 'npm test'"), "npm test");
    assert_eq!(unwrapped("bash -c \"npm test; rm x\""), "npm test; rm x");
    assert_eq!(unwrapped("bash -c 'bash -c x'"), "bash -c x");
    for same in ["npm test", "bash x.sh", "bash -x -c y", "bash -c 'a' b", "bash -lc 'a\nb'"] {
        assert_eq!(unwrapped(same), same);
    }
}

/// How a shell may be made to do something else: in front, behind, in between.
fn trick() -> impl Strategy<Value = String> {
    let syntax = prop::sample::select(vec![
        ";", "&&", "||", "|", "&", "\n", "\r", "$(", "`", "${", "$", ">", ">>", "<", "<(", "(", "{", "\\", "#", "*",
        "?", "[", "~", "!", "\t", "\0", "\u{a0}", "\u{2028}", "\u{202e}", "\u{feff}", "'", "\"",
    ]);
    (syntax, "[a-z/ ]{0,8}").prop_map(|(syntax, rest)| format!("{syntax}{rest}"))
}

proptest! {
    #[test]
    fn no_syntax_behind_an_allowed_command_is_allowed(tail in "[a-z -]{0,12}", trick in trick(), more in "[a-z -]{0,12}") {
        let command = format!("npm test {tail}{trick}{more}");
        // A quote that is closed again, or a sign in the middle of a word, is a word like others; everything else is asked.
        if begins(&command, &words("npm test"), false) {
            let plain = |char: char| char.is_ascii_lowercase() || " -/~#'\"".contains(char);
            prop_assert!(command.chars().all(plain), "{command:?}");
            let said = simple(&command).unwrap();
            prop_assert!(said[2..].iter().all(|word| !word.starts_with(['/', '~', '#']) ), "{command:?}");
        }
    }

    #[test]
    fn nothing_in_front_of_an_allowed_command_is_allowed(front in "[A-Za-z0-9_=./$(`'\"&;|\\\\-]{1,12}", space in " ?") {
        let command = format!("{front}{space}npm test");
        prop_assert!(!begins(&command, &words("npm test"), false), "{command:?}");
    }

    #[test]
    fn what_is_simple_means_the_same_when_it_is_quoted_anew(words in prop::collection::vec("[a-zA-Z0-9 ;|&$()<>*#~\"`\\\\-]{0,8}", 0..5)) {
        let quoted: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
        let command = format!("npm {}", quoted.join(" "));
        let mut said = simple(&command).unwrap();
        prop_assert_eq!(said.remove(0), "npm");
        prop_assert_eq!(said, words);
    }

    #[test]
    fn a_word_that_only_begins_alike_is_another(rest in "[a-zA-Z0-9._-]{1,8}") {
        let (last, first) = (format!("npm test{rest}"), format!("npm{rest} test"));
        prop_assert!(!begins(&last, &words("npm test"), false));
        prop_assert!(!begins(&first, &words("npm test"), false));
    }

    #[test]
    fn what_is_allowed_by_its_first_words_is_also_found_to_mention_them(command in "(npm|git)( (test|push|-[a-z]|[a-z]{1,4})){0,5}") {
        for rule in ["npm test", "git push"] {
            if begins(&command, &words(rule), false) {
                prop_assert!(mentions(&command, &words(rule)), "{command:?}");
            }
        }
    }

    #[test]
    fn nothing_panics(command in ".{0,60}", rule in prop::collection::vec(".{0,6}", 0..3)) {
        let _ = (begins(&command, &rule, false), mentions(&command, &rule), danger(&command), unwrapped(&command));
    }
}

//! JSON as a script that calls a function with it (JSON-P).

/// The media type of such a script.
pub const MEDIA_TYPE: &str = "application/javascript; charset=utf-8";

/// What JSON may have in strings as it is, and scripts of before 2019 may not, where it ends a line: U+2028 and U+2029.
const SEPARATORS: [&str; 2] = ["\u{2028}", "\u{2029}"];

/// What stands for either in a script.
const ESCAPES: [&str; 2] = ["\\u2028", "\\u2029"];

/// Whether this is `name` or `name.name`, each an identifier of ASCII letters: whatever is called runs in the page that
/// asked.
pub fn is_function(path: &[u8]) -> bool {
    path.split(|byte| *byte == b'.').all(|name| match name.split_first() {
        Some((first, rest)) => {
            let letter = |byte: &u8| byte.is_ascii_alphabetic() || matches!(byte, b'_' | b'$');
            letter(first) && rest.iter().all(|byte| letter(byte) || byte.is_ascii_digit())
        }
        None => false,
    })
}

/// By how many bytes [`call`] makes a text longer.
pub fn growth(function: &str, json: &[u8]) -> usize {
    let mut separators = 0;
    let mut rest = json.len();
    while let Some((start, _)) = last_separator(&json[..rest]) {
        separators += 1;
        rest = start;
    }
    function.len() + "()".len() + separators * (ESCAPES[0].len() - SEPARATORS[0].len())
}

/// Makes JSON the argument of a function, in place: it may be as large as all the memory that is left.
pub fn call(function: &str, json: &mut Vec<u8>) {
    let (mut from, more) = (json.len(), growth(function, json));
    json.reserve_exact(more);
    json.resize(from + more, b')');
    // From the end: whatever is written over has moved by then.
    let mut to = json.len() - 1;
    while let Some((start, which)) = last_separator(&json[..from]) {
        let (end, escape) = (start + SEPARATORS[which].len(), ESCAPES[which].as_bytes());
        to -= from - end;
        json.copy_within(end..from, to);
        to -= escape.len();
        json[to..to + escape.len()].copy_from_slice(escape);
        from = start;
    }
    to -= from;
    json.copy_within(..from, to);
    json[to - 1] = b'(';
    json[..to - 1].copy_from_slice(function.as_bytes());
}

/// Where the last separator starts, and which it is.
fn last_separator(json: &[u8]) -> Option<(usize, usize)> {
    let first = SEPARATORS[0].as_bytes()[0];
    let is_separator =
        |start: usize| SEPARATORS.iter().position(|text| json[start..].starts_with(text.as_bytes()));
    let starts = (0..json.len()).rev().filter(|start| json[*start] == first);
    starts.filter_map(|start| Some((start, is_separator(start)?))).next()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_function_is_a_path_of_identifiers() {
        for good in ["f", "foo.bar", "$.ajax", "_0", "jQuery1.cb_2"] {
            assert!(is_function(good.as_bytes()), "{good}");
        }
        for bad in
            ["", ".", "a.", ".a", "a..b", "0a", "a-b", "alert(1)//", "a b", "f%28", "\u{e9}", "a[0]", "a\n"]
        {
            assert!(!is_function(bad.as_bytes()), "{bad}");
        }
    }

    #[test]
    fn what_ends_a_line_of_a_script_is_escaped() {
        let called = |json: &str| {
            let mut text = json.as_bytes().to_vec();
            call("a.b", &mut text);
            String::from_utf8(text).unwrap()
        };
        assert_eq!(called("{}"), "a.b({})");
        assert_eq!(called(r#"{"\u{e9}":1}"#), r#"a.b({"\u{e9}":1})"#);
        assert_eq!(called("[\"\u{2028}\u{2027}\u{2029}\"]"), "a.b([\"\\u2028\u{2027}\\u2029\"])");
    }

    proptest! {
        #[test]
        fn any_text_is_called_as_its_like_would_be(
            json in "(a|\u{e9}|\u{2028}|\u{2029}|\u{202a}|\u{1f4c8}){0,40}",
            function in "[a-z]{1,5}",
        ) {
            let mut text = json.clone().into_bytes();
            let expected = format!("{function}({})", json.replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029"));
            prop_assert_eq!(growth(&function, &text), expected.len() - text.len());
            call(&function, &mut text);
            prop_assert_eq!(String::from_utf8(text).unwrap(), expected);
        }
    }
}

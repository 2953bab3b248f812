//! Answers that are a list of names: `{"hosts": [...]}` and `{"metrics": [...]}`.

use crate::failure::Failure;
use crate::object::Object;
use crate::path::Content;

/// The member that a list stands in.
pub fn key(content: Content) -> &'static str {
    match content {
        Content::Hosts => "hosts",
        Content::Metrics | Content::Series => "metrics",
    }
}

/// The names in the list of an answer; none where it is null or missing, as Visage says of a host that it does not
/// know.
pub fn read(content: Content, object: &Object, text: &[u8]) -> Result<Vec<String>, Failure> {
    // The last of several counts, as for most who read JSON.
    let Some(list) = object.members().rfind(|member| member.key == key(content)) else {
        return Ok(Vec::new());
    };
    let names: Option<Vec<String>> =
        serde_json::from_slice(&text[list.value.clone()]).map_err(|_| Failure::NoList(key(content)))?;
    Ok(names.unwrap_or_default())
}

/// An answer with these names, sorted: `{"hosts":["a","b"]}`.
pub fn write<'a>(content: Content, names: impl IntoIterator<Item = &'a String>) -> Vec<u8> {
    let mut names: Vec<_> = names.into_iter().collect();
    names.sort_unstable();
    names.dedup();
    let list = serde_json::json!(names);
    format!("{{\"{}\":{list}}}", key(content)).into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Result<Vec<String>, Failure> {
        read(Content::Metrics, &Object::parse(text.as_bytes()).unwrap(), text.as_bytes())
    }

    #[test]
    fn a_list_may_be_empty_null_or_not_there() {
        for text in ["{}", r#"{"metrics":null}"#, r#"{"metrics": [ ] }"#, r#"{"hosts":["a"]}"#] {
            assert_eq!(names(text), Ok(vec![]), "{text}");
        }
        let expected = Ok(vec!["\u{e9}".to_owned(), "a".to_owned()]);
        assert_eq!(names(r#"{"metrics":["\u00e9","a"]}"#), expected);
    }

    #[test]
    fn what_is_no_list_of_names_is_a_failure() {
        for list in ["5", "\"a\"", "{}", "[1]", "[null]"] {
            assert_eq!(names(&format!("{{\"metrics\":{list}}}")), Err(Failure::NoList("metrics")), "{list}");
        }
    }

    #[test]
    fn what_is_written_is_sorted_and_has_each_name_once() {
        let names = ["b", "a\"", "c", "b"].map(str::to_owned);
        assert_eq!(write(Content::Hosts, &names), br#"{"hosts":["a\"","b","c"]}"#);
        assert_eq!(write(Content::Metrics, []), br#"{"metrics":[]}"#);
    }
}

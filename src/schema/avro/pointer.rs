//! JSON pointers (RFC 6901) into the text of a schema: how steps are escaped, and the order of the text.

use std::cmp::Ordering;

/// Escapes a step.
pub(super) fn escaped(step: &str) -> String {
    step.replace('~', "~0").replace('/', "~1")
}

/// Compares two pointers step by step, indexes by their numbers: what stands further up comes first.
pub(super) fn compare(a: &str, b: &str) -> Ordering {
    let key = |pointer: &str| -> Vec<(usize, String)> {
        let steps = pointer.split('/').skip(1);
        steps.map(|step| step.parse().map_or_else(|_| (0, step.to_owned()), |number| (number, String::new()))).collect()
    };
    key(a).cmp(&key(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indexes_are_compared_as_numbers() {
        let mut pointers = ["/fields/10", "/fields/2/type/1", "", "/fields/2", "/fields/2/name", "/doc"];
        pointers.sort_by(|a, b| compare(a, b));
        assert_eq!(pointers, ["", "/doc", "/fields/2", "/fields/2/name", "/fields/2/type/1", "/fields/10"]);
        assert_eq!(escaped("a/b~c"), "a~1b~0c");
    }
}

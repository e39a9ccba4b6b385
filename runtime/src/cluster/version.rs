//! The order of resource versions. Pure.

/// Whether `a` is older than `b`; none where they can't be compared.
///
/// Kubernetes promises from 1.35 on that resource versions of its own resources are integers in the order of their writes (KEP-5504), which
/// etcd's revisions have always been. Others are opaque: of those only equality is known.
pub fn is_before(a: &str, b: &str) -> Option<bool> {
    let number = |text: &str| text.parse::<u128>().ok().filter(|number| number.to_string() == text);
    Some(number(a)? < number(b)?)
}

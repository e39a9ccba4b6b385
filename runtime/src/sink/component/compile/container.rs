//! How much memory the container has: one that goes over it is killed as a whole.

/// Where cgroups are mounted (cgroups(7)).
const ROOT: &str = "/sys/fs/cgroup";

/// Places of this process below the mounts of both versions, the narrowest last: in a container the
/// root is its own, elsewhere `/proc/self/cgroup` says which it is.
fn places(cgroup: &str) -> Vec<String> {
    let mut places = vec![String::new(), "/memory".to_owned()];
    for line in cgroup.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        match (parts.next(), parts.next()) {
            (Some(""), Some(path)) => places.push(path.trim_end_matches('/').to_owned()),
            (Some(controllers), Some(path))
                if controllers.split(',').any(|name| name == "memory") =>
            {
                places.push(format!("/memory{}", path.trim_end_matches('/')));
            }
            _ => {}
        }
    }
    places.dedup();
    places
}

/// The most bytes, and those in use that nothing can give back; none where there is no limit.
///
/// Of cgroup v2 `memory.max`, `memory.current` and `memory.stat`; of v1 `memory.limit_in_bytes`,
/// `memory.usage_in_bytes` and the same of `memory.stat`.
pub fn memory() -> Option<(u64, u64)> {
    let cgroup = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let found = places(&cgroup).into_iter().flat_map(|place| {
        let read = |name: &str| std::fs::read_to_string(format!("{ROOT}{place}/{name}")).ok();
        let of = |most: &str, used: &str| {
            measure(
                &read(most)?,
                &read(used)?,
                &read("memory.stat").unwrap_or_default(),
            )
        };
        [
            of("memory.max", "memory.current"),
            of("memory.limit_in_bytes", "memory.usage_in_bytes"),
        ]
    });
    // The one that is full first.
    found
        .flatten()
        .min_by_key(|(most, used)| most.saturating_sub(*used))
}

/// Pages of files count as used, but are given back when they are wanted: a journal alone can fill
/// the rest with them. v1 has no limit as a number that no machine has.
fn measure(most: &str, used: &str, stat: &str) -> Option<(u64, u64)> {
    let (most, used): (u64, u64) = (most.trim().parse().ok()?, used.trim().parse().ok()?);
    let pages = |name: &str| {
        stat.lines().find_map(|line| {
            line.strip_prefix(name)?
                .strip_prefix(' ')?
                .trim()
                .parse::<u64>()
                .ok()
        })
    };
    let files = ["active_file", "inactive_file"].map(|name| {
        pages(&format!("total_{name}"))
            .or_else(|| pages(name))
            .unwrap_or(0)
    });
    (most < 1 << 50).then(|| (most, used.saturating_sub(files.iter().sum())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_files_count_as_free_in_both_versions() {
        let v2 = "anon 58720256\nfile 193986560\ninactive_file 104857600\nactive_file 83886080\n";
        let v1 = "inactive_file 1\nactive_file 2\ntotal_inactive_file 104857600\ntotal_active_file 83886080\n";
        for stat in [v2, v1] {
            assert_eq!(
                measure("268435456\n", "247463936\n", stat),
                Some((256 << 20, 56 << 20))
            );
        }
        assert_eq!(
            measure("268435456", "58720256", ""),
            Some((256 << 20, 56 << 20))
        );
    }

    #[test]
    fn the_places_of_a_process_are_those_of_the_kernel() {
        let v1 = "5:memory:/kubepods/pod1\n4:cpu,cpuacct:/x\n1:name=systemd:/y\n";
        assert_eq!(places(v1), ["", "/memory", "/memory/kubepods/pod1"]);
        assert_eq!(places("0::/user.slice\n"), ["", "/memory", "/user.slice"]);
        assert_eq!(places("0::/\n"), ["", "/memory", ""]);
    }

    #[test]
    fn without_a_limit_there_is_none() {
        assert_eq!(measure("max\n", "1", ""), None);
        assert_eq!(measure("9223372036854771712\n", "1", ""), None);
    }
}

//! Files that can't change: Kubernetes mounts a `subPath` once, and never again.

use std::path::Path;

/// Whether a file is a mount point of its own, by the text of `/proc/self/mountinfo`
/// (proc_pid_mountinfo(5), fifth field). It then goes on being the file that it was when the
/// container started.
pub fn fixed(file: &Path, mountinfo: &str) -> bool {
    let Some(file) = file.to_str() else {
        return false;
    };
    mountinfo
        .lines()
        .filter_map(|line| line.split(' ').nth(4))
        .any(|point| unescape(point) == file)
}

/// Space, tab, line end and backslash are written as three octal digits after a backslash.
fn unescape(field: &str) -> String {
    field
        .replace("\\040", " ")
        .replace("\\011", "\t")
        .replace("\\012", "\n")
        .replace("\\134", "\\")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_with_a_mount_of_its_own_is_fixed_and_one_in_a_mounted_folder_is_not() {
        let text = "714 640 259:1 /var/lib/kubelet/pods/u/volumes/kubernetes.io~configmap/sinks /sinks ro,relatime - ext4 /dev/root rw\n\
                    715 640 259:1 /var/lib/kubelet/pods/u/volume-subpaths/s/c/0 /etc/my\\040sinks/x.wasm ro,relatime - ext4 /dev/root rw\n";
        assert!(fixed(Path::new("/etc/my sinks/x.wasm"), text));
        assert!(!fixed(Path::new("/sinks/x.wasm"), text));
        assert!(!fixed(Path::new("/etc/my sinks/y.wasm"), text));
    }
}

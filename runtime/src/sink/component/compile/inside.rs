//! What the child does: it takes foreign bytes in, and looks into them where nothing but its own
//! pipes and memory can be reached.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};

use landlock::{ABI, Access, AccessFs, AccessNet, Ruleset, RulesetAttr, RulesetStatus};
use rustix::process::{Resource, Rlimit, Signal, set_parent_process_death_signal, setrlimit};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule,
};

use super::child::{LONGEST, Task};
use super::look::look_into;
use super::report::{Answer, framed};
use super::{Refusal, settings};
use crate::sink::loading::unpack;

/// Runs a task on standard input, with so many bytes of memory and seconds of a processor, and
/// writes what came of it to standard output.
///
/// # Errors
/// With words, when it can't be done at all.
pub fn main(task: Task, memory: u64, cpu: u64) -> Result<(), String> {
    let lacking = confine(memory, cpu).map_err(|why| format!("cannot set limits: {why}"))?;
    match task {
        Task::Unpack(form) => {
            let component =
                unpack(form, io::stdin().lock(), LONGEST).map_err(|why| why.to_string())?;
            io::stdout()
                .lock()
                .write_all(&component)
                .map_err(|why| why.to_string())
        }
        Task::Compile => compile(lacking),
    }
}

fn compile(lacking: Vec<String>) -> Result<(), String> {
    let mut component = Vec::new();
    io::stdin()
        .lock()
        .take(LONGEST + 1)
        .read_to_end(&mut component)
        .map_err(|why| why.to_string())?;
    let (found, code) = if component.len() as u64 > LONGEST {
        (
            Err(Refusal::Faulty(format!(
                "it has more than {} MiB",
                LONGEST >> 20
            ))),
            Vec::new(),
        )
    } else {
        let mut config = settings();
        // One thread: what it needs doesn't depend on the machine, and each further one would have
        // a heap of its own.
        config.parallel_compilation(false);
        let engine = wasmtime::Engine::new(&config).map_err(|why| why.to_string())?;
        crate::sink::instance::start_clock(&engine).map_err(|why| why.to_string())?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .map_err(|why| why.to_string())?;
        match runtime.block_on(look_into(&engine, &component)) {
            Ok((report, code)) => (Ok(report), code),
            Err(refusal) => (Err(refusal), Vec::new()),
        }
    };
    let answer = serde_json::to_vec(&Answer { found, lacking }).map_err(|why| why.to_string())?;
    let mut out = io::stdout().lock();
    out.write_all(&framed(&answer))
        .and_then(|()| out.write_all(&code))
        .map_err(|why| why.to_string())
}

/// Gives away all rights that looking into bytes does not need; gives what the kernel does not have
/// of that.
fn confine(memory: u64, cpu: u64) -> io::Result<Vec<String>> {
    // The one that waits for the answer may end before.
    set_parent_process_death_signal(Some(Signal::KILL))?;
    close_all_but_the_pipes();
    // Where a container has no memory left, this process is the one to go (proc(5)).
    let _ = std::fs::write("/proc/self/oom_score_adj", "1000");
    let set = |resource, most| {
        setrlimit(
            resource,
            Rlimit {
                current: Some(most),
                maximum: Some(most),
            },
        )
    };
    set(Resource::Data, memory)?;
    // At the lower one SIGXCPU comes, which tells what happened; at the upper one SIGKILL.
    setrlimit(
        Resource::Cpu,
        Rlimit {
            current: Some(cpu),
            maximum: Some(cpu + 5),
        },
    )?;
    set(Resource::Core, 0)?;
    set(Resource::Nofile, 16)?;
    // Nothing is written but to the pipe, and what the engine shares between memories of one
    // component.
    set(Resource::Fsize, LONGEST)?;
    rustix::thread::set_no_new_privs(true)?;
    let mut lacking = Vec::new();
    if !without_files().unwrap_or(false) {
        lacking.push("landlock".to_owned());
    }
    if let Err(why) = without_calls() {
        lacking.push(format!("seccomp ({why})"));
    }
    Ok(lacking)
}

/// Descriptors that whoever started this program left open are nobody's here.
#[allow(
    unsafe_code,
    reason = "they belong to nothing of this process, which has opened none yet"
)]
fn close_all_but_the_pipes() {
    let Ok(entries) = std::fs::read_dir("/proc/self/fd") else {
        return;
    };
    let open: Vec<i32> = entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|fd| *fd > 2)
        .collect();
    // That of the listing is closed by now.
    for fd in open
        .into_iter()
        .filter(|fd| std::fs::symlink_metadata(format!("/proc/self/fd/{fd}")).is_ok())
    {
        // SAFETY: nothing in this process holds a descriptor above 2 at this point, so that none is
        // closed under somebody.
        unsafe { rustix::io::close(fd) };
    }
}

/// No file can be opened, and no port reached (landlock(7)); whether the kernel does that.
fn without_files() -> Result<bool, landlock::RulesetError> {
    let rules = Ruleset::default()
        .handle_access(AccessFs::from_all(ABI::V5))?
        .handle_access(AccessNet::from_all(ABI::V5))?;
    Ok(rules.create()?.restrict_self()?.ruleset != RulesetStatus::NotEnforced)
}

/// System calls that looking into bytes has no use for; each fails as one that is not permitted.
const REFUSED: &[libc::c_long] = &[
    libc::SYS_openat,
    libc::SYS_openat2,
    libc::SYS_open_tree,
    libc::SYS_open_by_handle_at,
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_socket,
    libc::SYS_socketpair,
    libc::SYS_connect,
    libc::SYS_bind,
    libc::SYS_listen,
    libc::SYS_accept,
    libc::SYS_accept4,
    libc::SYS_sendto,
    libc::SYS_sendmsg,
    libc::SYS_sendmmsg,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_pidfd_open,
    libc::SYS_pidfd_getfd,
    libc::SYS_pidfd_send_signal,
    libc::SYS_kill,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_fsopen,
    libc::SYS_fsmount,
    libc::SYS_move_mount,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_mkdirat,
    libc::SYS_mknodat,
    libc::SYS_unlinkat,
    libc::SYS_renameat2,
    libc::SYS_linkat,
    libc::SYS_symlinkat,
    libc::SYS_fchmodat,
    libc::SYS_fchownat,
    libc::SYS_truncate,
    libc::SYS_setuid,
    libc::SYS_setgid,
    libc::SYS_setresuid,
    libc::SYS_setresgid,
    libc::SYS_capset,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_kexec_load,
    libc::SYS_reboot,
    libc::SYS_shmget,
    libc::SYS_msgget,
    libc::SYS_semget,
    libc::SYS_inotify_init1,
    libc::SYS_fanotify_init,
    libc::SYS_quotactl,
    libc::SYS_swapon,
];

/// Forms of these that newer architectures do without.
#[cfg(target_arch = "x86_64")]
const REFUSED_BEFORE: &[libc::c_long] = &[
    libc::SYS_open,
    libc::SYS_creat,
    libc::SYS_fork,
    libc::SYS_vfork,
    libc::SYS_mkdir,
    libc::SYS_mknod,
    libc::SYS_unlink,
    libc::SYS_rmdir,
    libc::SYS_rename,
    libc::SYS_renameat,
    libc::SYS_link,
    libc::SYS_symlink,
    libc::SYS_chmod,
    libc::SYS_chown,
];
#[cfg(not(target_arch = "x86_64"))]
const REFUSED_BEFORE: &[libc::c_long] = &[];

/// Takes system calls away (seccomp(2)): those of [`REFUSED`], and new processes. New threads stay.
fn without_calls() -> Result<(), String> {
    let words = |why: seccompiler::BackendError| why.to_string();
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = REFUSED
        .iter()
        .chain(REFUSED_BEFORE)
        .map(|call| (*call, Vec::new()))
        .collect();
    let thread = libc::CLONE_THREAD as u64;
    let is_process = SeccompCondition::new(
        0,
        SeccompCmpArgLen::Qword,
        SeccompCmpOp::MaskedEq(thread),
        0,
    )
    .map_err(words)?;
    rules.insert(
        libc::SYS_clone,
        vec![SeccompRule::new(vec![is_process]).map_err(words)?],
    );
    refuse(rules, libc::EPERM)?;
    // Its arguments can't be seen: a kernel that doesn't have it would say so, and threads are made
    // by the one above then.
    refuse(
        BTreeMap::from([(libc::SYS_clone3, Vec::new())]),
        libc::ENOSYS,
    )
}

fn refuse(rules: BTreeMap<i64, Vec<SeccompRule>>, errno: i32) -> Result<(), String> {
    let arch = std::env::consts::ARCH
        .try_into()
        .map_err(|why: seccompiler::BackendError| why.to_string())?;
    let filter = SeccompFilter::new(
        rules,
        SeccompAction::Allow,
        SeccompAction::Errno(errno.unsigned_abs()),
        arch,
    )
    .map_err(|why| why.to_string())?;
    let program: BpfProgram = filter
        .try_into()
        .map_err(|why: seccompiler::BackendError| why.to_string())?;
    seccompiler::apply_filter(&program).map_err(|why| why.to_string())
}

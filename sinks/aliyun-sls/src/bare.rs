//! What a program without std brings itself. Std and its libc would double the component: their
//! formatting of panics, and imports of files, terminals and streams that this sink never uses.

#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

/// The sink doesn't panic by its lints; if it does, the host says that it trapped.
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    core::arch::wasm32::unreachable()
}

/// What the host calls to make room for arguments (Canonical ABI, `realloc`). With std, wit-bindgen
/// brings it.
///
/// # Safety
/// As the Canonical ABI promises: `old` is null with `old_size` 0, or what this gave for `old_size`
/// and `align` before.
#[unsafe(no_mangle)]
unsafe extern "C" fn cabi_realloc(
    old: *mut u8,
    old_size: usize,
    align: usize,
    new_size: usize,
) -> *mut u8 {
    use alloc::alloc::{Layout, alloc, realloc};
    if new_size == 0 {
        return core::ptr::without_provenance_mut(align);
    }
    let Ok(layout) =
        Layout::from_size_align(if old_size == 0 { new_size } else { old_size }, align)
    else {
        core::arch::wasm32::unreachable()
    };
    // SAFETY: the layout is not empty; `old` came from here with it.
    let place = unsafe {
        if old_size == 0 {
            alloc(layout)
        } else {
            realloc(old, layout, new_size)
        }
    };
    if place.is_null() {
        core::arch::wasm32::unreachable()
    }
    place
}

// For `memcmp` and its kin, which the compiler calls and the target leaves to libc.
#[link(name = "c")]
unsafe extern "C" {}

//! Is a small disk full when it was filled, and gone when it was dropped?

use std::io::ErrorKind;

use testkit::small_disk::SmallDisk;

#[test]
fn it_is_full_after_fill_and_has_room_again_after_free() {
    let folder = tempfile::tempdir().unwrap();
    let disk = match SmallDisk::mount(&folder.path().join("disk"), 4 << 20) {
        Ok(disk) => disk,
        Err(why) => return println!("not tried: {why}"),
    };
    let file = disk.path().join("file");
    std::fs::write(&file, [7; 100]).unwrap();
    assert_eq!(disk.fill().unwrap(), (4 << 20) - 4_096);
    assert_eq!(
        std::fs::write(disk.path().join("other"), [7; 100])
            .unwrap_err()
            .kind(),
        ErrorKind::StorageFull
    );
    disk.free().unwrap();
    disk.free().unwrap();
    std::fs::write(disk.path().join("other"), [7; 100]).unwrap();
    drop(disk);
    assert!(!file.exists());
}

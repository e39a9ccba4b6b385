//! What SQLite's errors mean, and how one is told to several.

/// Whether SQLite's words mean that the disk is full or fails.
pub(super) fn is_disk_trouble(why: &rusqlite::Error) -> bool {
    matches!(
        why.sqlite_error_code(),
        Some(rusqlite::ErrorCode::DiskFull | rusqlite::ErrorCode::SystemIoFailure)
    )
}

/// Whether SQLite's words, or a value that the schema can't have, mean that the file is not what
/// was written.
pub(super) fn is_damage(why: &rusqlite::Error) -> bool {
    use rusqlite::Error::{
        FromSqlConversionFailure, IntegralValueOutOfRange, InvalidColumnType, Utf8Error,
    };
    let code = why.sqlite_error_code();
    matches!(code, Some(rusqlite::ErrorCode::DatabaseCorrupt | rusqlite::ErrorCode::NotADatabase))
        // A damaged header may claim a format that there never was; SQLite has no code for that.
        || why.to_string().contains("unsupported file format")
        || matches!(why, FromSqlConversionFailure(..) | IntegralValueOutOfRange(..) | InvalidColumnType(..) | Utf8Error(..))
}

/// SQLite's errors can't be cloned; code and words can.
pub(super) fn copy(why: &rusqlite::Error) -> rusqlite::Error {
    let other = if is_damage(why) {
        rusqlite::ffi::SQLITE_CORRUPT
    } else {
        rusqlite::ffi::SQLITE_ERROR
    };
    let code = why
        .sqlite_error()
        .map_or(other, |error| error.extended_code);
    rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), Some(why.to_string()))
}

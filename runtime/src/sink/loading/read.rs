//! From a file to a component's bytes.

use std::path::Path;

use super::open::open;
use super::{Form, packed, parts};
use crate::sink::{Compiler, Error, child};

/// Reads a component, whatever its form is. A file of another name is read as it is. What is packed
/// is unpacked where the compiler is.
pub(in crate::sink) fn read(path: &Path, compiler: &Compiler) -> Result<Vec<u8>, Error> {
    let name = path
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    let form = Form::of(name).map_or(Form::Plain, |(_, form)| form);
    if form == Form::Parts {
        return parts::join(path, compiler);
    }
    let file = open(path).map_err(|why| packed::error(path, why))?;
    match compiler {
        Compiler::Child(limits) if form != Form::Plain => child::unpack(file, form, limits)
            .map_err(|why| Error::Packed {
                path: path.to_owned(),
                why,
            }),
        _ => packed::unpack(form, file, packed::LARGEST).map_err(|why| packed::error(path, why)),
    }
}

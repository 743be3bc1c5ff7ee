//! What is in a package, which is what the templates name as `target/lambda/NAME`: release builds for AWS, where
//! `cargo xtask package` lays them out, and dev builds on the local stack.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::workspace_root;

/// The package of the layer, and the name of its binary.
pub const LAYER: &str = "inoculate-layer";

/// The functions that start behind the layer by themselves, by the names of their binaries: Lambda has no exec wrapper
/// for a `provided.*` runtime.
pub const BEHIND_THE_LAYER: [&str; 3] = ["shop-checkout-naive", "shop-checkout-hardened", "shop-payments"];

/// The files of a package, by their place in it. All of them are programs.
pub type Files = BTreeMap<String, PathBuf>;

/// What is in the package `name`, with the binaries that `binary` finds by their names.
#[must_use]
pub fn files(name: &str, binary: impl Fn(&str) -> PathBuf) -> Files {
    let source = |file: &str| workspace_root().join(file);
    let files = match name {
        // Lambda unpacks a layer in /opt.
        LAYER => vec![
            ("extensions/inoculate-layer", binary(LAYER)),
            ("inoculate-exec", source("layer/inoculate-exec")),
        ],
        function if BEHIND_THE_LAYER.contains(&function) => vec![
            ("bootstrap", source("examples/shop/bootstrap")),
            (function, binary(function)),
            (LAYER, binary(LAYER)),
        ],
        function => vec![("bootstrap", binary(function))],
    };
    files
        .into_iter()
        .map(|(place, file)| (place.to_owned(), file))
        .collect()
}

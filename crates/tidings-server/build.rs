//! Has the files that are embedded looked at again when any of them changes: a page that is new, a client that was built anew.

fn main() {
    for folder in ["../../console", "../../sdk/js/dist"] {
        println!("cargo::rerun-if-changed={folder}");
    }
}

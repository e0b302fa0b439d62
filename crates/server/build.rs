//! Makes a new migration file rebuild the crate, which embeds the migrations.

fn main() {
    println!("cargo:rerun-if-changed=migrations");
}

//! The calls of a function to other hosts than those of AWS, through the layer.

mod clients;
mod plain;
mod scene;
mod server;
mod tunnel;
mod variables;

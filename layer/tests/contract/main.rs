//! Contract tests: what the runtime and the Runtime API see of each other with the layer between them.
//!
//! How to write one is said in [`support`].

#[cfg(test)]
mod arbitrary;
#[cfg(test)]
mod dependencies;
#[cfg(test)]
mod exec;
#[cfg(test)]
mod extension;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod hosts;
#[cfg(test)]
mod lease;
#[cfg(test)]
mod logs;
#[cfg(test)]
mod never_the_outage;
#[cfg(test)]
mod pass_through;
#[cfg(test)]
mod pressure;
#[cfg(test)]
mod problems;
#[cfg(test)]
mod real_client;
#[cfg(test)]
mod sketches;
#[cfg(test)]
mod support;

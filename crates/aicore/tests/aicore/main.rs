//! SAP AI Core's client against a small stand-in on a real socket: what goes over the wire, and what is made of the
//! answers.

#[cfg(test)]
mod aliases;
#[cfg(test)]
mod certificate;
#[cfg(test)]
mod damaged;
#[cfg(test)]
mod embeddings;
#[cfg(test)]
mod lists;
#[cfg(test)]
mod machine;
#[cfg(test)]
mod network;
#[cfg(test)]
mod orchestration;
#[cfg(test)]
mod routes;
#[cfg(test)]
mod sending;
#[cfg(test)]
mod stand_in;
#[cfg(test)]
mod token;

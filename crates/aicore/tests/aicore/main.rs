//! SAP AI Core's client against a small stand-in on a real socket: what goes over the wire, and what is made of the
//! answers.

#[cfg(test)]
mod certificate;
#[cfg(test)]
mod lists;
#[cfg(test)]
mod network;
#[cfg(test)]
mod routes;
#[cfg(test)]
mod sending;
#[cfg(test)]
mod stand_in;
#[cfg(test)]
mod token;

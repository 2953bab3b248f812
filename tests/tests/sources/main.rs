//! What is read and not run: the code, what it is made of, the documents, and the samples of `etc/`.

mod containers;
mod dependencies;
mod deployment;
mod lengths;
mod manual;
mod ports;
mod readme;
mod rooms;

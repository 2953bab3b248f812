//! Sockets that outlive the process that reads them: whoever holds them starts Coco or Noodle anew on them, and nothing that
//! was sent or asked meanwhile is lost.

mod datagrams;
mod holder;
mod requests;

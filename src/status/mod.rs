//! The status page and the JSON behind it: made on the server, readable without JavaScript.

mod diagram;
mod explain;
mod html;
mod http;
mod page;

pub use http::router;
pub use page::page;

//! The status page and the JSON behind it: made on the server, readable without JavaScript.

mod diagram;
mod explain;
mod filter;
mod group;
mod html;
mod http;
mod layout;
mod markdown;
mod page;
mod words;

pub use filter::Filter;
pub use http::router;
pub use page::page;

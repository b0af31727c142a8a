//! A list as the API server gives it: page by page, and no object decoded.

use http::Request;
use kube::{Client, Error};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

/// The pages of a list that are still to come.
pub(crate) struct Pages<'a> {
    client: &'a Client,
    /// Up to the parameters that say which page: it ends with `?` or `&`.
    path: &'a str,
    size: usize,
    /// What asks for the next page; `None` behind the last one.
    next: Option<String>,
}

#[derive(Deserialize)]
struct List {
    #[serde(default)]
    metadata: ListMeta,
    #[serde(default)]
    items: Vec<Box<RawValue>>,
}

#[derive(Default, Deserialize)]
struct ListMeta {
    #[serde(default, rename = "continue")]
    next: Option<String>,
}

impl<'a> Pages<'a> {
    /// A list in pages of `size` objects.
    pub(crate) const fn of(client: &'a Client, path: &'a str, size: usize) -> Self {
        Self {
            client,
            path,
            size,
            next: Some(String::new()),
        }
    }

    /// The next page, `None` when there is none. A page that could not be had can be asked for again.
    pub(crate) async fn next(&mut self) -> Result<Option<Vec<Box<RawValue>>>, Error> {
        let Some(next) = &self.next else {
            return Ok(None);
        };
        let request = Request::get(format!("{}limit={}{next}", self.path, self.size)).body(Vec::new());
        let list: List = self.client.request(request.map_err(Error::HttpError)?).await?;
        // The API server's tokens are made for a query: base64 in its URL form.
        let token = list.metadata.next.filter(|token| !token.is_empty());
        self.next = token.map(|token| format!("&continue={token}"));
        Ok(Some(list.items))
    }
}

/// One object; `None` where it is not there, may not be read, or is not what it should be.
pub(crate) async fn get<T: DeserializeOwned>(client: &Client, path: &str) -> Option<T> {
    let request = Request::get(path).body(Vec::new()).ok()?;
    match client.request(request).await {
        Ok(object) => Some(object),
        Err(error) => {
            tracing::debug!(path, %error, "cannot be read");
            None
        }
    }
}

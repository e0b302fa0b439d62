//! Lists of the store, page after page.
use crate::store::{Cursor, Page, StoreError};
use futures_util::stream::{self, Stream};

/// All rows of a list, as it is read after a cursor.
pub fn pages<T, F>(
    read: impl Fn(Option<Cursor>) -> F + Send + 'static,
) -> impl Stream<Item = Result<Vec<T>, StoreError>> + Send + 'static
where
    T: Send + 'static,
    F: Future<Output = Result<Page<T>, StoreError>> + Send + 'static,
{
    stream::try_unfold((read, Some(None)), |(read, after)| async move {
        let Some(after) = after else { return Ok(None) };
        let page = read(after).await?;
        Ok(Some((page.items, (read, page.next.map(Some)))))
    })
}

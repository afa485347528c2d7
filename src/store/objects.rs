//! A folder of the lake as a stream of its objects, in the order of their keys, a page in memory at a time.

use std::vec;

use super::{LakeKey, Listed, Store, StoreError};

pub(crate) struct Objects<'a> {
    store: &'a dyn Store,
    folder: LakeKey,
    page: std::iter::Peekable<vec::IntoIter<Listed>>,
    /// Where the next page begins; nothing for the first.
    after: Option<LakeKey>,
    more: bool,
    /// Names that are no keys, of the pages so far, until they are taken.
    pub(crate) strange: Vec<String>,
}

impl<'a> Objects<'a> {
    /// All below `folder`. Nothing is asked for yet.
    pub(crate) fn below(store: &'a dyn Store, folder: LakeKey) -> Self {
        Self {
            store,
            folder,
            page: Vec::new().into_iter().peekable(),
            after: None,
            more: true,
            strange: Vec::new(),
        }
    }

    /// The next object, which stays the next one.
    pub(crate) async fn peek(&mut self) -> Result<Option<&Listed>, StoreError> {
        while self.page.peek().is_none() && self.more {
            let page = self.store.list(&self.folder, self.after.as_ref()).await?;
            // A page that says there are more and has none would be asked for again and again.
            self.more = page.more && !page.objects.is_empty();
            self.strange.extend(page.strange);
            // Sorted as they are, what is missing is seen as it goes by.
            let keys = self.after.iter().chain(page.objects.iter().map(|listed| &listed.key));
            if !keys.is_sorted_by(|one, next| one < next) {
                let why = "the keys come in no order: only a store that lists by the bytes of keys can hold a lake";
                return Err(StoreError::new("list", &self.folder, false, why));
            }
            self.after = page.objects.last().map(|listed| listed.key.clone());
            self.page = page.objects.into_iter().peekable();
        }
        Ok(self.page.peek())
    }

    /// The next object.
    pub(crate) async fn next(&mut self) -> Result<Option<Listed>, StoreError> {
        self.peek().await?;
        Ok(self.page.next())
    }
}

//! Work of which some runs at a time, and whose results are taken as they come.

use std::future::Future;

use tokio::task::JoinSet;

/// Futures of which some run at a time. Dropped, it stops them where they stand: what they do can be stopped anywhere.
pub(crate) struct AtOnce<T, E> {
    running: JoinSet<Result<T, E>>,
    max: usize,
}

impl<T: Send + 'static, E: Send + 'static> AtOnce<T, E> {
    /// At most `max` of them at a time.
    pub(crate) fn new(max: usize) -> Self {
        Self {
            running: JoinSet::new(),
            max,
        }
    }

    /// Begins another. Where there are many, the result of one comes first.
    pub(crate) async fn add(
        &mut self,
        future: impl Future<Output = Result<T, E>> + Send + 'static,
    ) -> Result<Option<T>, E> {
        let ended = match self.running.len() < self.max {
            true => None,
            false => self.next().await?,
        };
        self.running.spawn(future);
        Ok(ended)
    }

    /// The result of the next one that ends; nothing where none is running.
    pub(crate) async fn next(&mut self) -> Result<Option<T>, E> {
        match self.running.join_next().await {
            None => Ok(None),
            Some(Ok(result)) => result.map(Some),
            Some(Err(ended)) => match ended.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(shutdown) => unreachable!("tasks are neither detached nor aborted: {shutdown}"),
            },
        }
    }
}

//! How the C library hands out memory.

/// One heap for all threads, to be asked for before there are any.
///
/// By default each thread soon has a heap of its own, and what has been freed in one is of no use to the others: with parts of
/// 8 MiB that are filled by one thread and sent by others that took half as much again. See `benches/README.md`.
pub fn share() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        #[expect(
            unsafe_code,
            reason = "a third of the memory of a load from S3; see benches/README.md"
        )]
        // SAFETY: takes two numbers, and may be called at any time. An unknown number is refused, which changes nothing.
        unsafe {
            libc::mallopt(libc::M_ARENA_MAX, 1);
        }
    }
}

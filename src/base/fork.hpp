#pragma once

namespace llmdit {

/// Note [After a fork]
/// A forked child has one thread, while libtorch's pool still counts on its others: GCC's OpenMP runtime waits for them
/// forever. So the first call in a child sets libtorch to one thread, as torch's own data loaders do in their workers.
/// It costs a test of one flag, and stands at every public entry point (translate_errors).
void compute_alone_after_fork();

}  // namespace llmdit

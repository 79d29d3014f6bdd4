#pragma once
// Whole small files: configuration, keys, tokens.  Paths come from the operator, never from the
// sandboxed program.

#include <sys/types.h>

#include <string>
#include <string_view>

#include "base/result.hpp"
#include "base/secret.hpp"

namespace keyward {

constexpr std::size_t default_file_limit = std::size_t{4} << 20;  // bytes

// A regular file of at most `limit` bytes.  Symbolic links are followed.
Result<std::string> read_file(const std::string& path, std::size_t limit = default_file_limit);

// As read_file, for files that hold a secret: refused when group or others can read or write it, or
// when it belongs neither to the caller nor to root.  The remedy is in the error.
Result<Secret> read_secret_file(const std::string& path, std::size_t limit = default_file_limit);

// Standard input to its end, under the name "standard input" in errors.
Result<std::string> read_standard_input(std::size_t limit = default_file_limit);

// All of it, from the descriptor's position on.  `path` names it in errors.
Result<> write_all(int fd, std::string_view content, const std::string& path);

// Writes a new file beside `path`, syncs it, renames it over `path` and syncs the directory: a
// reader sees the old or the new content, also after a crash.
Result<> replace_file(const std::string& path, std::string_view content, mode_t mode);

// As replace_file, but `path` must not exist (Code::exists).
Result<> create_file(const std::string& path, std::string_view content, mode_t mode);

}  // namespace keyward

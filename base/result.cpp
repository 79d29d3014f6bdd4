#include "base/result.hpp"

#include <cerrno>
#include <cstring>
#include <iterator>

namespace keyward {
namespace {

Code code_of(int error_number) {
  switch (error_number) {
    case EPERM:
    case EACCES:
      return Code::denied;
    case ENOENT:
    case ESRCH:
      return Code::not_found;
    case EEXIST:
      return Code::exists;
    case EINVAL:
    case ENOTDIR:
    case ELOOP:
    case ENAMETOOLONG:
      return Code::invalid;
    case ENOSYS:
    case EOPNOTSUPP:
      return Code::unsupported;
    case ETIMEDOUT:
      return Code::timeout;
    default:
      return Code::io;
  }
}

struct CodeRow {
  Code code;
  std::string_view name;
  int grpc;  // google.rpc.Code
};
constexpr CodeRow code_rows[] = {{Code::invalid, "invalid", 3},
                                 {Code::timeout, "timeout", 4},
                                 {Code::not_found, "not_found", 5},
                                 {Code::exists, "exists", 6},
                                 {Code::denied, "denied", 7},
                                 {Code::exhausted, "exhausted", 8},
                                 {Code::precondition, "precondition", 9},
                                 {Code::conflict, "conflict", 10},
                                 {Code::unsupported, "unsupported", 12},
                                 {Code::io, "io", 13},
                                 {Code::unavailable, "unavailable", 14},
                                 {Code::unauthenticated, "unauthenticated", 16},
                                 {Code::internal, "internal", 13}};

const CodeRow& row_of(Code code) {
  for (const CodeRow& row : code_rows)
    if (row.code == code) return row;
  return *std::rbegin(code_rows);
}

}  // namespace

std::string_view to_string(Code code) { return row_of(code).name; }
int grpc_code(Code code) { return row_of(code).grpc; }

Code code_of_grpc(int number) {
  for (const CodeRow& row : code_rows)
    if (row.grpc == number && row.code != Code::io) return row.code;
  return Code::internal;
}

tl::unexpected<Error> fail_errno(std::string_view what, int error_number) {
  char buffer[128];
  // GNU strerror_r: the result may or may not be `buffer`.
  const char* text = ::strerror_r(error_number, buffer, sizeof buffer);
  return fail(code_of(error_number), std::string(what) + ": " + text);
}

tl::unexpected<Error> fail_errno(std::string_view what) { return fail_errno(what, errno); }

tl::unexpected<Error> fail_at(std::string_view where, Error error) {
  return fail(error.code, std::string(where) + ": " + std::move(error.what));
}

}  // namespace keyward

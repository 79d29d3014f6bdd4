#include "base/result.hpp"

#include <cerrno>
#include <cstring>

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

}  // namespace

std::string_view to_string(Code code) {
  switch (code) {
    case Code::invalid:
      return "invalid";
    case Code::denied:
      return "denied";
    case Code::unauthenticated:
      return "unauthenticated";
    case Code::not_found:
      return "not_found";
    case Code::exists:
      return "exists";
    case Code::conflict:
      return "conflict";
    case Code::exhausted:
      return "exhausted";
    case Code::unavailable:
      return "unavailable";
    case Code::timeout:
      return "timeout";
    case Code::unsupported:
      return "unsupported";
    case Code::io:
      return "io";
    case Code::internal:
      return "internal";
  }
  return "internal";
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

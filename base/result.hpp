#pragma once
// Every failure in Keyward is a value: Result<T> holds a T or an Error.  Nothing in the project
// throws; exceptions of libraries are caught at thread and coroutine entries.

#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

namespace keyward {

// What kind of failure it is.  docs/ERRORS.md maps each to an exit code and to a gRPC status.
enum class Code {
  invalid,
  denied,
  unauthenticated,
  not_found,
  exists,
  conflict,      // somebody else changed it meanwhile
  precondition,  // how things stand does not allow it
  exhausted,     // a limit was reached
  unavailable,
  timeout,
  unsupported,
  io,
  internal
};

std::string_view to_string(Code code);

// gRPC's status numbers, which are exit codes too (docs/ERRORS.md).
int grpc_code(Code code);
Code code_of_grpc(int number);  // Code::internal for a number that no Code has

// `what` names the place, the cause and, where there is one, the remedy.  It never contains a
// secret: it is safe to log.
struct [[nodiscard]] Error {
  Code code = Code::internal;
  std::string what;
};

template <class T = void>
using Result = tl::expected<T, Error>;

inline tl::unexpected<Error> fail(Code code, std::string what) {
  return tl::unexpected<Error>(Error{code, std::move(what)});
}

// Turns the calling thread's errno into an Error: "<what>: <strerror>".  The only place where errno
// becomes text.
tl::unexpected<Error> fail_errno(std::string_view what);
tl::unexpected<Error> fail_errno(std::string_view what, int error_number);

// Puts "<where>: " in front of an error's text, for callers that know the file or the setting.
tl::unexpected<Error> fail_at(std::string_view where, Error error);

}  // namespace keyward

#define KEYWARD_JOIN_INNER(a, b) a##b
#define KEYWARD_JOIN(a, b) KEYWARD_JOIN_INNER(a, b)

// TRY(expr): returns the error of a Result<> expression from the enclosing function.
#define TRY(expression) TRY_INNER(expression, KEYWARD_JOIN(try_, __COUNTER__))
#define TRY_INNER(expression, result)                              \
  do {                                                             \
    auto result = (expression);                                    \
    if (!result) return tl::unexpected(std::move(result).error()); \
  } while (false)

// TRY_ASSIGN(auto x, expr): as TRY, and names the value.
#define TRY_ASSIGN(declaration, expression) \
  TRY_ASSIGN_INNER(declaration, expression, KEYWARD_JOIN(try_, __COUNTER__))
#define TRY_ASSIGN_INNER(declaration, expression, result)        \
  auto result = (expression);                                    \
  if (!result) return tl::unexpected(std::move(result).error()); \
  declaration = std::move(*result)

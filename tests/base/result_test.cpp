#include "base/result.hpp"

#include <doctest/doctest.h>

using namespace keyward;

TEST_CASE("result: a code, its gRPC number and back") {
  for (const Code code : {Code::invalid, Code::denied, Code::unauthenticated, Code::not_found,
                          Code::exists, Code::conflict, Code::exhausted, Code::unavailable,
                          Code::timeout, Code::unsupported, Code::precondition, Code::internal}) {
    CAPTURE(to_string(code));
    CHECK(code_of_grpc(grpc_code(code)) == code);
  }
  CHECK(grpc_code(Code::io) == grpc_code(Code::internal));
  CHECK(to_string(Code::io) == "io");
  for (const int number : {-1, 0, 1, 2, 11, 15, 17}) CHECK(code_of_grpc(number) == Code::internal);
}

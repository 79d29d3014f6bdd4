#pragma once
// Why a request is not carried out, as the client is told.  Pure.

#include <memory>
#include <string>
#include <tl/expected.hpp>
#include <utility>

#include "base/result.hpp"
#include "netproxy/http/problem.hpp"
#include "netproxy/policy/policy.hpp"
#include "netproxy/sigv4/s3_error.hpp"

namespace keyward::netproxy {

// A problem in a box: refusals are rare and have many words, and every step of a request has room
// for one.
class Refusal {
 public:
  Refusal(Problem problem) : problem_(std::make_unique<Problem>(std::move(problem))) {}
  Refusal(const Refusal& other) : Refusal(*other.problem_) {}
  Refusal& operator=(const Refusal& other) { return *this = Refusal(other); }
  Refusal(Refusal&&) noexcept = default;
  Refusal& operator=(Refusal&&) noexcept = default;
  ~Refusal() = default;

  const Problem& problem() const { return *problem_; }
  operator const Problem&() const { return *problem_; }

 private:
  std::unique_ptr<Problem> problem_;
};

// A value, or the problem document that the client gets instead.
template <class T = void>
using Answer = tl::expected<T, Refusal>;

Problem denied(const Verdict& verdict, bool tunnel);
Problem bad_request(const Error& error);         // 400, or 501 for Code::unsupported
Problem misdirected(const std::string& detail);  // 421
Problem prohibited_address(const Error& error);  // 403, resolved to where nobody may go
Problem unresolved(const Error& error);          // 502 / 504
Problem unreachable(const Error& error);         // 502 / 504, nothing was sent
Problem untrusted(const std::string& detail);    // 502, the upstream's certificate
Problem broken_upstream(const Error& error);     // 502 / 504, after something was sent
Problem credential_missing(const Error& error);  // 403 / 503
Problem token_unavailable(const Error& error);   // 502 / 503, no token of a grant
Problem keys_unavailable(const Error& error);    // 503, no keys of a grant to sign with
Problem broken_body(const Error& error);         // 400, body and its declaration disagree
// In S3's own words and XML: a request for `resource` whose head or body is not what it claims.
Problem refused_by_s3(const S3Error& error, const std::string& resource);
// The body is not what the head says: broken_body, or refused_by_s3 while it was under way.
bool is_body_fault(const Problem& problem);
Problem body_too_large(const std::string& detail);  // 413
Problem client_left(const Error& error);            // nobody is there to be told
Problem overloaded();                               // 503, too many connections
Problem head_timeout();                             // 408
Problem head_too_large();                           // 431
Problem internal_failure(const Error& error);       // 503

}  // namespace keyward::netproxy

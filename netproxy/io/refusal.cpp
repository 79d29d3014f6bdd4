#include "netproxy/io/refusal.hpp"

#include "base/crypto.hpp"

namespace keyward::netproxy {
namespace {

constexpr const char* body_mismatch = "body_mismatch";
constexpr const char* s3_refusal = "s3_request_refused";

Problem make(int status, std::string code, std::string title, std::string detail) {
  Problem problem;
  problem.status = status;
  problem.code = std::move(code);
  problem.title = std::move(title);
  problem.detail = std::move(detail);
  return problem;
}

Problem upstream(int status, std::string code, std::string proxy_error, const Error& error) {
  Problem problem = make(status, std::move(code), "the upstream could not be used", error.what);
  problem.layer = "upstream";
  problem.proxy_error = std::move(proxy_error);
  problem.retryable = true;
  return problem;
}

}  // namespace

Problem denied(const Verdict& verdict, bool tunnel) {
  Problem problem =
      make(403, std::string(to_string(verdict.denial)), "refused by policy", verdict.detail);
  problem.layer = tunnel ? "l4" : "l7";
  problem.proxy_error = "http_request_denied";
  problem.next_steps = {"ask the operator to allow this in network_policies",
                        "supervisor policy explain shows which rule would match"};
  if (verdict.denial == Denial::no_policy) {
    problem.status = 503;
    problem.title = "no policy holds";
    problem.next_steps = {"everything is refused until one does: the supervisor's log says more"};
  }
  if (verdict.endpoint != nullptr) problem.rule = verdict.endpoint->rule;
  return problem;
}

Problem bad_request(const Error& error) {
  const bool unsupported = error.code == Code::unsupported;
  Problem problem = make(unsupported ? 501 : 400, unsupported ? "not_served" : "malformed_request",
                         "the request is not understood", error.what);
  problem.proxy_error = "http_request_error";
  problem.layer = "http";
  return problem;
}

Problem misdirected(const std::string& detail) {
  Problem problem = make(421, "authority_mismatch", "the request names another host", detail);
  problem.proxy_error = "http_request_error";
  problem.next_steps = {"open a tunnel of its own for each host"};
  return problem;
}

Problem prohibited_address(const Error& error) {
  Problem problem =
      make(403, "destination_ip_prohibited", "the address may not be reached", error.what);
  problem.layer = "ssrf";
  problem.proxy_error = "destination_ip_prohibited";
  problem.next_steps = {"private ranges can be opened with allowed_ips on the endpoint"};
  return problem;
}

Problem unresolved(const Error& error) {
  if (error.code == Code::timeout) return upstream(504, "dns_timeout", "dns_timeout", error);
  return upstream(502, "dns_error", "dns_error", error);
}

Problem unreachable(const Error& error) {
  if (error.code == Code::timeout)
    return upstream(504, "connection_timeout", "connection_timeout", error);
  return upstream(502, "connection_failed", "destination_unavailable", error);
}

Problem untrusted(const std::string& detail) {
  Problem problem =
      upstream(502, "upstream_certificate", "tls_certificate_error", {Code::io, detail});
  problem.retryable = false;
  problem.next_steps = {"a private CA is added with --upstream-ca FILE"};
  return problem;
}

Problem broken_upstream(const Error& error) {
  if (error.code == Code::timeout)
    return upstream(504, "response_timeout", "http_response_timeout", error);
  if (error.code == Code::invalid)
    return upstream(502, "malformed_response", "http_protocol_error", error);
  return upstream(502, "connection_terminated", "connection_terminated", error);
}

Problem credential_missing(const Error& error) {
  const bool denied = error.code == Code::denied || error.code == Code::invalid;
  Problem problem = make(denied ? 403 : 503, denied ? "signing_refused" : "credential_missing",
                         "the request cannot be signed", error.what);
  problem.layer = "credential";
  problem.proxy_error = denied ? "http_request_denied" : "proxy_configuration_error";
  problem.retryable = error.code == Code::unavailable;
  problem.next_steps = {problem.retryable
                            ? "try again in a moment: the supervisor's log says why there are none"
                            : "attach a provider whose binding names this endpoint"};
  return problem;
}

Problem token_unavailable(const Error& error) {
  const bool passes = error.code == Code::unavailable || error.code == Code::timeout;
  Problem problem = make(
      passes ? 503 : 502, "token_unavailable", "no token could be obtained for the request",
      passes ? "its token grant has no token at the moment" : "its token grant cannot be used");
  problem.log_detail = error.what;
  problem.layer = "credential";
  problem.proxy_error = "proxy_configuration_error";
  problem.retryable = passes;
  problem.next_steps = {passes ? "try again in a moment"
                               : "ask the operator: the audit record says why"};
  return problem;
}

Problem keys_unavailable(const Error& error) {
  Problem problem = token_unavailable(error);
  problem.status = 503;
  problem.code = "credential_missing";
  problem.title = "the request cannot be signed";
  problem.detail = problem.retryable ? "the grant of its keys has none at the moment"
                                     : "the grant of its keys cannot be used";
  return problem;
}

Problem broken_body(const Error& error) {
  Problem problem =
      make(400, body_mismatch, "the body is not what the request declares", error.what);
  problem.proxy_error = "http_request_error";
  return problem;
}

Problem body_too_large(const std::string& detail) {
  Problem problem = make(413, "body_too_large", "the body is too large to be held", detail);
  problem.proxy_error = "http_request_error";
  return problem;
}

Problem refused_by_s3(const S3Error& error, const std::string& resource) {
  Problem problem = make(http_status(error.code), s3_refusal, "the request is not what it claims",
                         std::string(to_string(error.code)) + ": " + error.message);
  problem.proxy_error = "http_request_error";
  problem.decision_id = random_uuid();
  problem.xml = render_xml(error, {resource, problem.decision_id});
  return problem;
}

bool is_body_fault(const Problem& problem) {
  return problem.code == body_mismatch || problem.code == s3_refusal;
}

Problem client_left(const Error& error) {
  Problem problem = make(499, "client_closed", "the client left", error.what);
  problem.layer = "client";
  problem.proxy_error = "http_request_error";
  return problem;
}

Problem overloaded() {
  Problem problem =
      make(503, "connection_limit", "too many connections", "close idle connections first");
  problem.layer = "l4";
  problem.proxy_error = "connection_limit_reached";
  problem.retryable = true;
  return problem;
}

Problem head_timeout() {
  Problem problem =
      make(408, "head_timeout", "the request head did not end in time", "send it at once");
  problem.proxy_error = "http_request_error";
  problem.retryable = true;
  return problem;
}

Problem head_too_large() {
  Problem problem =
      make(431, "head_too_large", "the request head is too large", "send fewer header bytes");
  problem.proxy_error = "http_request_error";
  return problem;
}

Problem internal_failure(const Error& error) {
  Problem problem = make(503, "internal", "the proxy could not do its part", error.what);
  problem.proxy_error = "proxy_internal_error";
  return problem;
}

}  // namespace keyward::netproxy

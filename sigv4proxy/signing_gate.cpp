#include "sigv4proxy/signing_gate.hpp"

#include <cstdio>

#include "base/bytes.hpp"
#include "base/crypto.hpp"
#include "base/log.hpp"
#include "netproxy/http/fields.hpp"
#include "netproxy/http/target.hpp"
#include "sigv4proxy/client_check.hpp"
#include "sigv4proxy/describe.hpp"

namespace keyward::sigv4proxy {
namespace {

using namespace netproxy;

constexpr std::size_t kept_of_errors = 2048;  // bytes

// The target as the upstream shall see it: no scheme, no authority, the prefix in front.
Answer<> set_target(RequestHead& head, const std::string& prefix) {
  if (head.method == "CONNECT")
    return tl::unexpected(bad_request({Code::unsupported, "this is not a tunnelling proxy"}));
  if (!head.target.starts_with('/')) {
    auto absolute = parse_absolute_target(head.target);
    if (!absolute) return tl::unexpected(bad_request(absolute.error()));
    head.target = std::move(absolute->target);
  }
  head.target.insert(0, prefix);
  return {};
}

// Whom the client means: an absolute target comes before Host (RFC 9112 section 3.2.2).
Answer<std::shared_ptr<const Upstream>> asked_upstream(AwsHosts& hosts, const RequestHead& head) {
  const std::string* host = find_header(head.headers, "host");
  std::string authority = host != nullptr ? *host : std::string();
  if (const auto absolute = parse_absolute_target(head.target)) authority = absolute->authority;
  auto found = hosts.find(authority);
  if (!found) return tl::unexpected(misdirected(found.error().what));
  return std::move(*found);
}

}  // namespace

Answer<> SigningGate::admit(Exchange& exchange) {
  RequestHead& head = exchange.request;
  exchange.asked_method = head.method;
  exchange.asked_path = head.target.substr(0, head.target.find('?'));
  std::shared_ptr<const Upstream> asked;
  if (settings_.hosts) {
    auto found = asked_upstream(*settings_.hosts, head);
    if (!found) return tl::unexpected(found.error());
    asked = std::move(*found);
  }
  const Upstream& upstream = asked ? *asked : settings_.upstream;
  exchange.target = upstream.target;
  if (const auto checked = check_client(exchange); !checked) return checked;
  exchange.route = {upstream.to, upstream.secure, nullptr, false, upstream.key};
  if (const auto set = set_target(head, upstream.prefix); !set) return set;
  exchange.authority = upstream.authority;
  rewrite(head, settings_.rewriting);
  strip_request_hop_headers(head.headers);
  set_header(head.headers, "Host", exchange.authority);
  if (settings_.log_failed) exchange.keep_error_bytes = kept_of_errors;
  return choose_payload(exchange);
}

// Before anything of the head is changed.
Answer<> SigningGate::check_client(Exchange& exchange) const {
  if (deps_.clients == nullptr) return {};
  auto author = sigv4proxy::check_client(exchange.request, exchange.target, deps_.clock.now(),
                                         *deps_.clients);
  if (!author) return tl::unexpected(refused_by_s3(author.error(), exchange.asked_path));
  if (*author) exchange.chunks = ChunkResigner::Sides{std::move(*author), {}, {}};
  return {};
}

// What the head declares of signed chunks, and how they will leave.
Answer<> SigningGate::plan_chunks(Exchange& exchange) const {
  if (!exchange.chunks || !exchange.payload || !exchange.payload->chunked)
    return tl::unexpected(
        bad_request({Code::unsupported,
                     "signed chunks can be verified and signed anew where the proxy knows "
                     "the keys of its clients: --verify-chunks"}));
  const AwsChunkedBody& body = *exchange.payload->chunked;
  const ChunkSigning leaves = exchange.target.algorithm == SigningAlgorithm::ecdsa
                                  ? ChunkSigning::ecdsa
                                  : ChunkSigning::hmac;
  exchange.payload->hash = content_sha256_of({leaves, body.form.trailer});
  exchange.chunks->content_length = frame_chunks(exchange.request, body, leaves);
  return {};
}

// Sets the payload, or `collect` where the body must be read first (docs/SIGV4_PROXY.md, "Bodies").
Answer<> SigningGate::choose_payload(Exchange& exchange) const {
  RequestHead& head = exchange.request;
  const std::string& service = exchange.target.service;
  const bool has_body = head.framing != Framing::none;
  const std::string* declared = find_header(head.headers, "x-amz-content-sha256");
  const bool framed = declared != nullptr && declared->starts_with("STREAMING-");
  if (settings_.unsigned_payload && has_body && !framed)
    set_header(head.headers, "X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD");
  const bool said = find_header(head.headers, "x-amz-content-sha256") != nullptr;
  const bool known_length = head.framing == Framing::length;
  const bool small = known_length && head.content_length <= buffer_size;
  if (has_body && !said && is_s3_family(service) && known_length && !small)
    set_header(head.headers, "X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD");
  else if (has_body && !said) {
    exchange.collect = settings_.hold_limit;
    return {};
  }
  auto payload = netproxy::choose_payload(head, service);
  if (!payload) return tl::unexpected(bad_request(payload.error()));
  exchange.payload = std::move(*payload);
  return exchange.payload->mode == PayloadMode::signed_chunks ? plan_chunks(exchange) : Answer<>();
}

Answer<std::shared_ptr<const identity::AwsKeys>> SigningGate::usable_keys() const {
  const auto state = deps_.keys.get();
  if (!state || !state->keys)
    return tl::unexpected(credential_missing(
        {Code::unavailable, state ? state->problem : "no keys have been obtained yet"}));
  const auto& expires = state->keys->expires;
  if (expires && *expires <= deps_.clock.now() + settings_.signature_lifetime) {
    const std::string why = state->problem.empty() ? "" : ": " + state->problem;
    return tl::unexpected(
        credential_missing({Code::unavailable, "the keys end at " + iso_time(*expires) +
                                                   " and were not renewed" + why}));
  }
  return state->keys;
}

// In the header; or in the query, where a signature says how long it is good.
Result<> SigningGate::sign(Exchange& exchange, const SigningInput& input) const {
  if (settings_.signature_lifetime.count() > 0 && !exchange.chunks)
    return presign_request(exchange.request, input, settings_.signature_lifetime);
  TRY_ASSIGN(std::string seed, sign_request(exchange.request, input));
  if (!exchange.chunks) return {};
  TRY_ASSIGN(exchange.chunks->editor, chunk_editor(exchange.request, input, std::move(seed)));
  return {};
}

Answer<> SigningGate::finish(Exchange& exchange, std::string_view body, SigningKeys& cache) {
  if (exchange.collect > 0)
    exchange.payload =
        Payload{body.empty() ? PayloadMode::empty : PayloadMode::hex_hash, hex(sha256(body))};
  const auto keys = usable_keys();
  if (!keys) return tl::unexpected(keys.error());
  if (!exchange.payload)
    return tl::unexpected(internal_failure({Code::internal, "a request without a payload mode"}));
  const bool described = settings_.dry_run || settings_.log_signing;
  const std::string target = described ? exchange.request.target : std::string();
  const SigningInput input{(*keys)->pair,      exchange.target,   *exchange.payload,
                           exchange.authority, deps_.clock.now(), &cache};
  const Result<> done = sign(exchange, input);
  if (!done) return tl::unexpected(bad_request(done.error()));
  deps_.metrics.count_signature();
  if (described) describe(exchange, target);
  return {};
}

void SigningGate::describe(Exchange& exchange, const std::string& target) const {
  const std::string text =
      describe_signature({exchange.request, target, exchange.target,
                          exchange.payload ? exchange.payload->hash : std::string()});
  if (settings_.log_signing) log::info("signed", {{"how", text}});
  if (!settings_.dry_run) return;
  std::fputs((text + "\n").c_str(), stdout);
  std::fflush(stdout);
  exchange.local = LocalAnswer{200, "text/plain; charset=utf-8", text};
}

void SigningGate::explain(Problem& problem) {
  problem.policy_hash.clear();
  problem.next_steps.clear();
  if (problem.code == "credential_missing")
    problem.next_steps = {"give the proxy credentials: sigv4-proxy --help lists where it looks"};
  if (problem.code == "upstream_certificate")
    problem.next_steps = {"name the authority of the upstream's certificate with --ca FILE"};
  if (problem.code == "body_too_large")
    problem.next_steps = {"send x-amz-content-sha256, or start the proxy with --unsigned-payload"};
}

void SigningGate::ended(const Exchange& exchange, const Problem* problem) {
  const AuditEvent& event = exchange.event;
  deps_.metrics.count({exchange.answered, problem != nullptr, event.bytes_up, event.bytes_down,
                       event.microseconds});
  const std::string status = std::to_string(exchange.answered);
  if (problem != nullptr)
    log::warn("refused", {{"method", exchange.asked_method},
                          {"path", exchange.asked_path},
                          {"status", status},
                          {"reason", problem->code},
                          {"detail", problem->detail}});
  else if (!exchange.error_body.empty())
    log::warn("upstream_refused", {{"method", exchange.asked_method},
                                   {"path", exchange.asked_path},
                                   {"status", status},
                                   {"body", exchange.error_body}});
  else
    log::debug(
        "forwarded",
        {{"method", exchange.asked_method}, {"path", exchange.asked_path}, {"status", status}});
}

}  // namespace keyward::sigv4proxy

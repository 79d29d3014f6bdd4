#include "netproxy/io/exchange.hpp"

#include "base/bytes.hpp"
#include "netproxy/http/fields.hpp"
#include "netproxy/http/target.hpp"
#include "netproxy/io/chunk_sides.hpp"

namespace keyward::netproxy {
namespace {

std::uint16_t default_port(bool secure) { return secure ? 443 : 80; }

Answer<Destination> to_destination(std::string_view authority, bool secure) {
  const auto parsed = parse_authority(authority);
  if (!parsed) return tl::unexpected(bad_request(parsed.error()));
  auto host = canonical_host(parsed->host);
  if (!host) return tl::unexpected(bad_request(host.error()));
  return Destination{std::move(*host), parsed->port != 0 ? parsed->port : default_port(secure)};
}

bool same(const Destination& a, const Destination& b) {
  return a.host == b.host && a.port == b.port;
}

Answer<> refuse_upgrade(const RequestHead& request) {
  if (find_header(request.headers, "upgrade") == nullptr) return {};
  return tl::unexpected(bad_request({Code::unsupported, "http: protocol upgrades are not served"}));
}

// Where the request's own words say that it goes (RFC 9112 section 3.2): the target wins over Host.
Answer<Destination> asked_destination(Exchange& exchange, const Origin& origin) {
  RequestHead& request = exchange.request;
  const std::string* host = find_header(request.headers, "host");
  if (request.target.starts_with('/')) {
    if (!origin.tunnel)
      return tl::unexpected(bad_request(
          {Code::invalid, "http: this is a proxy: it wants an absolute URL or CONNECT"}));
    if (host == nullptr) return *origin.tunnel;
    return to_destination(*host, origin.secure);
  }
  auto absolute = parse_absolute_target(request.target);
  if (!absolute) return tl::unexpected(bad_request(absolute.error()));
  if (absolute->scheme != (origin.secure ? "https" : "http"))
    return tl::unexpected(bad_request(
        {Code::invalid, "http: https goes through CONNECT, nothing else but http without"}));
  request.target = std::move(absolute->target);
  return to_destination(absolute->authority, origin.secure);
}

Answer<> set_route(Exchange& exchange, const Origin& origin) {
  auto asked = asked_destination(exchange, origin);
  if (!asked) return tl::unexpected(asked.error());
  if (origin.tunnel) exchange.route.to = *origin.tunnel;
  if (origin.tunnel && !same(*asked, *origin.tunnel))
    return tl::unexpected(misdirected("the request is for " + asked->host + ", the tunnel for " +
                                      origin.tunnel->host));
  exchange.route.to = std::move(*asked);
  exchange.route.secure = origin.secure;
  return {};
}

// Who signs.  Both live as long as the exchange.
struct Signer {
  const AwsCredentials* keys = nullptr;
  std::string_view provider;
};

// Code::not_found: none, else why they cannot be used.
Result<const BoundAwsCredentials*> bound_keys(const Exchange& exchange, TimePoint now) {
  if (!exchange.credentials)
    return fail(Code::not_found, "credentials: none have been delivered yet");
  const CredentialRequest wanted{exchange.route.to.host, exchange.route.to.port,
                                 exchange.verdict.path,
                                 exchange.verdict.endpoint->model.credential_provider};
  return select_aws(*exchange.credentials, wanted, now);
}

// Keys of a grant are those that are bound, and there must be no others beside them.
Answer<Signer> bind_granted(const Exchange& exchange, const GrantedSigner& signer, TimePoint now) {
  const auto others = bound_keys(exchange, now);
  if (others || others.error().code != Code::not_found)
    return tl::unexpected(credential_missing(
        {Code::denied, "the grant of " + exchange.injection->provider +
                           " and other AWS credentials are bound there; name one provider with "
                           "credential_binding"}));
  if (now >= signer.expires)
    return tl::unexpected(keys_unavailable(
        {Code::unavailable, exchange.injection->provider + ": the keys have ended meanwhile"}));
  return Signer{signer.keys.get(), exchange.injection->provider};
}

// None of the reasons is the client's own fault.
Error not_there(const Error& error) {
  const bool passes = error.code == Code::unavailable;
  return {passes ? Code::unavailable : Code::not_found, error.what};
}

Answer<Signer> bind_credentials(const Exchange& exchange, TimePoint now) {
  if (exchange.injection) {
    const std::optional<GrantedSigner>& granted = exchange.injection->signer;
    if (granted) return bind_granted(exchange, *granted, now);
  }
  const auto found = bound_keys(exchange, now);
  if (!found) return tl::unexpected(credential_missing(not_there(found.error())));
  return Signer{&(*found)->keys, (*found)->provider};
}

Answer<std::optional<ClientScope>> check_client_key(const Exchange& exchange,
                                                    const Placeholder& placeholder) {
  auto scope = client_scope(exchange.request);
  if (!scope) return tl::unexpected(credential_missing({Code::denied, scope.error().what}));
  const std::optional<ClientScope>& claimed = *scope;
  if (claimed && claimed->access_key_id != placeholder.access_key_id)
    return tl::unexpected(credential_missing(
        {Code::denied,
         "sigv4: the request is signed with a key that is not this sandbox's placeholder"}));
  return std::move(*scope);
}

// What the client declares of its body, as far as the policy and a presigned URL leave it.
Result<Payload> payload_for(const Exchange& exchange, const SigningTarget& target, bool presigned) {
  const CredentialSigning signing = exchange.verdict.endpoint->model.credential_signing;
  const RequestHead& head = exchange.request;
  Payload open{PayloadMode::unsigned_payload, "UNSIGNED-PAYLOAD"};
  const bool declared = find_header(head.headers, "x-amz-content-sha256") != nullptr;
  const bool no_body = signing == CredentialSigning::sigv4_no_body;
  // S3 takes the body of a presigned URL for unsigned; other services hash it.
  const bool presigned_open = presigned && !path_style_of(target.service).encode_again;
  Payload payload = open;
  if (declared || !(presigned_open || (no_body && head.framing != Framing::none))) {
    TRY_ASSIGN(payload, choose_payload(head, target.service));
  }
  if (presigned && payload.chunked)
    return fail(Code::unsupported, "a presigned URL is not for a body in chunks");
  const bool covered = payload.mode != PayloadMode::unsigned_payload &&
                       payload.mode != PayloadMode::unsigned_trailer;
  if (signing == CredentialSigning::sigv4_body && head.framing != Framing::none && !covered)
    return fail(Code::invalid,
                "the policy (sigv4:body) wants the body covered by the signature: send its SHA-256 "
                "in x-amz-content-sha256, or signed chunks");
  if (no_body && payload.mode == PayloadMode::hex_hash) return open;
  const bool chunks_by_ecdsa =
      payload.chunked && payload.chunked->form.signing == ChunkSigning::ecdsa;
  if (payload.mode == PayloadMode::signed_chunks &&
      chunks_by_ecdsa != (target.algorithm == SigningAlgorithm::ecdsa))
    return fail(Code::unsupported,
                "the chunks are signed by another algorithm than the request is to be: SigV4 or "
                "SigV4a for both");
  return payload;
}

// What follows changes the head; the chunks' signatures begin at the one over what the client sent.
void keep_signed_head(Exchange& exchange) {
  const std::string* value = find_header(exchange.request.headers, "x-amz-content-sha256");
  const auto form = value != nullptr ? aws_chunked_form(*value) : std::nullopt;
  if (form && form->signing != ChunkSigning::none) exchange.client_head = exchange.request;
}

// Of signed chunks, what the head declares: a fault is told in S3's words.
Answer<> check_chunked_head(const Exchange& exchange) {
  if (!exchange.client_head) return {};
  const Headers& headers = exchange.client_head->headers;
  const std::string* value = find_header(headers, "x-amz-content-sha256");
  const auto form = value != nullptr ? aws_chunked_form(*value) : std::nullopt;
  const auto body =
      form ? read_aws_chunked_body(headers, *form) : s3_fail(S3Code::invalid_argument);
  if (!body) return tl::unexpected(refused_by_s3(body.error(), exchange.asked_path));
  return {};
}

// Before the head is signed: is it the client's own, and how will what leaves be framed?
Answer<> begin_chunks(Exchange& exchange, const Placeholder& placeholder,
                      const SigningInput& input) {
  if (input.payload.mode != PayloadMode::signed_chunks) return {};
  if (!exchange.client_head || !input.payload.chunked)
    return tl::unexpected(internal_failure({Code::internal, "signed chunks without a head"}));
  auto author = verify_chunk_author(*exchange.client_head, placeholder, input);
  if (!author) return tl::unexpected(refused_by_s3(author.error(), exchange.asked_path));
  const auto length =
      frame_chunks(exchange.request, *input.payload.chunked, input.payload.chunked->form.signing);
  exchange.chunks = ChunkResigner::Sides{std::move(*author), {}, length};
  return {};
}

// The head, and what signs its chunks where it has some.
Result<> sign_all(Exchange& exchange, const SigningInput& input) {
  TRY_ASSIGN(std::string seed, sign_request(exchange.request, input));
  if (!exchange.chunks) return {};
  TRY_ASSIGN(exchange.chunks->editor, chunk_editor(exchange.request, input, std::move(seed)));
  return {};
}

// For the audit record, whatever comes of it.
void note_signing(Exchange& exchange, const AwsCredentials& keys, const SigningTarget& target) {
  constexpr std::size_t shown = 4;
  const std::string& id = keys.access_key_id;
  exchange.event.signing_region = target.region;
  exchange.event.signing_service = target.service;
  exchange.event.key_id_end = id.substr(id.size() - std::min(id.size(), shown));
  exchange.event.signing = target.algorithm == SigningAlgorithm::ecdsa ? "sigv4a" : "sigv4";
}

}  // namespace

std::string_view to_string(PayloadMode mode) {
  switch (mode) {
    case PayloadMode::hex_hash:
      return "hex_hash";
    case PayloadMode::empty:
      return "empty";
    case PayloadMode::unsigned_payload:
      return "unsigned_payload";
    case PayloadMode::unsigned_trailer:
      return "unsigned_trailer";
    case PayloadMode::signed_chunks:
      return "signed_chunks";
  }
  return "unknown";
}

Answer<> decide(Exchange& exchange, const Origin& origin) {
  RequestHead& request = exchange.request;
  exchange.asked_method = request.method;
  exchange.asked_path = request.target.substr(0, request.target.find('?'));
  if (const auto plain = refuse_upgrade(request); !plain) return plain;
  if (const auto routed = set_route(exchange, origin); !routed) return routed;
  keep_signed_head(exchange);
  if (!exchange.policy) {
    exchange.verdict.denial = Denial::no_policy;
    exchange.verdict.detail = "no policy has been loaded yet";
    return tl::unexpected(denied(exchange.verdict, false));
  }
  const std::size_t query = std::min(request.target.find('?'), request.target.size());
  const std::string path = request.target.substr(0, query);
  exchange.query = request.target.substr(query);
  exchange.asked_path = path;
  exchange.verdict =
      exchange.policy->decide_request(exchange.route.to, request.method, path, origin.executables);
  if (!exchange.verdict.allowed || exchange.verdict.endpoint == nullptr)
    return tl::unexpected(denied(exchange.verdict, false));
  Route& route = exchange.route;
  route.endpoint = exchange.verdict.endpoint;
  exchange.authority = format_authority(route.to.host, route.to.port, default_port(route.secure));
  route.key = (route.secure ? "https " : "http ") + exchange.authority + " " +
              route.endpoint->rule + " " + exchange.policy->hash();
  request.target = exchange.verdict.path + exchange.query;
  strip_request_hop_headers(request.headers);
  set_header(request.headers, "Host", exchange.authority);
  return {};
}

Answer<> sign(Exchange& exchange, const Placeholder& placeholder, SigningKeys& signing_keys,
              TimePoint now) {
  const EndpointModel& endpoint = exchange.verdict.endpoint->model;
  if (endpoint.credential_signing == CredentialSigning::none) return {};
  const auto scope = check_client_key(exchange, placeholder);
  if (!scope) return tl::unexpected(scope.error());
  const auto signer = bind_credentials(exchange, now);
  if (!signer) return tl::unexpected(signer.error());
  auto target = choose_target(endpoint.signing_region, endpoint.signing_service, *scope,
                              exchange.route.to.host);
  if (!target) return tl::unexpected(credential_missing({Code::denied, target.error().what}));
  if (endpoint.credential_signing == CredentialSigning::sigv4a)
    target->algorithm = SigningAlgorithm::ecdsa;
  const bool by_ecdsa = *scope && (*scope)->algorithm == SigningAlgorithm::ecdsa;
  if (by_ecdsa && target->algorithm == SigningAlgorithm::hmac)
    return tl::unexpected(
        credential_missing({Code::denied, "the client signs with SigV4a, the policy says sigv4"}));
  const bool presigned = *scope && (*scope)->presigned;
  note_signing(exchange, *signer->keys, *target);
  if (const auto declared = check_chunked_head(exchange); !declared) return declared;
  auto payload = payload_for(exchange, *target, presigned);
  if (!payload) return tl::unexpected(bad_request(payload.error()));
  const AwsCredentials& credentials = *signer->keys;
  const auto derived = choose_key(credentials, {amz_date(now).substr(0, 8), target->region,
                                                target->service, target->algorithm});
  if (!derived) return tl::unexpected(credential_missing(derived.error()));
  const SigningInput input{credentials, std::move(*target), *payload, exchange.authority,
                           now,         &signing_keys,      *derived};
  if (const auto begun = begin_chunks(exchange, placeholder, input); !begun) return begun;
  const Result<> done =
      presigned ? represign_request(exchange.request, input) : sign_all(exchange, input);
  if (!done) return tl::unexpected(credential_missing(done.error()));
  exchange.credential = signer->provider;
  exchange.payload = std::move(*payload);
  return {};
}

}  // namespace keyward::netproxy

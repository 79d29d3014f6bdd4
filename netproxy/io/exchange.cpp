#include "netproxy/io/exchange.hpp"

#include "base/bytes.hpp"
#include "netproxy/http/fields.hpp"
#include "netproxy/http/target.hpp"

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

Answer<const BoundAwsCredentials*> bind_credentials(const Exchange& exchange, TimePoint now) {
  const EndpointModel& endpoint = exchange.verdict.endpoint->model;
  if (!exchange.credentials)
    return tl::unexpected(
        credential_missing({Code::unavailable, "credentials: none have been delivered yet"}));
  const CredentialRequest wanted{exchange.route.to.host, exchange.route.to.port,
                                 exchange.verdict.path, endpoint.credential_provider};
  const auto found = select_aws(*exchange.credentials, wanted, now);
  if (!found) return tl::unexpected(credential_missing({Code::unavailable, found.error().what}));
  return *found;
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
  }
  return "unknown";
}

Answer<> decide(Exchange& exchange, const Origin& origin) {
  RequestHead& request = exchange.request;
  exchange.asked_method = request.method;
  exchange.asked_path = request.target.substr(0, request.target.find('?'));
  if (const auto plain = refuse_upgrade(request); !plain) return plain;
  if (const auto routed = set_route(exchange, origin); !routed) return routed;
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
  const auto keys = bind_credentials(exchange, now);
  if (!keys) return tl::unexpected(keys.error());
  auto target = choose_target(endpoint.signing_region, endpoint.signing_service, *scope,
                              exchange.route.to.host);
  if (!target) return tl::unexpected(credential_missing({Code::denied, target.error().what}));
  auto payload = choose_payload(exchange.request, target->service);
  if (!payload) return tl::unexpected(bad_request(payload.error()));
  const AwsCredentials& credentials = (*keys)->keys;
  const auto derived =
      choose_key(credentials, {amz_date(now).substr(0, 8), target->region, target->service});
  if (!derived) return tl::unexpected(credential_missing(derived.error()));
  const SigningInput input{credentials, std::move(*target), *payload, exchange.authority,
                           now,         &signing_keys,      *derived};
  const Result<> signed_now = sign_request(exchange.request, input);
  if (!signed_now) return tl::unexpected(credential_missing(signed_now.error()));
  exchange.credential = (*keys)->provider;
  exchange.payload = std::move(*payload);
  return {};
}

}  // namespace keyward::netproxy

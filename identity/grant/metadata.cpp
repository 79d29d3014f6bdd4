#include "identity/grant/metadata.hpp"

#include <nlohmann/json.hpp>

#include "base/url.hpp"
#include "identity/jwt/json_object.hpp"

namespace keyward::identity {
namespace {

constexpr JsonLimits limits{8, 1024};

tl::unexpected<Error> refused(const std::string& why) {
  return fail(Code::denied, "authorization server metadata: " + why);
}

std::string text_of(const nlohmann::json& document, const char* name) {
  const auto found = document.find(name);
  return found != document.end() && found->is_string() ? found->get<std::string>() : std::string();
}

}  // namespace

Result<std::vector<std::string>> metadata_urls(std::string_view issuer) {
  TRY_ASSIGN(const Url url, parse_url(issuer));
  if (url.target.find('?') != std::string::npos)
    return fail(Code::invalid, "an issuer has no query");
  const std::string origin = (url.tls ? "https://" : "http://") + url.authority();
  const std::string path =
      url.target.ends_with('/') ? url.target.substr(0, url.target.size() - 1) : url.target;
  return std::vector<std::string>{origin + "/.well-known/oauth-authorization-server" + path,
                                  origin + path + "/.well-known/openid-configuration"};
}

Result<ServerMetadata> parse_server_metadata(std::string_view text, std::string_view issuer) {
  if (text.size() > metadata_limit) return refused("larger than 256 KiB");
  if (!check_json_object(text, limits)) return refused("no JSON object, or one beyond the limits");
  const auto document = nlohmann::json::parse(text, nullptr, false);
  if (text_of(document, "issuer") != issuer)
    return refused("it names another issuer than the one that was asked");
  ServerMetadata metadata;
  metadata.token_endpoint = text_of(document, "token_endpoint");
  if (!parse_url(metadata.token_endpoint)) return refused("it names no token endpoint");
  metadata.tls_token_endpoint = metadata.token_endpoint;
  const auto aliases = document.find("mtls_endpoint_aliases");
  if (aliases == document.end()) return metadata;
  if (!aliases->is_object()) return refused("its mtls_endpoint_aliases are no object");
  if (!aliases->contains("token_endpoint")) return metadata;
  metadata.tls_token_endpoint = text_of(*aliases, "token_endpoint");
  if (!parse_url(metadata.tls_token_endpoint))
    return refused("its alias for clients with a certificate is no token endpoint");
  return metadata;
}

}  // namespace keyward::identity

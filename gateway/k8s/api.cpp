#include "gateway/k8s/api.hpp"

#include <nlohmann/json.hpp>

#include "base/bytes.hpp"
#include "base/environment.hpp"
#include "base/file.hpp"

namespace keyward::gateway {
namespace {

using nlohmann::json;

constexpr std::size_t token_file_limit = 16 << 10;  // bytes
constexpr std::chrono::seconds patience{5};

// The gateway's own trouble: who presented a token has no part in it, and is told nothing of it.
tl::unexpected<Error> unavailable(const std::string& what) {
  return fail(Code::unavailable, "Kubernetes API: " + what);
}

Result<Secret> own_token(const KubernetesAccess& access) {
  // Kubernetes projects it readable for the pod's group.
  Result<std::string> text = read_file(access.token_file, token_file_limit);
  if (!text) return unavailable("the gateway's own token: " + text.error().what);
  Secret token{trim(*text)};
  wipe(text->data(), text->size());
  return token;
}

identity::HttpSettings settings_of(const KubernetesAccess& access) {
  identity::HttpSettings settings;
  settings.ca_pem = access.ca_pem;
  settings.deadline = patience;
  return settings;
}

// The member at the end of `path`; null where one is missing.
const json* find(const json& document, std::initializer_list<const char*> path) {
  const json* at = &document;
  for (const char* name : path) {
    if (!at->is_object()) return nullptr;
    const auto found = at->find(name);
    if (found == at->end()) return nullptr;
    at = &*found;
  }
  return at;
}

std::string text_at(const json& document, std::initializer_list<const char*> path) {
  const json* found = find(document, path);
  return found != nullptr && found->is_string() ? found->get<std::string>() : std::string();
}

std::vector<std::string> texts_at(const json& document, std::initializer_list<const char*> path) {
  const json* found = find(document, path);
  std::vector<std::string> texts;
  if (found != nullptr && found->is_array())
    for (const json& each : *found)
      if (each.is_string()) texts.push_back(each.get<std::string>());
  return texts;
}

class HttpKubernetesApi final : public KubernetesApi {
 public:
  explicit HttpKubernetesApi(KubernetesAccess access) : access_(std::move(access)) {}

  Result<TokenReviewAnswer> review(std::string_view token) override {
    const json question = {{"apiVersion", "authentication.k8s.io/v1"},
                           {"kind", "TokenReview"},
                           {"spec", {{"token", token}, {"audiences", {service_account_audience}}}}};
    TRY_ASSIGN(const json document,
               ask("POST", "/apis/authentication.k8s.io/v1/tokenreviews", question.dump()));
    TokenReviewAnswer answer;
    const json* authenticated = find(document, {"status", "authenticated"});
    answer.authenticated = authenticated != nullptr && *authenticated == json(true);
    answer.username = text_at(document, {"status", "user", "username"});
    answer.audiences = texts_at(document, {"status", "audiences"});
    answer.pod_names =
        texts_at(document, {"status", "user", "extra", "authentication.kubernetes.io/pod-name"});
    answer.pod_uids =
        texts_at(document, {"status", "user", "extra", "authentication.kubernetes.io/pod-uid"});
    return answer;
  }

  Result<Pod> pod(const std::string& in_namespace, const std::string& name) override {
    TRY_ASSIGN(const json document,
               ask("GET", "/api/v1/namespaces/" + in_namespace + "/pods/" + name, ""));
    return Pod{text_at(document, {"metadata", "uid"}),
               text_at(document, {"metadata", "annotations", "openshell.io/sandbox-id"})};
  }

 private:
  Result<json> ask(const char* method, const std::string& path, std::string body) {
    identity::HttpRequest request;
    auto url = parse_url(access_.url + path);
    if (!url) return unavailable(url.error().what);
    request.url = std::move(*url);
    TRY_ASSIGN(request.bearer, own_token(access_));
    request.method = method;
    request.body = Secret::take(body);
    const auto response = identity::send_http(settings_of(access_), request);
    if (!response) return unavailable(response.error().what);
    if (response->status == 404) return fail(Code::not_found, path + ": not found");
    if (response->status / 100 != 2)
      return unavailable(std::string(method) + " " + path + ": status " +
                         std::to_string(response->status));
    json document = json::parse(response->body, nullptr, false);
    if (document.is_object()) return document;
    return unavailable(path + ": the answer is no JSON object");
  }

  const KubernetesAccess access_;
};

}  // namespace

Result<std::string> in_cluster_url() {
  const auto environment = environment_map();
  const auto host = environment.find("KUBERNETES_SERVICE_HOST");
  const auto port = environment.find("KUBERNETES_SERVICE_PORT");
  if (host == environment.end() || port == environment.end())
    return fail(Code::invalid,
                "--kubernetes-url: not in a pod (KUBERNETES_SERVICE_HOST is not set), so it must "
                "be given");
  const bool v6 = host->second.find(':') != std::string::npos;
  return "https://" + (v6 ? "[" + host->second + "]" : host->second) + ":" + port->second;
}

std::unique_ptr<KubernetesApi> make_kubernetes_api(const KubernetesAccess& access) {
  return std::make_unique<HttpKubernetesApi>(access);
}

Result<IssuerKeys> cluster_keys(const KubernetesAccess& access) {
  TRY_ASSIGN(const Secret token, own_token(access));
  return discover_keys(settings_of(access), {access.url, "", true}, token);
}

}  // namespace keyward::gateway

#include "gateway/certgen/manifests.hpp"

#include <stdlib.h>

#include <algorithm>

#include "gateway/certgen/certificates.hpp"
#include "gateway/issue/key_ring.hpp"
#include "gateway/options.hpp"
#include "secret_volume.hpp"

using namespace keyward;
using namespace keyward::gateway;

namespace {

ManifestOptions usual() {
  ManifestOptions options;
  options.target_namespace = "sandboxes";
  options.server_name = "openshell-server-tls";
  options.client_name = "openshell-client-tls";
  options.jwt_name = "openshell-jwt-keys";
  return options;
}

std::vector<Manifest> made(const ManifestOptions& options) {
  const auto text = make_manifests(options, TestClock().time);
  REQUIRE(text);
  return read_manifests(std::string(text->reveal()));
}

std::map<std::string, std::string> jwt_data() {
  ManifestOptions options = usual();
  options.jwt_only = true;
  const auto manifests = made(options);
  REQUIRE(manifests.size() == 1);
  return manifests[0].data;
}

std::vector<std::string> keys_of(const std::map<std::string, std::string>& data) {
  std::vector<std::string> keys;
  for (const auto& [key, value] : data) keys.push_back(key);
  return keys;
}

}  // namespace

TEST_CASE("manifests: three Secrets with the types, names and keys that are mounted") {
  ManifestOptions options = usual();
  options.server_sans = {"Gateway.example.com"};
  const auto manifests = made(options);
  REQUIRE(manifests.size() == 3);
  const std::vector<std::string> tls = {"ca.crt", "tls.crt", "tls.key"},
                                 jwt = {"kid", "public.pem", "signing.pem"};
  const struct {
    const char *name, *type;
    const std::vector<std::string>& keys;
  } expected[] = {{"\"openshell-server-tls\"", "kubernetes.io/tls", tls},
                  {"\"openshell-client-tls\"", "kubernetes.io/tls", tls},
                  {"\"openshell-jwt-keys\"", "Opaque", jwt}};
  for (std::size_t i = 0; i < std::size(expected); ++i) {
    auto fields = manifests[i].fields;
    CAPTURE(expected[i].name);
    CHECK(fields["apiVersion"] == "v1");
    CHECK(fields["kind"] == "Secret");
    CHECK(fields["namespace"] == "\"sandboxes\"");
    CHECK(fields["name"] == expected[i].name);
    CHECK(fields["type"] == expected[i].type);
    CHECK(fields["immutable"] == "true");
    CHECK(keys_of(manifests[i].data) == expected[i].keys);
  }
  const auto &server = manifests[0].data, &client = manifests[1].data;
  CHECK(server.at("ca.crt") == client.at("ca.crt"));
  CHECK(server.at("tls.key") != client.at("tls.key"));
  const auto names = subject_names(server.at("tls.crt"));
  REQUIRE(names);
  for (const char* name : {"gateway.example.com", "localhost", "openshell.openshell.svc"})
    CHECK(std::find(names->begin(), names->end(), name) != names->end());
  const auto subject = certificate_subject(client.at("tls.crt"));
  REQUIRE(subject);
  CHECK(subject->units == std::vector<std::string>{std::string(sandbox_unit)});
}

TEST_CASE("manifests: the JWT Secret as a kubelet mounts it is a directory of token keys") {
  const TestDirectory directory;
  SecretVolume volume(directory / "openshell-jwt");
  const auto first = jwt_data(), second = jwt_data();
  REQUIRE(first.at("kid") != second.at("kid"));
  volume.mount(first);
  const TimePoint now = SystemClock().now();
  auto ring = KeyDirectory::open(volume.path(), std::chrono::seconds(3600), now);
  REQUIRE(ring);
  CHECK((*ring)->keys()->current.kid == first.at("kid"));
  const auto listed = list_keys(volume.path());
  REQUIRE(listed);
  CHECK(listed->size() == 1);
  CHECK_FALSE(*(*ring)->reload(now));

  volume.mount(second);  // ..data names another version now
  CHECK(*(*ring)->reload(now));
  CHECK((*ring)->keys()->current.kid == second.at("kid"));

  auto mixed = first;  // two versions of a Secret in one
  mixed["kid"] = second.at("kid");
  volume.mount(mixed);
  CHECK_FALSE((*ring)->reload(now));
  CHECK((*ring)->keys()->current.kid == second.at("kid"));
}

TEST_CASE("manifests: the token key alone needs one name; a dry run shows no key") {
  ManifestOptions options = usual();
  options.jwt_only = true;
  options.server_name = options.client_name = "";
  CHECK(made(options).size() == 1);
  options = usual();
  options.dry_run = true;
  const auto text = make_manifests(options, TestClock().time);
  REQUIRE(text);
  CHECK(text->reveal() ==
        "create Secret sandboxes/openshell-server-tls (kubernetes.io/tls): tls.crt tls.key ca.crt\n"
        "create Secret sandboxes/openshell-client-tls (kubernetes.io/tls): tls.crt tls.key ca.crt\n"
        "create Secret sandboxes/openshell-jwt-keys (Opaque): signing.pem public.pem kid\n");
}

TEST_CASE("manifests: names that Kubernetes would refuse, or that would be YAML, are refused") {
  using Text = std::string ManifestOptions::*;
  const std::string label(63, 'a');
  const struct {
    Text field;
    std::string value;
    const char* told;  // null: taken
  } cases[] = {
      {&ManifestOptions::target_namespace, "", "--namespace"},
      {&ManifestOptions::target_namespace, "a.b", "--namespace"},
      {&ManifestOptions::target_namespace, "Sandboxes", "--namespace"},
      {&ManifestOptions::target_namespace, "a\nkind", "--namespace"},
      {&ManifestOptions::target_namespace, label + "a", "--namespace"},
      {&ManifestOptions::target_namespace, label, nullptr},
      {&ManifestOptions::server_name, "", "--server-secret-name"},
      {&ManifestOptions::server_name, "123", nullptr},
      {&ManifestOptions::server_name, "a.b-c.d", nullptr},
      {&ManifestOptions::server_name, "a..b", "--server-secret-name"},
      {&ManifestOptions::server_name, "a.", "--server-secret-name"},
      {&ManifestOptions::server_name, "-a", "--server-secret-name"},
      {&ManifestOptions::server_name, "openshell-jwt-keys", "this name too"},
      {&ManifestOptions::client_name, "a\"b", "--client-secret-name"},
      {&ManifestOptions::client_name, "a_b", "--client-secret-name"},
      {&ManifestOptions::client_name, "a/b", "--client-secret-name"},
      {&ManifestOptions::jwt_name, "", "--jwt-secret-name"},
      {&ManifestOptions::jwt_name, "a b", "--jwt-secret-name"},
      {&ManifestOptions::jwt_name, label + "." + label + "." + label + "." + label,
       "--jwt-secret-name"},
  };
  for (const auto& c : cases) {
    CAPTURE(c.value);
    ManifestOptions options = usual();
    options.dry_run = true;
    options.*c.field = c.value;
    const auto manifests = make_manifests(options, TestClock().time);
    CHECK(manifests.has_value() == (c.told == nullptr));
    if (c.told == nullptr || manifests) continue;
    CHECK(manifests.error().code == Code::invalid);
    CAPTURE(manifests.error().what);
    CHECK(manifests.error().what.find(c.told) != std::string::npos);
  }
  ManifestOptions options = usual();
  options.server_sans = {"a,DNS:evil.example.com"};
  CHECK_FALSE(make_manifests(options, TestClock().time));
}

TEST_CASE("manifests: on the command line") {
  const std::vector<std::string> all = {"certgen",
                                        "--kubernetes",
                                        "--namespace",
                                        "one",
                                        "--server-secret-name",
                                        "s",
                                        "--client-secret-name",
                                        "c",
                                        "--jwt-secret-name",
                                        "j",
                                        "--server-san",
                                        "a.example.com"};
  const auto parsed = parse_options(all);
  REQUIRE(parsed);
  const auto& options = std::get<ManifestOptions>(parsed->action);
  CHECK(options.target_namespace == "one");
  CHECK(options.server_name == "s");
  CHECK(options.client_name == "c");
  CHECK(options.jwt_name == "j");
  CHECK(options.server_sans == std::vector<std::string>{"a.example.com"});
  CHECK_FALSE(options.jwt_only);
  CHECK_FALSE(options.force_terminal);

  ::setenv("POD_NAMESPACE", "of-the-pod", 1);
  const auto in_pod = parse_options({"certgen", "--kubernetes", "--jwt-only"});
  const auto named = parse_options(all);
  ::unsetenv("POD_NAMESPACE");
  CHECK(std::get<ManifestOptions>(in_pod->action).target_namespace == "of-the-pod");
  CHECK(std::get<ManifestOptions>(in_pod->action).jwt_only);
  CHECK(std::get<ManifestOptions>(named->action).target_namespace == "one");

  const std::vector<std::vector<std::string>> refused = {
      {"certgen"},
      {"certgen", "--output-dir", ""},
      {"certgen", "--jwt-only"},
      {"certgen", "--output-dir", "x", "--kubernetes"},
      {"certgen", "--kubernetes", "--user", "ann"},
      {"certgen", "--output-dir", "x", "--namespace", "a"},
      {"certgen", "--output-dir", "x", "--jwt-secret-name", "a"},
      {"certgen", "--output-dir", "x", "--force-terminal"},
  };
  for (const auto& arguments : refused) {
    CAPTURE(arguments.back());
    const auto result = parse_options(arguments);
    REQUIRE_FALSE(result);
    CHECK(result.error().code == Code::invalid);
  }
}

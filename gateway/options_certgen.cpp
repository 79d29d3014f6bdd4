#include "gateway/options_certgen.hpp"

#include <CLI/CLI.hpp>

#include "base/environment.hpp"

namespace keyward::gateway {
namespace {

// Returns the option that asks for them.
CLI::Option* declare_manifests(CLI::App& certgen, CertgenArguments& arguments) {
  ManifestOptions& manifests = arguments.manifests;
  CLI::Option* kubernetes = certgen
                                .add_flag("--kubernetes", arguments.kubernetes,
                                          "print Secrets for kubectl apply -f - and write no file")
                                ->group("Kubernetes");
  const struct {
    const char* name;
    std::string& target;
    const char* help;
  } texts[] = {
      {"--namespace", manifests.target_namespace, "of the Secrets (environment: POD_NAMESPACE)"},
      {"--server-secret-name", manifests.server_name, "Secret of the server's certificate"},
      {"--client-secret-name", manifests.client_name, "Secret of the sandboxes' certificate"},
      {"--jwt-secret-name", manifests.jwt_name, "Secret of the tokens' signing key"}};
  for (const auto& text : texts)
    certgen.add_option(text.name, text.target, text.help)->needs(kubernetes)->group("Kubernetes");
  certgen
      .add_flag("--force-terminal", manifests.force_terminal,
                "print private keys to a terminal too")
      ->needs(kubernetes)
      ->group("Kubernetes");
  return kubernetes;
}

ManifestOptions manifests_of(const CertgenArguments& arguments) {
  ManifestOptions manifests = arguments.manifests;
  manifests.server_sans = arguments.files.server_names;
  manifests.jwt_only = arguments.files.jwt_only;
  manifests.dry_run = arguments.files.dry_run;
  return manifests;
}

}  // namespace

CLI::Option* add_repeatable(CLI::App& app, const char* name, std::vector<std::string>& target,
                            const char* help) {
  return app.add_option(name, target, help)->allow_extra_args(false);
}

void declare_certgen(CLI::App& app, CertgenArguments& arguments, Options& options) {
  CertgenOptions& files = arguments.files;
  CLI::App* certgen = app.add_subcommand("certgen", "Make the CA, certificates and keys");
  certgen->fallthrough();
  CLI::Option* directory = certgen->add_option("--output-dir", files.output_dir,
                                               "directory, made 0700 when it is absent");
  add_repeatable(*certgen, "--server-san", files.server_names,
                 "another DNS name or address of the server (repeatable)");
  certgen->add_flag("--jwt-only", files.jwt_only, "the tokens' signing key alone");
  CLI::Option* user = certgen->add_option("--user", files.user,
                                          "a certificate for this user, by the CA that is there");
  certgen->add_flag("--admin", files.user_is_admin, "--user may do everything")->needs(user);
  certgen->add_flag("--dry-run", files.dry_run, "say what would be done");
  declare_manifests(*certgen, arguments)->excludes(directory)->excludes(user);
  certgen->callback([&arguments, &options] {
    if (arguments.kubernetes)
      options.action = manifests_of(arguments);
    else
      options.action = arguments.files;
  });
}

Result<> complete_certgen(Options& options) {
  const auto* files = std::get_if<CertgenOptions>(&options.action);
  if (files != nullptr && files->output_dir.empty())
    return fail(Code::invalid, "certgen: needs --output-dir or --kubernetes; see --help");
  auto* manifests = std::get_if<ManifestOptions>(&options.action);
  if (manifests != nullptr && manifests->target_namespace.empty())
    manifests->target_namespace = environment_map()["POD_NAMESPACE"];
  return {};
}

}  // namespace keyward::gateway

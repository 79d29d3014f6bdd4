#include "gateway/options_certgen.hpp"

#include <CLI/CLI.hpp>

namespace keyward::gateway {

CLI::Option* add_repeatable(CLI::App& app, const char* name, std::vector<std::string>& target,
                            const char* help) {
  return app.add_option(name, target, help)->allow_extra_args(false);
}

CLI::App* declare_certgen(CLI::App& app, CertgenOptions& options) {
  CLI::App* certgen = app.add_subcommand("certgen", "Make the CA, certificates and keys");
  certgen->fallthrough();
  certgen->add_option("--output-dir", options.output_dir, "directory, made 0700 when it is absent")
      ->required();
  add_repeatable(*certgen, "--server-san", options.server_names,
                 "another DNS name or address of the server (repeatable)");
  certgen->add_flag("--jwt-only", options.jwt_only, "the tokens' signing key alone");
  certgen->add_option("--user", options.user,
                      "a certificate for this user, by the CA that is there");
  certgen->add_flag("--admin", options.user_is_admin, "--user may do everything")->needs("--user");
  certgen->add_flag("--dry-run", options.dry_run, "say what would be done");
  return certgen;
}

}  // namespace keyward::gateway

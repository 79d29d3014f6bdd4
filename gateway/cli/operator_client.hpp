#pragma once
// The command line's side of the operator socket.

#include <memory>
#include <string>
#include <vector>

#include "base/result.hpp"

namespace keyward::gateway {

struct OutputOptions {
  std::string socket;
  bool json = false;
};

struct SandboxCreate {
  std::string name, policy_file, token_out;
  std::vector<std::string> providers;
};
struct ProviderCreate {
  std::string type, name, from_file;  // "-" = standard input
  std::vector<std::string> bindings;  // --bind
  std::vector<std::string> config;    // --config NAME=VALUE
};

// Each prints its answer on standard output: tables for people, JSON with --json.
Result<> sandbox_create(const OutputOptions& output, const SandboxCreate& options);
Result<> sandbox_list(const OutputOptions& output);
Result<> sandbox_get(const OutputOptions& output, const std::string& name);
Result<> sandbox_delete(const OutputOptions& output, const std::string& name);
Result<> sandbox_token(const OutputOptions& output, const std::string& name,
                       const std::string& out);
Result<> provider_create(const OutputOptions& output, const ProviderCreate& options);
Result<> provider_list(const OutputOptions& output);
Result<> provider_delete(const OutputOptions& output, const std::string& name);
Result<> provider_attach(const OutputOptions& output, const std::string& sandbox,
                         const std::string& provider);
Result<> provider_detach(const OutputOptions& output, const std::string& sandbox,
                         const std::string& provider);

}  // namespace keyward::gateway

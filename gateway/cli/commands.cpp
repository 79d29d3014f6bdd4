#include "gateway/cli/commands.hpp"

#include <unistd.h>

#include <cstdio>

#include "base/file.hpp"
#include "gateway/cli/credentials_file.hpp"
#include "gateway/cli/output.hpp"
#include "netproxy/policy/yaml.hpp"

namespace keyward::gateway {
namespace {

constexpr std::size_t credentials_limit = 65'536;  // bytes

void print(const std::string& text) { std::fputs(text.c_str(), stdout); }

std::string or_dash(const std::string& text) { return text.empty() ? "-" : text; }

void print_sandboxes(const std::vector<SandboxInfo>& rows) {
  std::vector<std::vector<std::string>> cells = {
      {"NAME", "ID", "CREATED", "POLICY", "STATUS", "EXIT", "PROVIDERS"}};
  for (const SandboxInfo& row : rows)
    cells.push_back({row.name, row.id, iso_time(row.created),
                     row.policy_version == 0 ? "none" : "v" + std::to_string(row.policy_version),
                     or_dash(row.policy_status),
                     row.exit_code ? std::to_string(*row.exit_code) : "-", joined(row.providers)});
  print(table(cells));
}

// What sandboxes get of it.
std::string handed_out(const ProviderInfo& row) {
  if (row.derived_services.empty()) return "as they are";
  return "keys of " + joined(row.derived_services) + " in " + joined(row.derived_regions);
}

void print_providers(const std::vector<ProviderInfo>& rows) {
  std::vector<std::vector<std::string>> cells = {
      {"NAME", "TYPE", "CREDENTIALS", "HANDED OUT", "BOUND TO"}};
  for (const ProviderInfo& row : rows)
    cells.push_back(
        {row.name, row.type, joined(row.credential_names), handed_out(row), joined(row.bindings)});
  print(table(cells));
}

Result<Secret> read_stdin() {
  Secret text;
  char buffer[4096];
  for (;;) {
    const ssize_t got = ::read(STDIN_FILENO, buffer, sizeof buffer);
    if (got < 0) return fail_errno("standard input");
    if (got == 0) return text;
    text.append({buffer, static_cast<std::size_t>(got)});
    wipe(buffer, sizeof buffer);
    if (text.size() > credentials_limit)
      return fail(Code::invalid, "standard input: larger than 64 KiB");
  }
}

Result<> deliver_token(OperatorClient& client, const std::string& sandbox,
                       const std::string& path) {
  TRY_ASSIGN(const TokenInfo issued, client.issue_token(sandbox));
  if (!path.empty()) return write_token(path, issued.token);
  std::fwrite(issued.token.reveal().data(), 1, issued.token.size(), stdout);
  print("\n");
  return {};
}

Result<> create_sandbox(OperatorClient& client, const SandboxCommand& command, bool json) {
  NewSandbox request{command.name, "", command.policy_file, command.providers};
  if (!command.policy_file.empty()) {
    TRY_ASSIGN(request.policy_yaml, read_file(command.policy_file, netproxy::policy_file_limit));
  }
  TRY_ASSIGN(const SandboxInfo made, client.create_sandbox(request));
  print(json ? sandbox_json(made) + "\n" : made.id + "  " + made.name + "\n");
  if (command.token_file.empty()) return {};
  const Result<> written = deliver_token(client, command.name, command.token_file);
  if (written) return {};
  return fail(written.error().code,
              "the sandbox was created, its token was not written: " + written.error().what +
                  "; then: gateway sandbox token " + command.name + " --out FILE");
}

// Without a file none: the gateway knows whether the type can do without.
Result<CredentialsFile> read_credentials(const ProviderCommand& command) {
  if (command.from_file.empty()) return CredentialsFile{};
  Result<Secret> text = command.from_file == "-"
                            ? read_stdin()
                            : read_secret_file(command.from_file, credentials_limit);
  if (!text) return tl::unexpected(text.error());
  auto read = parse_credentials(text->reveal(), command.profile);
  if (!read) return fail_at("--from-file " + command.from_file, read.error());
  return read;
}

Result<> create_provider(OperatorClient& client, const ProviderCommand& command, bool json) {
  TRY_ASSIGN(CredentialsFile read, read_credentials(command));
  const NewProvider request{command.name,           command.type,     std::move(read.credentials),
                            std::move(read.config), command.bindings, command.derived_keys,
                            command.services,       command.regions};
  TRY_ASSIGN(const ProviderInfo made, client.create_provider(request));
  print(json ? provider_json(made) + "\n" : made.id + "  " + made.name + "\n");
  return {};
}

Result<> update_provider(OperatorClient& client, const ProviderCommand& command, bool json) {
  TRY_ASSIGN(CredentialsFile read, read_credentials(command));
  NewProvider request;
  request.name = command.name;
  request.credentials = std::move(read.credentials);
  request.config = std::move(read.config);
  TRY_ASSIGN(const ProviderInfo changed, client.update_provider(request));
  if (json) print(provider_json(changed) + "\n");
  return {};
}

Result<> list_sandboxes(OperatorClient& client, bool json) {
  TRY_ASSIGN(const auto rows, client.sandboxes());
  if (!json) {
    print_sandboxes(rows);
    return {};
  }
  std::vector<std::string> objects;
  for (const SandboxInfo& row : rows) objects.push_back(sandbox_json(row));
  print(json_list(objects) + "\n");
  return {};
}

Result<> list_providers(OperatorClient& client, bool json) {
  TRY_ASSIGN(const auto rows, client.providers());
  if (!json) {
    print_providers(rows);
    return {};
  }
  std::vector<std::string> objects;
  for (const ProviderInfo& row : rows) objects.push_back(provider_json(row));
  print(json_list(objects) + "\n");
  return {};
}

Result<> require(const Result<bool>& found, const std::string& what) {
  if (!found) return tl::unexpected(found.error());
  if (!*found) return fail(Code::not_found, what);
  return {};
}

}  // namespace

Result<> run_sandbox_command(OperatorClient& client, const SandboxCommand& command, bool json) {
  using Verb = SandboxCommand::Verb;
  switch (command.verb) {
    case Verb::create:
      return create_sandbox(client, command, json);
    case Verb::list:
      return list_sandboxes(client, json);
    case Verb::get: {
      TRY_ASSIGN(const SandboxInfo row, client.sandbox(command.name));
      json ? print(sandbox_json(row) + "\n") : print_sandboxes({row});
      return {};
    }
    case Verb::remove:
      return require(client.delete_sandbox(command.name),
                     "sandbox '" + command.name + "' not found");
    case Verb::logs:
      return print_logs(client, command, json);
    case Verb::token:
      return deliver_token(client, command.name, command.token_file);
  }
  return {};
}

Result<> run_provider_command(OperatorClient& client, const ProviderCommand& command, bool json) {
  using Verb = ProviderCommand::Verb;
  switch (command.verb) {
    case Verb::create:
      return create_provider(client, command, json);
    case Verb::update:
      return update_provider(client, command, json);
    case Verb::list:
      return list_providers(client, json);
    case Verb::remove:
      return require(client.delete_provider(command.name),
                     "provider '" + command.name + "' not found");
    case Verb::attach: {
      TRY(client.attach(command.sandbox, command.name));  // attached already: nothing to do
      return {};
    }
    case Verb::detach:
      return require(
          client.detach(command.sandbox, command.name),
          "provider '" + command.name + "' is not attached to '" + command.sandbox + "'");
  }
  return {};
}

}  // namespace keyward::gateway

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "base/file.hpp"
#include "gateway/cli/commands.hpp"
#include "gateway/cli/output.hpp"

namespace keyward::gateway {
namespace {

constexpr std::size_t profile_file_limit = 65'536;  // bytes

void print_line(const nlohmann::json& json) { std::printf("%s\n", json.dump().c_str()); }

nlohmann::json json_of(const DraftInfo& draft) {
  return {{"id", draft.id},
          {"status", draft.status},
          {"rule", draft.rule},
          {"endpoints", draft.endpoints},
          {"binary", draft.binary},
          {"rationale", draft.rationale},
          {"security_notes", draft.security_notes},
          {"validation", draft.validation},
          {"hits", draft.hits},
          {"created", iso_time(draft.created)}};
}

nlohmann::json json_of(const ProfileInfo& profile) {
  return {{"id", profile.id},
          {"source", profile.source},
          {"display_name", profile.display_name},
          {"variables", profile.variables},
          {"endpoints", profile.endpoints},
          {"resource_version", profile.resource_version}};
}

template <class Row>
void print_json(const std::vector<Row>& rows) {
  auto list = nlohmann::json::array();
  for (const Row& row : rows) list.push_back(json_of(row));
  print_line(list);
}

// A proposal is a sandbox's text: nothing in it may steer the terminal.
std::string shown(std::string text) {
  std::replace_if(
      text.begin(), text.end(),
      [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, ' ');
  return text.empty() ? "-" : text;
}

void print_drafts(const std::vector<DraftInfo>& drafts) {
  std::vector<std::vector<std::string>> cells = {
      {"ID", "STATUS", "RULE", "TO", "PROGRAM", "HITS", "WHY"}};
  for (const DraftInfo& draft : drafts)
    cells.push_back({draft.id, draft.status, shown(draft.rule), shown(joined(draft.endpoints)),
                     shown(draft.binary), std::to_string(draft.hits), shown(draft.rationale)});
  std::fputs(table(cells).c_str(), stdout);
}

void print_profiles(const std::vector<ProfileInfo>& profiles) {
  std::vector<std::vector<std::string>> cells = {{"ID", "SOURCE", "VARIABLES", "ENDPOINTS"}};
  for (const ProfileInfo& profile : profiles)
    cells.push_back(
        {profile.id, profile.source, joined(profile.variables), joined(profile.endpoints)});
  std::fputs(table(cells).c_str(), stdout);
}

Result<> approve(ReviewClient& client, const DraftCommand& command, bool json) {
  TRY_ASSIGN(const auto drafts, client.drafts(command.sandbox));
  const auto draft = std::find_if(drafts.begin(), drafts.end(),
                                  [&](const DraftInfo& each) { return each.id == command.id; });
  if (draft == drafts.end())
    return fail(Code::not_found, "no such proposal; see: gateway draft list " + command.sandbox);
  TRY_ASSIGN(const std::uint32_t version, client.approve(command.sandbox, *draft));
  if (json)
    print_line({{"revision", version}});
  else
    std::printf("revision %u of %s\n", version, command.sandbox.c_str());
  return {};
}

}  // namespace

Result<> run_draft_command(ReviewClient& client, const DraftCommand& command, bool json) {
  switch (command.verb) {
    case DraftCommand::Verb::list: {
      TRY_ASSIGN(const auto drafts, client.drafts(command.sandbox));
      json ? print_json(drafts) : print_drafts(drafts);
      return {};
    }
    case DraftCommand::Verb::approve:
      return approve(client, command, json);
    case DraftCommand::Verb::reject:
      return client.reject(command.sandbox, command.id, command.reason);
  }
  return {};
}

Result<> run_profile_command(ReviewClient& client, const ProfileCommand& command, bool json) {
  switch (command.verb) {
    case ProfileCommand::Verb::list: {
      TRY_ASSIGN(const auto profiles, client.profiles());
      json ? print_json(profiles) : print_profiles(profiles);
      return {};
    }
    case ProfileCommand::Verb::import: {
      TRY_ASSIGN(const std::string text, read_file(command.file, profile_file_limit));
      const Result<> imported = client.import_profile(text);
      return imported ? imported : fail_at(command.file, imported.error());
    }
    case ProfileCommand::Verb::remove:
      return client.delete_profile(command.id);
  }
  return {};
}

}  // namespace keyward::gateway

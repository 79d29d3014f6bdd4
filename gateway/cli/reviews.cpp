#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "base/bytes.hpp"
#include "base/file.hpp"
#include "gateway/cli/commands.hpp"
#include "gateway/cli/output.hpp"

namespace keyward::gateway {
namespace {

constexpr std::size_t profile_file_limit = 65'536;  // bytes

// In ASCII alone: what a sandbox writes must not steer the terminal.
std::string ascii(const nlohmann::json& json, int indent) {
  return json.dump(indent, ' ', true, nlohmann::json::error_handler_t::replace);
}

void print_line(const nlohmann::json& json) { std::printf("%s\n", ascii(json, -1).c_str()); }

nlohmann::json rule_of(const DraftInfo& draft) {
  auto rule = nlohmann::json::parse(draft.proposed_rule, nullptr, false);
  return rule.is_discarded() ? nlohmann::json(draft.proposed_rule) : rule;
}

nlohmann::json json_of(const DraftInfo& draft) {
  return {{"id", draft.id},
          {"status", draft.status},
          {"rule", draft.rule},
          {"endpoints", draft.endpoints},
          {"binary", draft.binary},
          {"rationale", draft.rationale},
          {"security_notes", draft.security_notes},
          {"validation", draft.validation},
          {"proposed_rule", rule_of(draft)},
          {"review_token", draft.review_token},
          {"hits", draft.hits},
          {"created", iso_time(draft.created)}};
}

nlohmann::json json_of(const GrantInfo& grant) {
  return {{"credential", grant.credential},   {"grant_type", grant.grant_type},
          {"client_auth", grant.client_auth}, {"server", grant.server},
          {"header", grant.header},           {"audience", grant.audience},
          {"overrides", grant.overrides},     {"roles", grant.roles}};
}

nlohmann::json json_of(const ProfileInfo& profile) {
  auto grants = nlohmann::json::array();
  for (const GrantInfo& grant : profile.grants) grants.push_back(json_of(grant));
  return {{"id", profile.id},
          {"source", profile.source},
          {"display_name", profile.display_name},
          {"variables", profile.variables},
          {"endpoints", profile.endpoints},
          {"grants", grants},
          {"resource_version", profile.resource_version}};
}

template <class Row>
void print_json(const std::vector<Row>& rows) {
  auto list = nlohmann::json::array();
  for (const Row& row : rows) list.push_back(json_of(row));
  print_line(list);
}

// How many bytes of UTF-8 at `text` would steer a terminal: controls (C0, DEL, C1), line separators
// and what turns the direction of writing.
std::size_t steering(std::string_view text) {
  const auto byte = [&](std::size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
  };
  const auto within = [](unsigned value, unsigned first, unsigned last) {
    return value >= first && value <= last;
  };
  if (is_control(text[0])) return 1;
  if (byte(0) == 0xc2 && within(byte(1), 0x80, 0x9f)) return 2;
  if (byte(0) == 0xd8 && byte(1) == 0x9c) return 2;  // U+061C
  if (byte(0) != 0xe2) return 0;
  if (byte(1) == 0x80 && within(byte(2), 0x8e, 0x8f)) return 3;   // U+200E, U+200F
  if (byte(1) == 0x80 && within(byte(2), 0xa8, 0xae)) return 3;   // U+2028–U+202E
  return byte(1) == 0x81 && within(byte(2), 0xa6, 0xa9) ? 3 : 0;  // U+2066–U+2069
}

// A proposal is a sandbox's text: nothing in it may steer the terminal.
std::string shown(std::string_view text) {
  std::string safe;
  while (!text.empty()) {
    const std::size_t bad = steering(text);
    safe += bad > 0 ? ' ' : text.front();
    text.remove_prefix(std::max<std::size_t>(bad, 1));
  }
  return safe.empty() ? "-" : safe;
}

void print_drafts(const std::vector<DraftInfo>& drafts) {
  std::vector<std::vector<std::string>> cells = {
      {"ID", "STATUS", "RULE", "TO", "PROGRAM", "HITS", "NOTES", "REVIEW", "WHY"}};
  for (const DraftInfo& draft : drafts)
    cells.push_back({draft.id, draft.status, shown(draft.rule), shown(joined(draft.endpoints)),
                     shown(draft.binary), std::to_string(draft.hits), shown(draft.security_notes),
                     shown(draft.review_token), shown(draft.rationale)});
  std::fputs(table(cells).c_str(), stdout);
}

// NAME=GRANT_TYPE[+CLIENT_AUTH]@SERVER for each.
std::string grants_of(const ProfileInfo& profile) {
  std::vector<std::string> words;
  for (const GrantInfo& grant : profile.grants)
    words.push_back(grant.credential + "=" + grant.grant_type +
                    (grant.client_auth.empty() ? "" : "+" + grant.client_auth) +
                    (grant.server.empty() ? "" : "@" + grant.server));
  return shown(joined(words));
}

void print_profiles(const std::vector<ProfileInfo>& profiles) {
  std::vector<std::vector<std::string>> cells = {
      {"ID", "SOURCE", "VARIABLES", "GRANTS", "ENDPOINTS"}};
  for (const ProfileInfo& profile : profiles)
    cells.push_back({profile.id, profile.source, joined(profile.variables), grants_of(profile),
                     joined(profile.endpoints)});
  std::fputs(table(cells).c_str(), stdout);
}

Result<> show(ReviewClient& client, const DraftCommand& command, bool json) {
  TRY_ASSIGN(const auto drafts, client.drafts(command.sandbox));
  const auto draft = std::find_if(drafts.begin(), drafts.end(),
                                  [&](const DraftInfo& each) { return each.id == command.id; });
  if (draft == drafts.end())
    return fail(Code::not_found, "no such proposal; see: gateway draft list " + command.sandbox);
  if (json) {
    print_line(json_of(*draft));
    return {};
  }
  const std::vector<std::vector<std::string>> cells = {{"ID", draft->id},
                                                       {"STATUS", shown(draft->status)},
                                                       {"NAME", shown(draft->rule)},
                                                       {"PROGRAM", shown(draft->binary)},
                                                       {"NOTES", shown(draft->security_notes)},
                                                       {"VALIDATION", shown(draft->validation)},
                                                       {"SANDBOX SAYS", shown(draft->rationale)},
                                                       {"REVIEW", shown(draft->review_token)},
                                                       {"RULE", ""}};
  std::printf("%s%s\n", table(cells).c_str(), ascii(rule_of(*draft), 2).c_str());
  return {};
}

Result<> approve(ReviewClient& client, const DraftCommand& command, bool json) {
  if (command.review.empty())  // which the gateway would take for: not reviewed
    return fail(Code::invalid, "--review: the token that gateway draft show prints");
  TRY_ASSIGN(const std::uint32_t version,
             client.approve(command.sandbox, command.id, command.review));
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
    case DraftCommand::Verb::show:
      return show(client, command, json);
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

// What the rule of open_store is asked about, as the transaction sees it.
#include "gateway/store/sql_store.hpp"

namespace keyward::gateway {
namespace {

constexpr std::string_view with_this_provider =
    "IN (SELECT mine.sandbox_id FROM attachments mine WHERE mine.provider_id = ?)";
constexpr std::string_view with_this_type =
    "IN (SELECT mine.sandbox_id FROM attachments mine"
    " JOIN providers q ON q.id = mine.provider_id WHERE q.type = ?)";

// `found`: outlines, each with its sandbox's name behind it, by sandbox.
std::vector<SandboxProviders> by_sandbox(const SqlResult& found,
                                         std::vector<ProviderOutline> outlines) {
  std::vector<SandboxProviders> sandboxes;
  for (std::size_t i = 0; i < outlines.size(); ++i) {
    const std::string sandbox = found.rows[i].text(outline_columns);
    if (sandboxes.empty() || sandboxes.back().sandbox != sandbox)
      sandboxes.push_back({sandbox, {}});
    sandboxes.back().providers.push_back(std::move(outlines[i]));
  }
  return sandboxes;
}

Result<std::map<std::string, RecordRow>> used_profiles(SqlSession& session) {
  TRY_ASSIGN(const SqlResult found,
             session.run(std::string(select_records) +
                             "kind = ? AND owner = '' AND name IN (SELECT type FROM providers)",
                         {profile_kind}));
  std::map<std::string, RecordRow> profiles;
  for (const SqlRow& cells : found.rows) {
    RecordRow row = record_of(cells);
    profiles.emplace(row.key.name, std::move(row));
  }
  return profiles;
}

}  // namespace

Result<> SqlStore::ask_rule(SqlSession& session, std::string_view which,
                            const std::string& value) const {
  if (!rule_) return {};
  TRY_ASSIGN(const SqlResult found,
             session.run(select_outlines(", s.name FROM attachments a"
                                         " JOIN sandboxes s ON s.id = a.sandbox_id"
                                         " JOIN providers p ON p.id = a.provider_id"
                                         " WHERE a.sandbox_id ")
                             .append(which)
                             .append(" ORDER BY s.name, p.name"),
                         {value}));
  if (found.rows.empty()) return {};
  TRY_ASSIGN(auto outlines, outlines_from(found));
  GivenProviders given{by_sandbox(found, std::move(outlines)), {}};
  TRY_ASSIGN(given.profiles, used_profiles(session));
  return rule_(given);
}

Result<> SqlStore::ask_rule_of_attached(SqlSession& session, const std::string& provider_id) const {
  return ask_rule(session, with_this_provider, provider_id);
}

Result<> SqlStore::ask_rule_of_type(SqlSession& session, const RecordKey& profile) const {
  if (profile.kind != profile_kind || !profile.owner.empty()) return {};
  return ask_rule(session, with_this_type, profile.name);
}

}  // namespace keyward::gateway

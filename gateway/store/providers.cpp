#include <charconv>
#include <set>

#include "base/bytes.hpp"
#include "gateway/store/sql_store.hpp"

namespace keyward::gateway {
namespace {

constexpr std::string_view facts =
    "SELECT p.id, p.name, p.type, p.created, p.config, p.bindings, p.expires, p.resource_version,"
    " p.derived_services, p.derived_regions, p.variables, ";
// What comes after the facts.
constexpr std::size_t variables_cell = 10, credentials_cell = 11;
constexpr std::string_view from_providers = " FROM providers p";
constexpr std::string_view of_sandbox =
    " JOIN attachments a ON a.provider_id = p.id WHERE a.sandbox_id = ? ORDER BY p.name";

std::string select_rows(std::string_view rest) {
  return std::string(facts).append("p.credentials").append(from_providers).append(rest);
}

std::string expiry_json(const std::map<std::string, std::int64_t>& expires) {
  std::map<std::string, std::string> texts;
  for (const auto& [name, time] : expires) texts.emplace(name, std::to_string(time));
  return to_json(texts);
}

Result<std::map<std::string, std::int64_t>> expiry_from_json(const std::string& text) {
  TRY_ASSIGN(const auto texts, map_from_json(text));
  std::map<std::string, std::int64_t> expires;
  for (const auto& [name, number] : texts) {
    std::int64_t time = 0;
    const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), time);
    if (error != std::errc()) return fail(Code::internal, "stored expiry is unreadable");
    expires.emplace(name, time);
  }
  return expires;
}

Result<> read_facts(const SqlRow& cells, ProviderFacts& row) {
  row.id = cells.text(0);
  row.name = cells.text(1);
  row.type = cells.text(2);
  row.created = time_of(cells.number(3));
  TRY_ASSIGN(row.config, map_from_json(cells.text(4)));
  TRY_ASSIGN(row.bindings, list_from_json(cells.text(5)));
  TRY_ASSIGN(row.expires, expiry_from_json(cells.text(6)));
  row.resource_version = static_cast<std::uint64_t>(cells.number(7));
  TRY_ASSIGN(row.derived_keys.services, list_from_json(cells.text(8)));
  TRY_ASSIGN(row.derived_keys.regions, list_from_json(cells.text(9)));
  return {};
}

std::vector<std::string> names_of(const std::map<std::string, Secret>& credentials) {
  std::vector<std::string> names;
  for (const auto& [name, value] : credentials) names.push_back(name);
  return names;
}

// What the sealed credentials are tied to.  Whoever changes the scopes beside them, or does not
// know of derived keys, cannot open them: the secret stays here or is handed out to nobody.
std::string sealed_for(const ProviderFacts& row) {
  if (row.derived_keys.empty()) return row.id;
  return row.id + " derived keys " + to_json(row.derived_keys.services) +
         to_json(row.derived_keys.regions);
}

}  // namespace

// The sealed credentials only where a row of an older version does not tell their names.
std::string select_outlines(std::string_view rest) {
  return std::string(facts).append("CASE p.variables WHEN '' THEN p.credentials END").append(rest);
}

Result<> SqlStore::create_provider(const ProviderRow& row,
                                   const std::optional<RecordVersion>& profile) {
  TRY_ASSIGN(const std::string sealed, sealer_.seal(sealed_for(row), row.credentials));
  return transact(*database_, [&](SqlSession& session) -> Result<> {
    TRY(check_version(session, profile));
    auto inserted = session.run(
        "INSERT INTO providers"
        " (id, name, type, created, credentials, variables, config, bindings, expires,"
        " derived_services, derived_regions) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        {row.id, row.name, row.type, millis(row.created), Blob{sealed},
         to_json(names_of(row.credentials)), to_json(row.config), to_json(row.bindings),
         expiry_json(row.expires), to_json(row.derived_keys.services),
         to_json(row.derived_keys.regions)});
    if (inserted) return {};
    if (inserted.error().code == Code::exists) return fail(Code::exists, "provider already exists");
    return tl::unexpected(std::move(inserted).error());
  });
}

Result<std::vector<ProviderRow>> SqlStore::providers_from(const SqlResult& found) const {
  std::vector<ProviderRow> rows;
  for (const SqlRow& cells : found.rows) {
    ProviderRow row;
    TRY(read_facts(cells, row));
    TRY_ASSIGN(row.credentials, sealer_.open(sealed_for(row), cells.text(credentials_cell)));
    rows.push_back(std::move(row));
  }
  return rows;
}

Result<std::vector<ProviderOutline>> SqlStore::outlines_from(const SqlResult& found) const {
  std::vector<ProviderOutline> rows;
  for (const SqlRow& cells : found.rows) {
    ProviderOutline row;
    TRY(read_facts(cells, row));
    if (const std::string names = cells.text(variables_cell); !names.empty()) {
      TRY_ASSIGN(row.variables, list_from_json(names));
    } else {
      TRY_ASSIGN(const auto credentials,
                 sealer_.open(sealed_for(row), cells.text(credentials_cell)));
      row.variables = names_of(credentials);
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

// For the rows of older versions.  What cannot be unsealed is told where it is used, not here.
Result<> SqlStore::name_variables(SqlSession& session) const {
  TRY_ASSIGN(const SqlResult found,
             session.run("SELECT id, credentials FROM providers WHERE variables = ''"));
  for (const SqlRow& cells : found.rows) {
    const std::string id = cells.text(0);
    const auto credentials = sealer_.open(id, cells.text(1));
    if (!credentials) continue;
    TRY(session.run("UPDATE providers SET variables = ? WHERE id = ?",
                    {to_json(names_of(*credentials)), id}));
  }
  return {};
}

Result<std::vector<ProviderOutline>> SqlStore::outlines() {
  TRY_ASSIGN(const SqlResult found, read(select_outlines(" FROM providers p ORDER BY p.name"), {}));
  return outlines_from(found);
}

Result<std::vector<ProviderRow>> SqlStore::providers_of(const std::string& sandbox_id) {
  TRY_ASSIGN(const SqlResult found, read(select_rows(of_sandbox), {sandbox_id}));
  return providers_from(found);
}

Result<std::vector<ProviderOutline>> SqlStore::outlines_of(const std::string& sandbox_id) {
  TRY_ASSIGN(const SqlResult found,
             read(select_outlines(std::string(from_providers).append(of_sandbox)), {sandbox_id}));
  return outlines_from(found);
}

Result<std::vector<std::string>> SqlStore::provider_names_of(const std::string& sandbox_id) {
  TRY_ASSIGN(
      const SqlResult found,
      read(std::string("SELECT p.name").append(from_providers).append(of_sandbox), {sandbox_id}));
  std::vector<std::string> names;
  for (const SqlRow& cells : found.rows) names.push_back(cells.text(0));
  return names;
}

Result<ProviderRow> SqlStore::provider_by_name(const std::string& name) {
  TRY_ASSIGN(const SqlResult found, read(select_rows(" WHERE p.name = ?"), {name}));
  if (found.rows.empty()) return fail(Code::not_found, "provider not found");
  TRY_ASSIGN(auto rows, providers_from(found));
  return std::move(rows.front());
}

Result<ProviderOutline> SqlStore::outline_by_name(const std::string& name) {
  TRY_ASSIGN(const SqlResult found,
             read(select_outlines(" FROM providers p WHERE p.name = ?"), {name}));
  if (found.rows.empty()) return fail(Code::not_found, "provider not found");
  TRY_ASSIGN(auto rows, outlines_from(found));
  return std::move(rows.front());
}

Result<> SqlStore::update_provider(const ProviderRow& row,
                                   const std::optional<RecordVersion>& profile) {
  TRY_ASSIGN(const std::string sealed, sealer_.seal(sealed_for(row), row.credentials));
  const ProviderOutline outline{static_cast<const ProviderFacts&>(row), names_of(row.credentials)};
  // False: it has another version.
  TRY_ASSIGN(
      const bool updated, transact(*database_, [&](SqlSession& session) -> Result<bool> {
        TRY(check_version(session, profile));
        TRY_ASSIGN(const SqlResult done,
                   session.run("UPDATE providers SET credentials = ?, variables = ?, config = ?,"
                               " bindings = ?, expires = ?, resource_version = resource_version + 1"
                               " WHERE id = ? AND resource_version = ?",
                               {Blob{sealed}, to_json(outline.variables), to_json(row.config),
                                to_json(row.bindings), expiry_json(row.expires), row.id,
                                static_cast<std::int64_t>(row.resource_version)}));
        if (done.changed == 0) return false;
        TRY_ASSIGN(
            const SqlResult others,
            session.run(select_outlines(
                            ", s.name FROM attachments mine"
                            " JOIN attachments a ON a.sandbox_id = mine.sandbox_id"
                            " JOIN sandboxes s ON s.id = a.sandbox_id"
                            " JOIN providers p ON p.id = a.provider_id"
                            " WHERE mine.provider_id = ? AND p.id <> ? ORDER BY s.name, p.name"),
                        {row.id, row.id}));
        TRY(check_collisions(others, outline));
        TRY(ask_rule_of_attached(session, row.id));
        return true;
      }));
  if (updated) return {};
  return fail(Code::conflict, "the provider has changed meanwhile; read it and try again");
}

Result<bool> SqlStore::delete_provider(const std::string& name) {
  auto done = run("DELETE FROM providers WHERE name = ?", {name});
  if (done) return done->changed > 0;
  if (done.error().code != Code::denied) return tl::unexpected(std::move(done).error());
  TRY_ASSIGN(const SqlResult holders,
             run("SELECT s.name FROM attachments a JOIN sandboxes s ON s.id = a.sandbox_id"
                 " JOIN providers p ON p.id = a.provider_id WHERE p.name = ? ORDER BY s.name",
                 {name}));
  std::string names;
  for (const SqlRow& row : holders.rows) names += (names.empty() ? "" : ", ") + row.text(0);
  return fail(Code::precondition,
              "provider '" + name + "' is attached to sandbox(es): " + names + "; detach it first");
}

Result<> SqlStore::check_collisions(const SqlResult& others, const ProviderOutline& changed) const {
  TRY_ASSIGN(const auto rows, outlines_from(others));
  std::set<std::string_view> mine(changed.variables.begin(), changed.variables.end());
  for (const auto& [name, value] : changed.config) mine.insert(name);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const auto collide = [&](const std::string& name) -> Result<> {
      if (mine.count(name) == 0) return {};
      return fail(Code::precondition, "providers '" + changed.name + "' and '" + rows[i].name +
                                          "' of sandbox '" + others.rows[i].text(outline_columns) +
                                          "' would both set " + name);
    };
    for (const std::string& name : rows[i].variables) TRY(collide(name));
    for (const auto& [name, value] : rows[i].config) TRY(collide(name));
  }
  return {};
}

Result<> SqlStore::ask(SqlSession& session, const std::optional<ProviderCheck>& check) const {
  if (!check) return {};
  TRY_ASSIGN(const SqlResult found,
             session.run(select_outlines(" FROM providers p WHERE p.type = ? ORDER BY p.name"),
                         {check->type}));
  TRY_ASSIGN(const auto outlines, outlines_from(found));
  return check->holds(outlines);
}

Result<bool> SqlStore::attach_in(SqlSession& session, const std::string& sandbox_id,
                                 const std::string& provider) const {
  TRY_ASSIGN(const SqlResult found,
             session.run(select_outlines(" FROM providers p WHERE p.name = ?"), {provider}));
  if (found.rows.empty())
    return fail(Code::not_found,
                "provider '" + std::string(utf8_prefix(provider, 63)) + "' not found");
  TRY_ASSIGN(const auto outlines, outlines_from(found));
  const ProviderOutline& outline = outlines.front();
  TRY_ASSIGN(const SqlResult done,
             session.run("INSERT INTO attachments (sandbox_id, provider_id) VALUES (?, ?)"
                         " ON CONFLICT DO NOTHING",
                         {sandbox_id, outline.id}));
  if (done.changed == 0) return false;
  TRY_ASSIGN(const SqlResult others,
             session.run(select_outlines(
                             ", s.name FROM attachments a JOIN sandboxes s ON s.id = a.sandbox_id"
                             " JOIN providers p ON p.id = a.provider_id"
                             " WHERE a.sandbox_id = ? AND p.id <> ? ORDER BY p.name"),
                         {sandbox_id, outline.id}));
  TRY(check_collisions(others, outline));
  TRY(ask_rule(session, "= ?", sandbox_id));
  return true;
}

Result<bool> SqlStore::attach(const std::string& sandbox, const std::string& provider) {
  return transact(*database_, [&](SqlSession& session) -> Result<bool> {
    TRY_ASSIGN(const SqlResult found,
               session.run("SELECT id FROM sandboxes WHERE name = ?", {sandbox}));
    if (found.rows.empty()) return fail(Code::not_found, "sandbox '" + sandbox + "' not found");
    return attach_in(session, found.rows[0].text(0), provider);
  });
}

Result<bool> SqlStore::detach(const std::string& sandbox, const std::string& provider) {
  TRY_ASSIGN(const SqlResult done,
             run("DELETE FROM attachments"
                 " WHERE sandbox_id = (SELECT id FROM sandboxes WHERE name = ?)"
                 " AND provider_id = (SELECT id FROM providers WHERE name = ?)",
                 {sandbox, provider}));
  return done.changed > 0;
}

Result<bool> SqlStore::attach_by_id(const AttachmentChange& change) {
  return transact(*database_, [&](SqlSession& session) -> Result<bool> {
    TRY(touch_in(session, change.sandbox_id, change.expected));
    return attach_in(session, change.sandbox_id, change.provider);
  });
}

Result<bool> SqlStore::detach_by_id(const AttachmentChange& change) {
  return transact(*database_, [&](SqlSession& session) -> Result<bool> {
    TRY(touch_in(session, change.sandbox_id, change.expected));
    TRY_ASSIGN(const SqlResult done,
               session.run("DELETE FROM attachments WHERE sandbox_id = ?"
                           " AND provider_id = (SELECT id FROM providers WHERE name = ?)",
                           {change.sandbox_id, change.provider}));
    return done.changed > 0;
  });
}

}  // namespace keyward::gateway

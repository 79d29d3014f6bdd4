#include <charconv>

#include "gateway/store/sql_store.hpp"

namespace keyward::gateway {
namespace {

constexpr std::string_view columns =
    "SELECT p.id, p.name, p.type, p.created, p.credentials, p.config, p.bindings, p.expires,"
    " p.resource_version FROM providers p";

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

}  // namespace

Result<> SqlStore::create_provider(const ProviderRow& row) {
  TRY_ASSIGN(const std::string sealed, sealer_.seal(row.id, row.credentials));
  const std::string config = to_json(row.config), bindings = to_json(row.bindings);
  auto inserted =
      run("INSERT INTO providers (id, name, type, created, credentials, config, bindings, expires)"
          " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
          {row.id, row.name, row.type, millis(row.created), Blob{sealed}, config, bindings,
           expiry_json(row.expires)});
  if (inserted) return {};
  if (inserted.error().code == Code::exists)
    return fail(Code::exists, "provider '" + row.name + "' already exists");
  return tl::unexpected(std::move(inserted).error());
}

Result<std::vector<ProviderRow>> SqlStore::providers_from(const SqlResult& found) {
  std::vector<ProviderRow> rows;
  for (const SqlRow& cells : found.rows) {
    ProviderRow row;
    row.id = cells.text(0);
    row.name = cells.text(1);
    row.type = cells.text(2);
    row.created = time_of(cells.number(3));
    TRY_ASSIGN(row.credentials, sealer_.open(row.id, cells.text(4)));
    TRY_ASSIGN(row.config, map_from_json(cells.text(5)));
    TRY_ASSIGN(row.bindings, list_from_json(cells.text(6)));
    TRY_ASSIGN(row.expires, expiry_from_json(cells.text(7)));
    row.resource_version = static_cast<std::uint64_t>(cells.number(8));
    rows.push_back(std::move(row));
  }
  return rows;
}

Result<std::vector<ProviderRow>> SqlStore::providers() {
  TRY_ASSIGN(const SqlResult found, read(std::string(columns) + " ORDER BY p.name", {}));
  return providers_from(found);
}

Result<std::vector<ProviderRow>> SqlStore::providers_of(const std::string& sandbox_id) {
  TRY_ASSIGN(const SqlResult found,
             read(std::string(columns) + " JOIN attachments a ON a.provider_id = p.id"
                                         " WHERE a.sandbox_id = ? ORDER BY p.name",
                  {sandbox_id}));
  return providers_from(found);
}

Result<ProviderRow> SqlStore::provider_by_name(const std::string& name) {
  TRY_ASSIGN(const SqlResult found, read(std::string(columns) + " WHERE p.name = ?", {name}));
  if (found.rows.empty()) return fail(Code::not_found, "provider not found");
  TRY_ASSIGN(auto rows, providers_from(found));
  return std::move(rows.front());
}

Result<> SqlStore::update_provider(const ProviderRow& row) {
  TRY_ASSIGN(const std::string sealed, sealer_.seal(row.id, row.credentials));
  TRY_ASSIGN(
      const SqlResult done,
      run("UPDATE providers SET credentials = ?, config = ?, bindings = ?, expires = ?,"
          " resource_version = resource_version + 1 WHERE id = ? AND resource_version = ?",
          {Blob{sealed}, to_json(row.config), to_json(row.bindings), expiry_json(row.expires),
           row.id, static_cast<std::int64_t>(row.resource_version)}));
  if (done.changed > 0) return {};
  return fail(Code::conflict, "the provider has changed meanwhile; read it and try again");
}

Result<bool> SqlStore::delete_provider(const std::string& name) {
  auto done = run("DELETE FROM providers WHERE name = ?", {name});
  if (done) return done->changed > 0;
  if (done.error().code == Code::denied)
    return fail(Code::precondition,
                "provider '" + name + "' is attached to a sandbox; detach it first");
  return tl::unexpected(std::move(done).error());
}

Result<bool> attach_in(SqlSession& session, const std::string& sandbox,
                       const std::string& provider) {
  TRY_ASSIGN(const SqlResult sandboxes,
             session.run("SELECT 1 FROM sandboxes WHERE name = ?", {sandbox}));
  if (sandboxes.rows.empty()) return fail(Code::not_found, "sandbox '" + sandbox + "' not found");
  TRY_ASSIGN(const SqlResult providers,
             session.run("SELECT 1 FROM providers WHERE name = ?", {provider}));
  if (providers.rows.empty()) return fail(Code::not_found, "provider '" + provider + "' not found");
  TRY_ASSIGN(const SqlResult done,
             session.run("INSERT INTO attachments SELECT s.id, p.id FROM sandboxes s, providers p"
                         " WHERE s.name = ? AND p.name = ? ON CONFLICT DO NOTHING",
                         {sandbox, provider}));
  return done.changed > 0;
}

Result<bool> SqlStore::attach(const std::string& sandbox, const std::string& provider) {
  return transact(*database_,
                  [&](SqlSession& session) { return attach_in(session, sandbox, provider); });
}

Result<bool> SqlStore::detach(const std::string& sandbox, const std::string& provider) {
  TRY_ASSIGN(const SqlResult done,
             run("DELETE FROM attachments"
                 " WHERE sandbox_id = (SELECT id FROM sandboxes WHERE name = ?)"
                 " AND provider_id = (SELECT id FROM providers WHERE name = ?)",
                 {sandbox, provider}));
  return done.changed > 0;
}

}  // namespace keyward::gateway

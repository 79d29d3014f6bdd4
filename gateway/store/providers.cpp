#include "gateway/store/sql_store.hpp"

namespace keyward::gateway {

Result<> SqlStore::create_provider(const ProviderRow& row) {
  TRY_ASSIGN(const std::string sealed, sealer_.seal(row.id, row.credentials));
  const std::string config = to_json(row.config), bindings = to_json(row.bindings);
  auto inserted =
      run("INSERT INTO providers VALUES (?, ?, ?, ?, ?, ?, ?)",
          {row.id, row.name, row.type, millis(row.created), Blob{sealed}, config, bindings});
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
    rows.push_back(std::move(row));
  }
  return rows;
}

Result<std::vector<ProviderRow>> SqlStore::providers() {
  TRY_ASSIGN(const SqlResult found, read("SELECT p.* FROM providers p ORDER BY p.name", {}));
  return providers_from(found);
}

Result<std::vector<ProviderRow>> SqlStore::providers_of(const std::string& sandbox_id) {
  TRY_ASSIGN(const SqlResult found,
             read("SELECT p.* FROM providers p JOIN attachments a ON a.provider_id = p.id"
                  " WHERE a.sandbox_id = ? ORDER BY p.name",
                  {sandbox_id}));
  return providers_from(found);
}

Result<bool> SqlStore::delete_provider(const std::string& name) {
  auto done = run("DELETE FROM providers WHERE name = ?", {name});
  if (done) return done->changed > 0;
  if (done.error().code == Code::denied)
    return fail(Code::denied, "provider '" + name + "' is attached to a sandbox; detach it first");
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
